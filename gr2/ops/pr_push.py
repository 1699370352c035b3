"""Pushes a lane's branch: plainly, never forced."""

from __future__ import annotations

from gr2.edges.git import GitError, Place
from gr2.errors import Gr2Error
from gr2.model.names import visible
from gr2.model.outcome import Issue
from gr2.model.url import canonical
from gr2.ops.adopt_url import recorded_origin
from gr2.ops.materialize import canonical_url, remote_url
from gr2.ops.pr_candidates import Candidate
from gr2.ops.pr_group import Work


def push(work: Work, candidate: Candidate) -> Issue | None:
    """Bring the candidate's branch to its remote. Why it did not work, or None."""
    session = work.session
    place = Place.checkout(candidate.checkout)
    url = remote_url(session, candidate.repo)
    origin = recorded_origin(candidate.checkout)
    ours = origin is not None and canonical(origin, base=session.root) == canonical_url(session, candidate.repo)
    ref = f"refs/heads/{candidate.head}"
    # Pushed by name where the name means the spec's URL, so that git notes where the remote's branch is.
    args = ["push", "--porcelain", "--no-verify", "--", "origin" if ours else url, f"{candidate.head_sha}:{ref}"]
    try:
        session.git.run(args, at=place, network=True)
    except GitError as error:
        if _was_rejected(error.stdout):
            return _rejected(candidate, error)
        return _failed(candidate, error)
    except Gr2Error as error:
        return _failed(candidate, error)
    return None


def _was_rejected(output: bytes) -> bool:
    """Whether the remote answered and refused (git-push(1), "OUTPUT": the line of the ref begins with `!`)."""
    return any(line.startswith(b"!") for line in output.splitlines())


def _rejected(candidate: Candidate, error: GitError) -> Issue:
    line = next(line for line in error.stdout.decode(errors="replace").splitlines() if line.startswith("!"))
    reason = line.rpartition("\t")[2].strip()
    return Issue(
        code="push_rejected",
        scope="repo",
        subject=candidate.repo.name,
        message=f"the remote of {candidate.repo.name} refused the branch {candidate.head}: {visible(reason)}",
        hint=f"gr2 sync run, or look at origin/{candidate.head}, then gr2 pr create again",
        details={**error.details, "repo": candidate.repo.name, "head": candidate.head, "pr_number": None},
    )


def _failed(candidate: Candidate, error: Gr2Error) -> Issue:
    error.subject = error.subject or candidate.repo.name
    issue = Issue.from_error(error)
    return Issue(**{**vars(issue), "details": {**issue.details, "repo": candidate.repo.name, "pr_number": None}})
