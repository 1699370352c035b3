"""`pr status`, `pr list` and `pr checks`: how a lane's pull requests stand."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.errors import Failed
from gr2.model.group import Child, Group, GroupState
from gr2.model.outcome import Issue, Result, Status
from gr2.model.pull_request import CheckState
from gr2.model.records import dataclass
from gr2.ops.context import find_unit
from gr2.ops.pr_group import GroupResult, group_work
from gr2.ops.pr_look import Seen, look, take_in
from gr2.ops.pr_newer import newer_commits, newer_issues
from gr2.ops.pr_next import GroupView, commands_of, order_of
from gr2.session import Session
from gr2.store.pr_groups import read_groups

DEFAULT_INTERVAL_SECONDS = 10.0
_FINE = frozenset({GroupState.MERGED, GroupState.MERGEABLE})


@dataclass(frozen=True, kw_only=True)
class PrStatusResult(GroupView):
    """The group as the platforms show it now."""


@dataclass(frozen=True, kw_only=True)
class PrListResult(Result):
    """Groups as last recorded, oldest first."""

    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One check on the current head of a pull request. `url` is "" when there is none."""

    repo: str
    pr_number: int
    name: str
    state: CheckState
    url: str


@dataclass(frozen=True, kw_only=True)
class PrChecksResult(GroupResult):
    """Every check of the group's open pull requests."""

    checks: tuple[CheckLine, ...] = ()


def group_status(session: Session, lane: str = "") -> PrStatusResult:
    """Bring the group up to date and give it; what cannot be asked is shown as last known, with `platform_degraded`.

    Raises Blocked `no_pr_group`.
    """
    with group_work(session, "pr.status", lane, reads=True) as work:
        group = work.existing
        seen = look(work.session, work.platforms, group.prs)
        take_in(work, seen)
        newer = newer_commits(work)
        commands = commands_of(work, newer=bool(newer))
        issues = (*seen.issues, *newer_issues(work, newer, push=commands.create))
        fine = work.existing.state in _FINE and not issues
        return PrStatusResult(
            status=Status.OK if fine else Status.ATTENTION,
            issues=issues,
            operation_id=work.run.operation_id,
            group=work.group,
            order=order_of(work),
            next=commands.next,
        )


def list_groups(session: Session, *, state: str = "open") -> PrListResult:
    """The groups of the workspace (of `--unit`, when named): open ones, merged ones, or all. Asks no platform."""
    unit = find_unit(session, session.asked.unit).name if session.asked.unit else ""
    groups: list[Group] = []
    issues: list[Issue] = []
    for found in read_groups(session.layout):
        if isinstance(found, Failed):
            issues.append(Issue.from_error(found, blocking=False))
        elif unit in {"", found[0].owner_unit} and _is_wanted(found[0], state):
            groups.append(found[0])
    groups.sort(key=lambda group: (group.created_at, group.pr_group_id))
    fine = all(group.state in _FINE for group in groups) and not issues
    return PrListResult(status=Status.OK if fine else Status.ATTENTION, issues=tuple(issues), groups=tuple(groups))


def _is_wanted(group: Group, state: str) -> bool:
    if state == "merged":
        return group.state == GroupState.MERGED
    return state == "all" or not group.is_over


def group_checks(
    session: Session,
    lane: str = "",
    *,
    watch: bool = False,
    interval: float = DEFAULT_INTERVAL_SECONDS,
    timeout: float | None = None,
) -> PrChecksResult:
    """The checks of the group's open pull requests.

    watch: look again every `interval` seconds until none is pending, and for the last time when `timeout` seconds have
    passed; the group's lock is free between looks. Raises Blocked `no_pr_group`.
    """
    deadline = None if timeout is None else session.clock.monotonic() + timeout
    while True:
        found = _checks_once(session, lane)
        pending = found.group is not None and any(_is_pending(child) for child in found.group.prs)
        pause = interval if deadline is None else min(interval, deadline - session.clock.monotonic())
        if not watch or not pending or pause <= 0:
            return found
        session.progress.step(_waiting(found))
        _sleep(session, pause)


def _is_pending(child: Child) -> bool:
    return child.is_live and child.checks == "pending"


def _checks_once(session: Session, lane: str) -> PrChecksResult:
    with group_work(session, "pr.checks", lane, reads=True) as work:
        seen = look(work.session, work.platforms, work.existing.prs)
        take_in(work, seen)
        live = [child for child in work.existing.prs if child.is_live]
        if any(child.checks == "failing" for child in live):
            status = Status.FAILED
        elif any(child.checks == "pending" for child in live):
            status = Status.PENDING
        else:
            status = Status.ATTENTION if seen.issues else Status.OK
        return PrChecksResult(
            status=status,
            issues=tuple(seen.issues),
            operation_id=work.run.operation_id,
            group=work.group,
            checks=tuple(line for child in live for line in _lines(child, seen)),
        )


def _lines(child: Child, seen: Seen) -> Iterable[CheckLine]:
    overview = seen.overviews.get(child.repo)
    if overview is None or child.pr_number is None:
        return
    for check in sorted(overview.checks, key=lambda check: check.name):
        yield CheckLine(repo=child.repo, pr_number=child.pr_number, name=check.name, state=check.state, url=check.url)
    for name in sorted(set(overview.demands.checks) - {check.name for check in overview.checks}):
        yield CheckLine(repo=child.repo, pr_number=child.pr_number, name=name, state="pending", url="")


def _waiting(found: PrChecksResult) -> str:
    names = [f"{line.repo}#{line.pr_number} {line.name}" for line in found.checks if line.state == "pending"]
    return f"waiting for {', '.join(names) or 'checks'}"


def _sleep(session: Session, seconds: float) -> None:
    end = session.clock.monotonic() + seconds
    while (left := end - session.clock.monotonic()) > 0:
        session.runner.cancellation.check()
        session.clock.sleep(min(left, 0.2))
    session.runner.cancellation.check()
