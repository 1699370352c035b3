"""`pr ready`: takes a group's pull requests out of draft."""

from __future__ import annotations

from gr2.model.group import Child
from gr2.model.outcome import Issue, run_status
from gr2.model.platform_error import OutcomeUnknown, PlatformError
from gr2.model.pull_request import PullRef
from gr2.ops.lease import guard
from gr2.ops.pr_group import Work, group_work
from gr2.ops.pr_look import look, record, with_old_head
from gr2.ops.pr_merge_check import refuse_unread
from gr2.ops.pr_newer import newer_commits
from gr2.ops.pr_next import GroupView, commands_of, order_of
from gr2.ops.pr_platform import about
from gr2.session import Session


class PrReadyResult(GroupView):
    """The group, whose drafts are none any more."""


def ready_group(session: Session, lane: str = "") -> PrReadyResult:
    """Take every draft of the group out of draft. One that is none is left alone. Raises Blocked `no_pr_group`,
    PlatformError when one cannot be read."""
    with group_work(session, "pr.ready", lane) as work, guard(work.session, work.unit.name, work.lane.name) as fence:
        seen = look(work.session, work.platforms, work.existing.prs)
        refuse_unread(work, seen)
        issues: list[Issue] = []
        drafts = [child for child in seen.children.values() if child.status == "draft"]
        for child in drafts:
            fence.recheck()
            issue = _ready(work, child)
            issues += [issue] if issue is not None else []
        after = look(work.session, work.platforms, work.existing.prs)
        record(work, [with_old_head(work, child) for child in after.children.values()])
        failed = len(issues)
        issues += after.issues
        return PrReadyResult(
            status=run_status(completed=len(drafts) - failed, failed=failed, blocked=0, issues=issues),
            issues=tuple(issues),
            operation_id=work.run.operation_id,
            group=work.group,
            order=order_of(work),
            next=commands_of(work, newer=bool(newer_commits(work))).next,
        )


def _ready(work: Work, child: Child) -> Issue | None:
    repo = work.session.spec.repo(child.repo)
    assert repo is not None, "a child whose repo is unknown is not read"
    adapter = work.platforms.adapter(child.platform)
    ref = PullRef(url=repo.url, number=child.pr_number or 0)
    try:
        adapter.mark_ready(ref, timeout=work.platforms.timeout)
    except OutcomeUnknown as error:
        if work.platforms.read(lambda: adapter.get_pr(ref, timeout=work.platforms.timeout)).draft:
            return about(error, child.name, repo=child.repo, number=child.pr_number)
    except PlatformError as error:
        return about(error, child.name, repo=child.repo, number=child.pr_number)
    return None
