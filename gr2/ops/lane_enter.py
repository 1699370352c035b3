"""`lane enter`: make a lane its unit's current one, leaving the one before (contract, page 3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from gr2.errors import Gr2Error
from gr2.model.event.lane import LaneEntered, LaneSwitched
from gr2.model.lane import Lane
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import lane_named, lane_of
from gr2.ops.lane_exit import leave, record_left, unit_lock
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.lane_hooks import LaneHooks
from gr2.ops.lane_leave import DEFAULT_STRATEGY, Leaving, Left, SavedRow, recover, refuse_unknown_strategy
from gr2.ops.lane_restore import Restoring
from gr2.ops.lane_view import LaneView, view_with
from gr2.ops.lease import Fence, guard
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.lanes import current_lane, read_lane, read_unit_state, unit_state_file, write_unit_state


@dataclass(frozen=True, kw_only=True)
class LaneEnterResult(MutationResult):
    """The lane that is current now, unless not `entered`; the one that was left; and what became of uncommitted work.
    `path` is absolute."""

    lane: LaneView
    path: str
    entered: bool = True
    from_lane: str | None = None
    stashed_repos: tuple[SavedRow, ...] = ()
    discarded_repos: tuple[SavedRow, ...] = ()
    restored_repos: tuple[SavedRow, ...] = ()


def lane_enter(
    session: Session,
    lane: str = "",
    *,
    dirty: str = DEFAULT_STRATEGY,
    yes: bool = False,
    restore: bool = False,
    trust_hooks: bool = False,
) -> LaneEnterResult:
    """Make the lane the unit's current one. `dirty`, `yes`: for the work in the lane that is left, as in `lane_exit`;
    "restore" there means `restore`: put back the newest saved work of each repo of the lane entered. `trust_hooks`
    approves every hooks file for this run.

    Entering the current lane emits nothing, and only restores. Raises Blocked `lane_frozen`, `lease_conflict`,
    `lease_lost`, and what leaving raises: then nothing is changed.
    """
    if dirty == "restore":
        dirty, restore = DEFAULT_STRATEGY, True
    refuse_unknown_strategy(session, dirty)
    unit, name = lane_named(session, lane)
    with mutation(session, "lane.enter", unit=unit.name, lane=name, lock=unit_lock(unit)) as run:
        _, found = lane_of(run.session, f"{unit.name}/{name}")
        refuse_frozen(found)
        with guard(run.session, unit.name, name) as fence:
            entering = _Entering(run, unit, found, fence, restore=restore, trust_hooks=trust_hooks)
            return entering.run(dirty, yes)


@dataclass
class _Outcome:
    left: Left = field(default_factory=Left)
    from_lane: str | None = None
    issues: list[Issue] = field(default_factory=list)


class _Entering:
    def __init__(
        self, run: Mutation, unit: Unit, lane: Lane, fence: Fence, *, restore: bool, trust_hooks: bool
    ) -> None:
        self._run = run
        self._session = run.session
        self._unit = unit
        self._lane = lane
        self._fence = fence
        self._trust_hooks = trust_hooks
        self._restoring = Restoring(run, unit, lane, fence, wanted=restore)

    def run(self, dirty: str, yes: bool) -> LaneEnterResult:
        done = _Outcome()
        before = current_lane(self._session.layout, self._unit.name)
        recover(self._session, lane_checkouts(self._unit, self._lane))
        if before is not None and before != self._lane.name:
            done.from_lane = before
            done.left = self._leave(before, dirty, yes)
            done.issues += done.left.issues
            if done.left.failure is not None:
                done.issues.append(Issue.from_error(done.left.failure))
                return self._result(done)
        with self._after(done):
            self._fence.recheck()
            entering = before != self._lane.name
            hooks = self._hooks() if entering else None
            self._restoring.run()
            done.issues += self._restoring.issues
            if hooks is not None:
                done.issues += hooks.run()
                self._enter()
        return self._result(done)

    def _hooks(self) -> LaneHooks:
        return LaneHooks(self._run, self._unit, self._lane, "on_enter", trust_hooks=self._trust_hooks)

    def _leave(self, before: str, dirty: str, yes: bool) -> Left:
        self._refuse_marked(before)
        lane = read_lane(self._session.layout, self._unit, before)
        if lane is None:
            record_left(self._run, self._unit, before, Left(), to_lane=self._lane.name)
            return Left()
        with guard(self._session, self._unit.name, before) as fence:
            leaving = Leaving(self._run, self._unit, lane, dirty=dirty, yes=yes, fence=fence)
            to_lane, trust = self._lane.name, self._trust_hooks
            return leave(self._run, self._unit, lane, leaving, fence=fence, to_lane=to_lane, trust_hooks=trust)

    def _refuse_marked(self, before: str) -> None:
        if not os.path.isdir(self._session.layout.failures):
            return
        from gr2.store.failures import blocking_marker

        layout = self._session.layout
        marker = blocking_marker(layout, command=self._run.command, unit=self._unit.name, lane=before)
        if marker is not None:
            raise marker

    @contextmanager
    def _after(self, done: _Outcome) -> Iterator[None]:
        """Once a lane was left, or work put back, an error is no refusal but the end of a half-done command."""
        try:
            yield
        except Gr2Error as error:
            if done.from_lane is None and not self._restoring.restored:
                raise
            done.issues.append(Issue.from_error(error))

    def _enter(self) -> None:
        session, run, unit, lane = self._session, self._run, self._unit, self._lane
        state = read_unit_state(session.layout, unit.name)
        path, text = unit_state_file(session.layout, unit.name), f'"entered_by": "{run.operation_id}"'
        entered = LaneEntered(lane_name=lane.name, lane_type=lane.kind, repos=lane.repos)
        run.announce(entered, unit=unit.name, path=path, text=text)
        switch: dict[str, Any] = state.get("switch") or {}
        if switch.get("to_lane") == lane.name:
            switched = LaneSwitched(
                from_lane=switch["from_lane"],
                to_lane=lane.name,
                stashed_repos=tuple(switch["stashed"]),
                discarded_repos=tuple(switch["discarded"]),
            )
            run.announce(switched, unit=unit.name, path=path, text=text)
        self._fence.recheck()
        after = {"current_lane": lane.name, "entered_by": run.operation_id, "restoring": self._restoring.note}
        write_unit_state(session.layout, unit.name, after)
        run.settle()

    def _result(self, done: _Outcome) -> LaneEnterResult:
        session, unit, lane = self._session, self._unit, self._lane
        rows, unreadable = inspect(session, lane_checkouts(unit, lane))
        issues = (*done.issues, *unreadable)
        blocking = any(issue.blocking for issue in issues)
        if not blocking and os.path.isdir(session.layout.failures):
            from gr2.ops.failures import resolve_retried

            for name in filter(None, (lane.name, done.from_lane)):
                resolve_retried(self._run, unit=unit.name, lane=name)
        status = Status.PARTIAL_FAILURE if blocking else Status.ATTENTION if issues else Status.SUCCESS
        return LaneEnterResult(
            status=status,
            issues=issues,
            operation_id=self._run.operation_id,
            lane=view_with(session, unit, lane, rows),
            path=session.layout.lane(unit.path, lane.name),
            entered=current_lane(session.layout, unit.name) == lane.name,
            from_lane=done.from_lane,
            stashed_repos=tuple(done.left.stashed),
            discarded_repos=tuple(done.left.discarded),
            restored_repos=tuple(self._restoring.restored),
        )
