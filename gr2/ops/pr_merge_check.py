"""What must hold before the first pull request of a group is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gr2.errors import Blocked, Failed
from gr2.model.group import FORCEABLE, Blocker, Child, demanded
from gr2.model.hints import quoted
from gr2.model.outcome import Issue
from gr2.model.platform_error import HeadMoved, PlatformError
from gr2.model.pull_request import MergeMethod, Overview
from gr2.ops.pr_group import Work
from gr2.ops.pr_look import Seen, look, take_in
from gr2.ops.pr_next import Commands, commands_of, words_of
from gr2.ops.pr_platform import about

UNKNOWN_SECONDS = 30.0
_PAUSE = 1.0
_NEEDS_A_PERSON = frozenset({Blocker.DRAFT, Blocker.CLOSED, Blocker.CONFLICT})


def remaining_blockers(child: Child, overview: Overview | None, *, force: bool) -> tuple[str, ...]:
    """What stands in the way of `child`; `force` lifts what gr2 alone demands of reviews and checks."""
    if child.status == "planned":
        return (Blocker.UNKNOWN,)
    if not force:
        return child.blockers
    kept = {blocker for blocker in child.blockers if blocker not in FORCEABLE}
    if overview is not None and child.is_live:
        kept |= demanded(child, overview)
    return tuple(blocker.value for blocker in Blocker if blocker in kept)


def ready_to_merge(work: Work, method: MergeMethod, *, force: bool, auto: bool) -> None:
    """Look at everything anew, and record it. Raises for whatever forbids to begin; see `merge_group`."""
    seen = look(work.session, work.platforms, work.existing.prs)
    refuse_unread(work, seen)
    refuse_moved(work, seen)
    wait_for_mergeability(work, seen)
    take_in(work, seen)
    left = [child for child in work.existing.prs if child.status != "merged"]
    if force:
        seen.unsure.clear()
    _refuse_outdated(seen)
    blockers = {child.repo: remaining_blockers(child, seen.overviews.get(child.repo), force=force) for child in left}
    _refuse_blocked(work, left, blockers, seen, force=force, auto=auto)
    _refuse_method(work, left, seen, method)
    if auto and any(blockers.values()):
        _refuse_without_auto(work, left)


def refuse_unread(work: Work, seen: Seen) -> None:
    """Raise the error of the first pull request that cannot be read; its `issues` are one for each."""
    if not seen.unread:
        return
    issues = []
    for repo, error in seen.unread.items():
        child = work.existing.child(repo)
        assert child is not None
        issues.append(about(error, child.name, repo=repo, number=child.pr_number))
    first: PlatformError = next(iter(seen.unread.values()))
    first.__dict__["issues"] = tuple(issues)
    raise first


def refuse_moved(work: Work, seen: Seen) -> None:
    """Raise Blocked `head_moved` when a head is not the one that was last looked at; one issue for each."""
    issues = []
    for old in work.existing.prs:
        new = seen.children.get(old.repo)
        if new is not None and new.is_live and new.head_sha != old.head_sha:
            found = HeadMoved("its head is not the commit that was last looked at", found=new.head_sha)
            issue = about(found, new.name, repo=new.repo, number=new.pr_number)
            moved = {"expected": old.head_sha, "found": new.head_sha, "reasons": ["head_moved"]}
            look = f"gr2 pr status{work.lane_option}, to look at the new commits"
            hint = f"{look}, then gr2 pr merge{work.lane_option}"
            issues.append(replace(issue, hint=hint, details={**issue.details, **moved}))
    _raise(issues)


def wait_for_mergeability(work: Work, seen: Seen) -> None:
    """Ask again, for a while, about those of which the platform does not know yet whether they can be merged."""
    waited = 0.0
    while waited < UNKNOWN_SECONDS:
        unknown = [child for child in seen.children.values() if child.is_live and child.mergeable == "unknown"]
        if not unknown:
            return
        work.platforms.wait(_PAUSE)
        waited += _PAUSE
        again = look(work.session, work.platforms, unknown)
        seen.children.update(again.children)
        seen.overviews.update(again.overviews)
        seen.unread.update(again.unread)
        refuse_unread(work, seen)
        refuse_moved(work, seen)


def _refuse_outdated(seen: Seen) -> None:
    """Raise the reason why a policy of now cannot be read; its `issues` are one for each."""
    failed = {repo: problem for repo, problem in seen.unsure.items() if isinstance(problem, Failed)}
    if not failed:
        return
    first = next(iter(failed.values()))
    first.__dict__["issues"] = tuple(
        replace(Issue.from_error(problem), message=f"the policy of {repo} cannot be read: {problem.message}")
        for repo, problem in failed.items()
    )
    raise first


def _refuse_blocked(
    work: Work, left: Sequence[Child], blockers: Mapping[str, Sequence[str]], seen: Seen, *, force: bool, auto: bool
) -> None:
    issues, commands = [], commands_of(work)
    for child in left:
        found = blockers[child.repo]
        unsure = seen.unsure.get(child.repo)
        if unsure is not None:
            issue = Issue.from_error(unsure)
            facts = {"pr_number": child.pr_number, "reasons": list(found)}
            issues.append(replace(issue, details={**issue.details, **facts}))
            continue
        if auto and child.status != "planned":
            found = tuple(blocker for blocker in found if blocker in _NEEDS_A_PERSON)
        if found:
            issues.append(_blocked(child, found, commands, force=force))
    _raise(issues)


def _blocked(child: Child, blockers: Sequence[str], commands: Commands, *, force: bool) -> Issue:
    message, hint = "; ".join(words_of(blocker) for blocker in blockers), commands.hint(child, blockers[0])
    if force and FORCEABLE & set(blockers):
        message += " (the platform demands it, which --force does not lift)"
    if child.status == "planned":
        message, hint = "it has no pull request yet", commands.create
    return Issue(
        code="not_mergeable",
        scope="platform",
        subject=child.name,
        message=f"{child.name} cannot be merged: {message}",
        hint=hint,
        details={"repo": child.repo, "pr_number": child.pr_number, "reasons": list(blockers)},
    )


def _refuse_method(work: Work, left: Sequence[Child], seen: Seen, method: MergeMethod) -> None:
    allowed = {child: _methods(work, child, seen) for child in left if work.session.spec.repo(child.repo) is not None}
    issues = []
    for child, methods in allowed.items():
        if method not in methods:
            # One that every repo allows, if there is one: the next run should not be refused for another repo.
            common = [one for one in methods if all(one in others for others in allowed.values())]
            hint = next((f"gr2 pr merge --method {quoted(one)}{work.lane_option}" for one in (*common, *methods)), "")
            issues.append(
                Issue(
                    code="method_not_allowed",
                    scope="platform",
                    subject=child.name,
                    message=f"{child.name} cannot be merged by {method}; allowed: {', '.join(methods) or 'nothing'}",
                    hint=hint,
                    details={"repo": child.repo, "pr_number": child.pr_number, "allowed": list(methods)},
                )
            )
    _raise(issues)


def _methods(work: Work, child: Child, seen: Seen) -> tuple[MergeMethod, ...]:
    """The ways to merge that the child's repository and its base branch both allow."""
    repo = work.session.spec.repo(child.repo)
    assert repo is not None, "asked for the children only whose repo is known"
    methods = work.platforms.adapter(child.platform).capabilities(repo.url).merge_methods
    overview = seen.overviews.get(child.repo)
    allowed = overview.demands.methods if overview is not None else None
    return methods if allowed is None else tuple(method for method in methods if method in allowed)


def _refuse_without_auto(work: Work, left: Sequence[Child]) -> None:
    for child in left:
        repo = work.session.spec.repo(child.repo)
        if repo is not None and not work.platforms.adapter(child.platform).capabilities(repo.url).auto_merge:
            raise Blocked(
                "unsupported",
                f"{child.platform} does not merge {child.name} by itself",
                scope="platform",
                subject=child.name,
                hint=f"wait until everything is ready, then gr2 pr merge{work.lane_option}, without --auto",
                details={"repo": child.repo, "pr_number": child.pr_number},
            )


def _raise(issues: Sequence[Issue]) -> None:
    """Raise Blocked for these issues, when there are any."""
    if not issues:
        return
    first = issues[0]
    error = Blocked(
        first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint, details=first.details
    )
    error.__dict__["issues"] = tuple(issues)
    raise error
