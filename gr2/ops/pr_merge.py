"""`pr merge`: merges a group's pull requests in order, each only at the head that was last looked at.

Every merge is written down before it is asked for and read back after it. A run begins by asking how things stand, so
that the same command again continues, and nothing is merged twice, out of order, or at a head nobody saw.
"""

from __future__ import annotations

from dataclasses import field, replace

from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.event.pr import PrMergeFailed
from gr2.model.group import Child
from gr2.model.outcome import Issue, Status
from gr2.model.platform_error import OutcomeUnknown, PlatformError, Queued
from gr2.model.pull_request import Merged, MergeMethod, PullRef
from gr2.model.records import dataclass
from gr2.ops.lease import Fence, guard
from gr2.ops.pr_auto import hand_over, take_turn
from gr2.ops.pr_group import GroupResult, Work, group_work, no_group
from gr2.ops.pr_look import look, record, with_old_head
from gr2.ops.pr_merge_check import ready_to_merge
from gr2.ops.pr_newer import newer_commits, newer_issues
from gr2.ops.pr_next import commands_of, order_of
from gr2.ops.pr_platform import about
from gr2.session import Session

_REFUSALS = frozenset({"head_moved", "conflict", "not_mergeable", "unsupported"})
_OUTAGES = frozenset({"transient", "rate_limited", "auth", "outcome_unknown"})


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """How to merge. force: lift gr2's own rules on reviews and checks. auto: leave what is not ready to the
    platform."""

    method: MergeMethod = "merge"
    force: bool = False
    auto: bool = False


@dataclass(frozen=True, kw_only=True)
class PrMergeResult(GroupResult):
    """What became of the group's pull requests, by repo. merged: by this run; pending: they wait."""

    merged: tuple[str, ...] = ()
    already_merged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


@dataclass
class _Progress:
    merged: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    status: Status = Status.SUCCESS


def merge_group(session: Session, request: MergeRequest, lane: str = "") -> PrMergeResult:
    """Merge the group, or what is left of it.

    `head_moved`, `not_mergeable`, `method_not_allowed`, `unsupported` (blocked) and a pull request that cannot be read
    (failed) keep it from beginning. Commits here that a pull request lacks do not: they stay out, and are said
    (`not_pushed`, non-blocking). Raises Blocked `no_pr_group`, or what a lease says.
    """
    with group_work(session, "pr.merge", lane) as work, guard(work.session, work.unit.name, work.lane.name) as fence:
        if work.group is None:
            raise no_group(work.session, work.lane)
        try:
            ready_to_merge(work, request.method, force=request.force, auto=request.auto)
        except (Blocked, Failed, PlatformError) as error:
            return _refused(work, error)
        already = [child.repo for child in work.existing.prs if child.status == "merged"]
        newer = newer_commits(work)
        work.note(order=order_of(work))
        progress = _Progress()
        if len(already) < len(work.existing.prs):
            fence.recheck()
            _merge_in_order(work, request, fence, progress)
        progress.issues += newer_issues(work, newer, push=commands_of(work).create)
        return PrMergeResult(
            status=_status(progress),
            issues=tuple(progress.issues),
            operation_id=work.run.operation_id,
            group=work.group,
            merged=tuple(progress.merged),
            already_merged=tuple(already + progress.already),
            failed=tuple(progress.failed),
            pending=tuple(progress.pending),
        )


def _refused(work: Work, error: Gr2Error) -> PrMergeResult:
    return PrMergeResult(
        status=Status(error.status),
        issues=getattr(error, "issues", None) or (Issue.from_error(error),),
        operation_id=work.run.operation_id,
        group=work.group,
        already_merged=tuple(child.repo for child in work.existing.prs if child.status == "merged"),
    )


def _status(progress: _Progress) -> Status:
    if progress.failed:
        return Status.PARTIAL_FAILURE if progress.merged else progress.status
    if progress.pending:
        return Status.PENDING
    return Status.ATTENTION if progress.issues else Status.SUCCESS


def _merge_in_order(work: Work, request: MergeRequest, fence: Fence, progress: _Progress) -> None:
    """Merge one after the other; the first that cannot be merged now ends it."""
    for repo in work.journal.order:
        child = work.existing.child(repo)
        if child is None or child.status == "merged":
            continue
        try:
            fence.recheck()
            issue, is_ours = _merge_one(work, child, request)
        except PlatformError as error:
            _fail(work, child, error, progress)
            return
        except Blocked as error:
            progress.issues.append(Issue.from_error(error))
            progress.failed.append(repo)
            progress.status = Status.BLOCKED
            return
        after = work.existing.child(repo)
        if after is None or after.status != "merged":
            progress.issues += [issue] if issue else []
            _wait_for(work, repo, progress)
            return
        (progress.merged if is_ours else progress.already).append(repo)


def _merge_one(work: Work, child: Child, request: MergeRequest) -> tuple[Issue | None, bool]:
    """Merge `child`, or let the platform do it, unless it is queued already. Gives what is to be said, and whether this
    run had a hand in it."""
    if request.auto and child.status != "queued":
        turn = take_turn(work, child, force=request.force)
        child = turn.child
        if child.status == "merged":
            return None, False
        if turn.blockers and child.status != "queued":
            return hand_over(work, turn, request.method, force=request.force), True
    if child.status != "queued":
        _merge(work, child, request.method)
    return None, True


def _wait_for(work: Work, repo: str, progress: _Progress) -> None:
    """`repo` waits on the platform, and so does everything after it."""
    order = work.journal.order
    left = [work.existing.child(name) for name in order[order.index(repo) :]]
    progress.pending += [child.repo for child in left if child is not None and child.status != "merged"]


def _merge(work: Work, child: Child, method: MergeMethod) -> None:
    """Merge one, having written down that it is about to be, and record what became of it."""
    repo = work.session.spec.repo(child.repo)
    assert repo is not None, "a child whose repo is unknown cannot be read, and is refused before"
    adapter = work.platforms.adapter(child.platform)
    ref = PullRef(url=repo.url, number=child.pr_number or 0)
    work.note(merging={**work.journal.merging, child.repo: child.head_sha})
    work.save()
    work.session.progress.step(f"merging {child.name}")
    answer: Merged | None = None
    problem: PlatformError | None = None
    try:
        answer = adapter.merge_pr(ref, method=method, expected_head=child.head_sha, timeout=work.platforms.timeout)
    except PlatformError as error:
        problem = error
    now = _read_back(work, child)
    if now.status == "merged" or (now.status == "queued" and (problem is None or isinstance(problem, Queued))):
        record(work, [with_old_head(work, now)])
    elif answer is not None:
        # The platform said yes and has not caught up with itself.
        status = replace(child, status="queued") if answer.queued else replace(child, status="merged", blockers=())
        record(work, [replace(status, merge_sha=answer.merge_sha)])
    elif isinstance(problem, Queued):
        record(work, [replace(child, status="queued")])
    else:
        assert problem is not None
        raise problem


def _read_back(work: Work, child: Child) -> Child:
    """The pull request as it is after a merge was asked for; as it was known before when that cannot be read."""
    try:
        seen = look(work.session, work.platforms, [child])
    except Gr2Error:
        return child
    return seen.children.get(child.repo, child)


def _fail(work: Work, child: Child, error: PlatformError, progress: _Progress) -> None:
    issue = about(error, child.name, repo=child.repo, number=child.pr_number)
    if isinstance(error, OutcomeUnknown):
        issue = replace(issue, hint=f"gr2 pr merge{work.lane_option}: it looks first whether it was merged")
    elif not issue.hint:
        issue = replace(issue, hint=f"gr2 pr status{work.lane_option}")
    reasons = [error.kind, *issue.details.get("reasons", ())]  # gr2's word for it, and what the platform said
    progress.issues.append(replace(issue, details={**issue.details, "reasons": reasons}))
    progress.failed.append(child.repo)
    progress.status = Status.BLOCKED if error.kind in _REFUSALS else Status.FAILED
    if progress.merged or error.kind not in _OUTAGES:
        event = PrMergeFailed(
            pr_group_id=work.existing.pr_group_id,
            repo=child.repo,
            pr_number=child.pr_number or 0,
            reason=error.code,
        )
        record(work, (), more=[event])
