"""Asking the platforms how a group's pull requests stand, and which events follow from the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from gr2.errors import Blocked, Failed
from gr2.model.event import Event
from gr2.model.event.pr import (
    MergedPr,
    PrChecksFailed,
    PrChecksPassed,
    PrMerged,
    PrReviewSubmitted,
    PrStatusChanged,
)
from gr2.model.group import Child, Group, GroupState, Journal, observed
from gr2.model.outcome import Issue
from gr2.model.platform_error import NotFound, PlatformError
from gr2.model.pull_request import Overview, PullRef, PullRequest
from gr2.model.records import dataclass
from gr2.ops.pr_group import Work
from gr2.ops.pr_platform import Platforms, about, degraded
from gr2.ops.pr_policy import Policy, policy_of
from gr2.ops.steps import each
from gr2.session import Session

_AT_ONCE = 16


@dataclass
class Seen:
    """What the platforms said. children: by repo, as they are now; unread: by repo, why the platform did not say;
    unsure: by repo, why its policy cannot be told."""

    children: dict[str, Child] = field(default_factory=dict)
    overviews: dict[str, Overview] = field(default_factory=dict)
    unread: dict[str, PlatformError] = field(default_factory=dict)
    unsure: dict[str, Blocked | Failed] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def look(session: Session, platforms: Platforms, children: Sequence[Child]) -> Seen:
    """How those of `children` that were made and are not merged yet stand now.

    A platform that cannot be asked leaves its children out, with a `platform_degraded`; raises Gr2Error only for an
    adapter that is missing or broken.
    """
    seen = Seen()
    by_platform: dict[str, dict[PullRef, Child]] = {}
    for child in children:
        repo = session.spec.repo(child.repo)
        if child.pr_number is None or child.status == "merged":
            continue
        if repo is None:
            missing = NotFound("the spec no longer names its repo", code="unknown_repo", subject=child.repo)
            seen.unread[child.repo] = missing
            seen.issues.append(replace(_of(missing, child), blocking=False))
            continue
        by_platform.setdefault(child.platform, {})[PullRef(url=repo.url, number=child.pr_number)] = child
    for name, asked in by_platform.items():
        _ask(session, platforms, name, asked, seen)
    told = [child for child in children if child.repo in seen.overviews]
    _learn_policies(session, platforms, [(child.repo, seen.overviews[child.repo].pull) for child in told])
    for child in told:
        overview = seen.overviews[child.repo]
        policy = _policy(platforms, child, overview.pull)
        if policy.problem is not None:
            seen.unsure[child.repo] = policy.problem
            seen.issues.append(_unsure(policy.problem, child))
        seen.children[child.repo] = observed(child, overview, required=policy.required)
    return seen


def _ask(session: Session, platforms: Platforms, name: str, asked: Mapping[PullRef, Child], seen: Seen) -> None:
    found: dict[PullRef, Overview] = {}
    failed: dict[str, list[tuple[Child, PlatformError]]] = {}
    try:
        found.update(platforms.overviews(name, list(asked)))
        gone = {ref: NotFound("the platform has no such pull request") for ref in asked if ref not in found}
        for ref, error in gone.items():
            seen.unread[asked[ref].repo] = error
            seen.issues.append(replace(_of(error, asked[ref]), blocking=False))
    except NotFound:
        # One repository is away: the others can still tell.
        for url in dict.fromkeys(ref.url for ref in asked):
            refs = [ref for ref in asked if ref.url == url]
            try:
                found.update(platforms.overviews(name, refs))
            except PlatformError as error:
                failed.setdefault(error.message, []).extend((asked[ref], error) for ref in refs)
    except PlatformError as error:
        failed[error.message] = [(child, error) for child in asked.values()]
    for away in failed.values():
        seen.unread.update({child.repo: error for child, error in away})
        seen.issues.append(degraded(away[0][1], name, [child.name for child, _ in away]))
    seen.overviews.update({asked[ref].repo: overview for ref, overview in found.items()})


def _learn_policies(session: Session, platforms: Platforms, pulls: Iterable[tuple[str, PullRequest]]) -> None:
    """Learn the policies for open pull requests by repo, side by side: one remote that is away does not add to
    another."""
    places = dict.fromkeys((repo, pull.base, pull.base_sha) for repo, pull in pulls if pull.state == "open")
    unknown = [place for place in places if place not in platforms.policies]
    found = each(lambda place: policy_of(session, place[0], place[1], commit=place[2]), unknown, jobs=_AT_ONCE)
    platforms.policies.update(zip(unknown, found, strict=True))


def _policy(platforms: Platforms, child: Child, pull: PullRequest) -> Policy:
    if pull.state != "open":
        return Policy(required=child.required)
    return platforms.policies[child.repo, pull.base, pull.base_sha]


def _unsure(problem: Blocked | Failed, child: Child) -> Issue:
    if isinstance(problem, Blocked):
        return Issue.from_error(problem, blocking=False)
    return Issue(
        code="platform_degraded",
        scope="repo",
        subject=child.repo,
        message=f"{child.repo} cannot be asked for its policy, so this is the last known one: {problem.message}",
        hint=problem.hint or "run the same command again later",
        blocking=False,
        details={"code": problem.code, "repos": [child.name]},
    )


def _of(error: PlatformError, child: Child) -> Issue:
    return about(error, child.name, repo=child.repo, number=child.pr_number)


def take_in(work: Work, seen: Seen) -> None:
    """Record what was seen, and tell what changed."""
    record(work, seen.children.values())


def record(work: Work, children: Iterable[Child], *, more: Iterable[Event] = ()) -> None:
    """Record `children` as they are now, and tell what changed, then the events `more`."""
    before = work.existing
    after = before.with_children(children)
    events = (*changes(before, after, work.journal), *more)
    work.note(told_checks=told_checks(after, work.journal))
    finished = merged_event(after, work.journal)
    if finished is not None:
        work.note(told_merged=True)
        events = (*events, finished)
    merging = {repo: head for repo, head in work.journal.merging.items() if _is_live(after, repo)}
    work.note(merging=merging)
    work.save(after, events)


def with_old_head(work: Work, child: Child) -> Child:
    """`child` with the head that is recorded of it: only create, status and checks decide which one a merge expects."""
    old = work.existing.child(child.repo)
    return replace(child, head_sha=old.head_sha) if old is not None and child.is_live else child


def _is_live(group: Group, repo: str) -> bool:
    child = group.child(repo)
    return child is not None and child.is_live


def changes(before: Group, after: Group, journal: Journal) -> Iterator[Event]:
    """The events that tell how `after` differs from `before`, in the order of the group."""
    for child in after.prs:
        old = before.child(child.repo)
        if old is None or old.pr_number != child.pr_number or child.pr_number is None:
            continue
        about_it = {"pr_group_id": after.pr_group_id, "repo": child.repo, "pr_number": child.pr_number}
        if old.status not in {child.status, "planned"}:
            yield PrStatusChanged(**about_it, old_status=old.status, new_status=child.status)  # type: ignore[arg-type]
        if child.is_live and _outcome(child) not in _told(journal, child):
            if child.checks == "passing":
                yield PrChecksPassed(**about_it)  # type: ignore[arg-type]
            elif child.checks == "failing":
                yield PrChecksFailed(**about_it, failed_checks=child.failed_checks)  # type: ignore[arg-type]
        fresh = Counter((review.reviewer, review.verdict, review.commit) for review in child.reviews)
        fresh -= Counter((review.reviewer, review.verdict, review.commit) for review in old.reviews)
        for reviewer, verdict, _ in fresh.elements():
            yield PrReviewSubmitted(**about_it, reviewer=reviewer, verdict=verdict)  # type: ignore[arg-type]


def _outcome(child: Child) -> str:
    return f"{child.head_sha}:{child.checks}"


def _told(journal: Journal, child: Child) -> tuple[str, ...]:
    return tuple(journal.told_checks.get(child.repo, "").split())


def told_checks(group: Group, journal: Journal) -> dict[str, str]:
    """What the journal should say of told outcomes, once `group` was told: those of the current heads."""
    told = {}
    for child in group.prs:
        known = [outcome for outcome in _told(journal, child) if outcome.startswith(f"{child.head_sha}:")]
        if child.checks in {"passing", "failing"} and _outcome(child) not in known:
            known.append(_outcome(child))
        if known:
            told[child.repo] = " ".join(known)
    return told


def merged_event(group: Group, journal: Journal) -> PrMerged | None:
    """The event that all is merged, unless it was told before."""
    if group.state != GroupState.MERGED or journal.told_merged:
        return None
    repos = tuple(
        MergedPr(repo=child.repo, pr_number=child.pr_number or 0, merge_sha=child.merge_sha or "")
        for child in group.prs
    )
    return PrMerged(pr_group_id=group.pr_group_id, repos=repos)
