"""`lane exit`: leave the unit's current lane, its uncommitted work put away (contract, page 3)."""

from __future__ import annotations

import os

from gr2.model.event.lane import LaneExited
from gr2.model.lane import Lane
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import unit_of
from gr2.ops.lane_hooks import LaneHooks
from gr2.ops.lane_leave import DEFAULT_STRATEGY, Leaving, Left, SavedRow, refuse_unknown_strategy
from gr2.ops.lane_view import LaneView, view_with
from gr2.ops.lease import Fence, guard
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.lanes import current_lane, read_lane, unit_state_file, write_unit_state


@dataclass(frozen=True, kw_only=True)
class LaneExitResult(MutationResult):
    """The lane that was left, None when the unit was in none, and what became of its work."""

    owner_unit: str
    lane: LaneView | None = None
    stashed_repos: tuple[SavedRow, ...] = ()
    discarded_repos: tuple[SavedRow, ...] = ()


def lane_exit(
    session: Session, *, dirty: str = DEFAULT_STRATEGY, yes: bool = False, trust_hooks: bool = False
) -> LaneExitResult:
    """Leave the lane the unit is in. `dirty` names the strategy for uncommitted work; `yes` confirms a discard;
    `trust_hooks` approves every hooks file for this run.

    Without a current lane there is nothing to do. Raises Blocked `dirty_lane_repo`, `confirmation_required`,
    `operation_in_progress`, `dirty_not_savable`, `lease_conflict`, `lease_lost`: then nothing is changed. Raises
    Failed `hook_failed` for an `on_exit` hook that blocks: then the lane is current and untouched.
    """
    refuse_unknown_strategy(session, dirty)
    unit = unit_of(session)
    named = current_lane(session.layout, unit.name) or ""
    with mutation(session, "lane.exit", unit=unit.name, lane=named, lock=unit_lock(unit)) as run:
        name = current_lane(session.layout, unit.name)
        lane = read_lane(session.layout, unit, name) if name is not None else None
        if name is None:
            return LaneExitResult(status=Status.SUCCESS, operation_id=run.operation_id, owner_unit=unit.name)
        if lane is None:
            record_left(run, unit, name, Left(), to_lane="")
            return LaneExitResult(status=Status.SUCCESS, operation_id=run.operation_id, owner_unit=unit.name)
        with guard(run.session, unit.name, name) as fence:
            leaving = Leaving(run, unit, lane, dirty=dirty, yes=yes, fence=fence)
            left = leave(run, unit, lane, leaving, fence=fence, trust_hooks=trust_hooks)
        return _result(run, unit, lane, leaving, left)


def unit_lock(unit: Unit) -> str:
    """The lock of everything that changes which lane a unit is in."""
    return f"unit-{unit.name}"


def leave(
    run: Mutation,
    unit: Unit,
    lane: Lane,
    leaving: Leaving,
    *,
    fence: Fence,
    to_lane: str = "",
    trust_hooks: bool = False,
) -> Left:
    """Leave `lane`: look, run its `on_exit` hooks, put its work away, and make the unit be in none. Raises when
    nothing was changed, and for a hook that blocks.

    to_lane: the lane that is entered next.
    """
    hooks = LaneHooks(run, unit, lane, "on_exit", trust_hooks=trust_hooks)
    leaving.plan()
    issues = hooks.run()
    if hooks.any:
        # They may have changed what there is to put away.
        fence.recheck()
        leaving.plan()
    left = leaving.put_away()
    left.issues = issues
    if left.failure is None:
        fence.recheck()
        record_left(run, unit, lane.name, left, to_lane=to_lane)
    return left


def record_left(run: Mutation, unit: Unit, lane: str, left: Left, *, to_lane: str) -> None:
    """The unit is in no lane now, and the log says so."""
    layout = run.session.layout
    event = LaneExited(lane_name=lane, stashed_repos=left.stashed_repos, discarded_repos=left.discarded_repos)
    run.announce(
        event, unit=unit.name, path=unit_state_file(layout, unit.name), text=f'"left_by": "{run.operation_id}"'
    )
    switch = {
        "from_lane": lane,
        "to_lane": to_lane,
        "stashed": list(left.stashed_repos),
        "discarded": list(left.discarded_repos),
    }
    state = {"current_lane": None, "left_by": run.operation_id, "switch": switch if to_lane else None}
    write_unit_state(layout, unit.name, state)
    run.settle()


def _result(run: Mutation, unit: Unit, lane: Lane, leaving: Leaving, left: Left) -> LaneExitResult:
    session = run.session
    rows = leaving.rows
    if left.stashed or left.discarded:
        rows, _ = inspect(session, lane_checkouts(unit, lane))
    issues = ((Issue.from_error(left.failure),) if left.failure is not None else ()) + left.issues
    if left.failure is None and os.path.isdir(session.layout.failures):
        from gr2.ops.failures import resolve_retried

        resolve_retried(run, unit=unit.name, lane=lane.name)
    return LaneExitResult(
        status=Status.PARTIAL_FAILURE if left.failure else Status.ATTENTION if issues else Status.SUCCESS,
        issues=issues,
        operation_id=run.operation_id,
        owner_unit=unit.name,
        lane=view_with(session, unit, lane, rows),
        stashed_repos=tuple(left.stashed),
        discarded_repos=tuple(left.discarded),
    )
