"""Which of a lane's repos get a pull request: branches, bases, and what is beyond them. Nothing is changed here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from gr2.edges.git import GitError, Place
from gr2.edges.git.refs import read_ref
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hints import git_at, place_at
from gr2.model.outcome import Issue
from gr2.model.platform_error import Unsupported
from gr2.model.pull_request import Heads
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.materialize import canonical_url, remote_url
from gr2.ops.pr_group import Work
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A repo that gets no pull request, and why: reference, no_commits, merged, same_repository."""

    repo: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A repo that is to have a pull request. head_sha: where the lane's branch is; remote_sha: where it is on the
    remote, "" when it is not there."""

    repo: Repo
    platform: str
    checkout: str
    head: str
    head_sha: str
    base: str
    remote_sha: str

    @property
    def is_pushed(self) -> bool:
        """Whether the remote has the branch as it is here."""
        return self.head_sha == self.remote_sha


def candidates(work: Work, *, base: str) -> tuple[list[Candidate], list[Skipped]]:
    """The repos of the lane that are to have a pull request, in declared order, and the others.

    Raises Blocked when a base is missing, Failed when a remote cannot be asked: nothing is pushed then.
    """
    session, lane = work.session, work.lane
    repos = [repo for repo in session.spec.repos if repo.name in lane.repos]
    skipped = [Skipped(repo=repo.name, reason="reference") for repo in repos if repo.reference]
    repos = [repo for repo in repos if not repo.reference]
    platforms = {repo.name: work.platforms.name_for(repo) for repo in repos}
    heads = remote_heads(work, repos, platforms)
    found: list[Candidate] = []
    missing: list[Issue] = []
    for repo in repos:
        wanted = base or _base_of(work, repo, heads[repo.name])
        branch = lane.branch_map.get(repo.name, lane.name)
        checkout = session.layout.lane_checkout(work.unit.path, lane.name, repo.name)
        head_sha = read_ref(os.path.join(checkout, ".git"), f"refs/heads/{branch}")
        if head_sha is None:
            raise _no_branch(session.root, repo, branch, session.layout.relative(checkout))
        branches = heads[repo.name].branches
        if wanted not in branches:
            missing.append(_no_base(repo, wanted))
            continue
        candidate = Candidate(
            repo=repo,
            platform=platforms[repo.name],
            checkout=checkout,
            head=branch,
            head_sha=head_sha,
            base=wanted,
            remote_sha=branches.get(branch, ""),
        )
        reason = _why_not(work, candidate, branches[wanted], found)
        if reason:
            skipped.append(Skipped(repo=repo.name, reason=reason))
        else:
            found.append(candidate)
    if missing:
        raise _refused(missing)
    order = {repo.name: place for place, repo in enumerate(session.spec.repos)}
    return found, sorted(skipped, key=lambda each: order[each.repo])


def _base_of(work: Work, repo: Repo, heads: Heads) -> str:
    if work.lane.base_named and repo.name in work.lane.base_map:
        return work.lane.base_map[repo.name]
    return repo.default_branch or heads.default_branch or work.lane.base_map.get(repo.name, "main")


def _why_not(work: Work, candidate: Candidate, base_sha: str, others: Iterable[Candidate]) -> str:
    session, name = work.session, candidate.repo.name
    group = work.group
    child = group.child(name) if group else None
    # One pull request a repo is in a group: newer commits wait until the whole group is merged.
    waits = group is not None and not group.is_over
    if child is not None and child.status == "merged" and (waits or child.head_sha == candidate.head_sha):
        return "merged"
    url = canonical_url(session, candidate.repo)
    if any((canonical_url(session, other.repo), other.head) == (url, candidate.head) for other in others):
        return "same_repository"
    live = child is not None and child.is_live
    if not live and (candidate.head == candidate.base or not _has_commits(session, candidate, base_sha)):
        return "no_commits"
    return ""


def _has_commits(session: Session, candidate: Candidate, base_sha: str) -> bool:
    at = Place.checkout(candidate.checkout)
    args = ["rev-list", "--max-count=1", candidate.head_sha, f"^{base_sha}", "--"]
    try:
        return bool(session.git.text(args, at=at))
    except GitError:
        # The base moved on since the last fetch.
        refspec = f"+refs/heads/{candidate.base}:refs/remotes/origin/{candidate.base}"
        url = remote_url(session, candidate.repo)
        session.git.run(["fetch", "--quiet", "--no-tags", "--", url, refspec], at=at, network=True)
        return bool(session.git.text(args, at=at))


def remote_heads(work: Work, repos: Sequence[Repo], platforms: Mapping[str, str]) -> dict[str, Heads]:
    """The branches of each repo on its remote, by name: one request a platform where it can, else one git each."""
    found: dict[str, Heads] = {}
    for platform in dict.fromkeys(platforms.values()):
        urls = {repo.name: repo.url for repo in repos if platforms[repo.name] == platform}
        adapter = work.platforms.adapter(platform)
        try:
            asked = list(dict.fromkeys(urls.values()))
            told = work.platforms.read(lambda: adapter.branch_heads(asked, timeout=work.platforms.timeout))  # noqa: B023
        except Unsupported:
            told = {}
        found.update({name: told[url] for name, url in urls.items() if url in told})
    for repo in repos:
        if repo.name not in found:
            found[repo.name] = _listed(work.session, repo)
    return found


def _listed(session: Session, repo: Repo) -> Heads:
    args = ["ls-remote", "--symref", "--", remote_url(session, repo), "HEAD", "refs/heads/*"]
    try:
        output = session.git.run(args, network=True, timeout=60).decode(errors="surrogateescape")
    except Gr2Error as error:
        error.subject = error.subject or repo.name
        raise
    branches, default = {}, ""
    for line in output.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/"):
            branches[name.removeprefix("refs/heads/")] = value
    return Heads(url=repo.url, branches=branches, default_branch=default)


def dirty_issues(work: Work) -> list[Issue]:
    """A non-blocking issue for each checkout of the lane with uncommitted files: they are in no pull request."""
    rows, issues = inspect(work.session, lane_checkouts(work.unit, work.lane))
    again = f"gr2 pr create{work.lane_option} again"
    dirty = [row for row in rows if row.dirty]
    return [
        *issues,
        *(
            Issue(
                code="dirty_lane_repo",
                scope="repo",
                subject=row.repo,
                message=f"{row.repo} has uncommitted files that are in no pull request",
                hint=f"commit them in {place_at(work.session.root, row.path)}, then {again}",
                blocking=False,
                details={"repo": row.repo, "path": row.path},
            )
            for row in dirty
        ),
    ]


def _no_branch(root: str, repo: Repo, branch: str, path: str) -> Failed:
    return Failed(
        "missing_checkout",
        f"{path} has no branch {branch}",
        scope="repo",
        subject=repo.name,
        hint=f"gr2 apply, or {git_at(root, path, 'branch', branch)}",
    )


def _no_base(repo: Repo, base: str) -> Issue:
    return Issue(
        code="unknown_revision",
        scope="repo",
        subject=repo.name,
        message=f"{repo.name} has no branch {base!r} to merge into",
        hint="--base BRANCH, with one that every repo of the lane has",
        details={"repo": repo.name, "base": base},
    )


def _refused(issues: Sequence[Issue]) -> Blocked:
    first = issues[0]
    error = Blocked(first.code, first.message, scope="repo", subject=first.subject, hint=first.hint)
    error.__dict__["issues"] = tuple(issues)
    return error
