"""Pushes a lane's branch: plainly, never forced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from gr2.edges.git import GitError, Place
from gr2.edges.git.refs import read_ref
from gr2.edges.git.stale_locks import remove_stale_locks
from gr2.errors import Gr2Error, Interrupted
from gr2.model.names import visible
from gr2.model.outcome import Issue
from gr2.model.url import canonical, local_path
from gr2.ops.adopt_url import recorded_origin
from gr2.ops.materialize import canonical_url, remote_url
from gr2.ops.pr_candidates import Candidate
from gr2.ops.pr_group import Work
from gr2.store.journal import VERSION as JOURNAL_VERSION
from gr2.store.journal import CheckoutChange, checkout_change, journal_path, needs_recovery
from gr2.store.state_file import read_state


def push(work: Work, candidate: Candidate) -> Issue | None:
    """Bring the candidate's branch to its remote. Why it did not work, or None."""
    place = Place.checkout(candidate.checkout)
    # Pushed by name where the name means the spec's URL, so that git notes where the remote's branch is.
    to = "origin" if _origin_is_ours(work, candidate) else remote_url(work.session, candidate.repo)
    ref = f"refs/heads/{candidate.head}"
    args = ["push", "--porcelain", "--no-verify", "--", to, f"{candidate.head_sha}:{ref}"]
    try:
        with _change(work, candidate) as change:
            try:
                change.git.run(args, at=place, network=True)
            except GitError:
                # The other side may have been killed, and a directory has nobody else to clear up after it.
                _unlock_remote(work, candidate, change.entry)
                raise
    except GitError as error:
        if _was_rejected(error.stdout):
            return _rejected(work, candidate, error)
        return _failed(candidate, error)
    except Interrupted:
        raise
    except Gr2Error as error:
        return _failed(candidate, error)
    return None


def note_pushed(work: Work, candidate: Candidate) -> None:
    """Note in the checkout where the remote's branch is, as git does after a push: one that was killed may not have."""
    ref = f"refs/remotes/origin/{candidate.head}"
    noted = read_ref(os.path.join(candidate.checkout, ".git"), ref)
    if noted != candidate.head_sha and _origin_is_ours(work, candidate):
        with _change(work, candidate) as change:
            change.git.run(["update-ref", ref, candidate.head_sha], at=Place.checkout(candidate.checkout))


def _origin_is_ours(work: Work, candidate: Candidate) -> bool:
    origin = recorded_origin(candidate.checkout)
    session = work.session
    return origin is not None and canonical(origin, base=session.root) == canonical_url(session, candidate.repo)


def clear_up(work: Work, candidate: Candidate) -> None:
    """Remove git's locks that a push left which was killed: in the checkout, and in a remote that is a directory."""
    layout = work.session.layout
    path = layout.relative(candidate.checkout)
    if not needs_recovery(layout, path):
        return
    entry = read_state(journal_path(layout, path), version=JOURNAL_VERSION)
    if entry is not None and entry.get("what") == "push":
        _unlock_remote(work, candidate, entry)
    with _change(work, candidate):
        pass


def _unlock_remote(work: Work, candidate: Candidate, entry: Mapping[str, Any]) -> None:
    remote = local_path(candidate.repo.url, base=work.session.root)
    if remote is not None and os.path.isdir(remote):
        remove_stale_locks(remote, since_ns=int(entry["since_ns"]))


def _change(work: Work, candidate: Candidate) -> AbstractContextManager[CheckoutChange]:
    path = work.session.layout.relative(candidate.checkout)
    return checkout_change(work.session, path, what="push", operation_id=work.run.operation_id)


def _was_rejected(output: bytes) -> bool:
    """Whether the remote answered and refused (git-push(1), "OUTPUT": the line of the ref begins with `!`)."""
    return any(line.startswith(b"!") for line in output.splitlines())


def _rejected(work: Work, candidate: Candidate, error: GitError) -> Issue:
    line = next(line for line in error.stdout.decode(errors="replace").splitlines() if line.startswith("!"))
    reason = line.rpartition("\t")[2].strip()
    return Issue(
        code="push_rejected",
        scope="repo",
        subject=candidate.repo.name,
        message=f"the remote of {candidate.repo.name} refused the branch {candidate.head}: {visible(reason)}",
        hint=f"gr2 sync run, or look at origin/{candidate.head}, then gr2 pr create{work.lane_option} again",
        details={**error.details, "repo": candidate.repo.name, "head": candidate.head, "pr_number": None},
    )


def _failed(candidate: Candidate, error: Gr2Error) -> Issue:
    error.subject = error.subject or candidate.repo.name
    issue = Issue.from_error(error)
    return Issue(**{**vars(issue), "details": {**issue.details, "repo": candidate.repo.name, "pr_number": None}})
