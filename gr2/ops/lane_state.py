"""`lane freeze` and `lane unfreeze`: whether a lane may only be read (contract, page 3)."""

from __future__ import annotations

import os
from dataclasses import replace

from gr2.errors import Invalid
from gr2.model.event.lane import LaneFrozen, LaneUnfrozen
from gr2.model.lane import LaneState
from gr2.model.lease_terms import EDIT
from gr2.model.outcome import MutationResult, Status
from gr2.model.records import dataclass
from gr2.ops.context import lane_named, lane_of
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.lease_grant import open_book, refuse
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.lanes import LANE_FILE, write_lane


@dataclass(frozen=True, kw_only=True)
class LaneStateResult(MutationResult):
    """The lane as it is now."""

    lane: LaneView


def lane_freeze(session: Session, lane: str = "", *, reason: str) -> LaneStateResult:
    """Let the lane be read, and nothing else, until it is unfrozen. Raises Invalid `reason_required`; Blocked
    `lease_conflict`, `lease_lost`."""
    if not reason.strip():
        raise Invalid(
            "reason_required",
            "freezing a lane needs a reason",
            scope="lane",
            hint='--reason "why": whoever wants to use the lane is told',
        )
    unit, name = lane_named(session, lane)
    with mutation(session, "lane.freeze", unit=unit.name, lane=name) as run:
        return _set(run, f"{unit.name}/{name}", LaneState.FROZEN, reason)


def lane_unfreeze(session: Session, lane: str = "", *, reason: str = "") -> LaneStateResult:
    """Let a frozen lane be used again."""
    unit, name = lane_named(session, lane)
    with mutation(session, "lane.unfreeze", unit=unit.name, lane=name) as run:
        return _set(run, f"{unit.name}/{name}", LaneState.ACTIVE, reason)


def _set(run: Mutation, lane_id: str, state: LaneState, reason: str) -> LaneStateResult:
    session = run.session
    unit, lane = lane_of(session, lane_id)
    if lane.state is not state:
        # Under the lock of the leases: nobody acquires one of a lane that is being frozen.
        with open_book(run, unit.name, lane.name) as book:
            if state is LaneState.FROZEN:
                refuse(session, book.table, EDIT)
            kind = LaneFrozen if state is LaneState.FROZEN else LaneUnfrozen
            path = os.path.join(session.layout.lane(unit.path, lane.name), LANE_FILE)
            event = kind(lane_name=lane.name, reason=reason)
            run.announce(event, unit=unit.name, path=path, text=f'state = "{state.value}"')
            lane = replace(lane, state=state, reason=reason if state is LaneState.FROZEN else "")
            write_lane(session.layout, unit, lane)
        run.settle()
    view = view_of(session, unit, lane)
    return LaneStateResult(status=Status.SUCCESS, operation_id=run.operation_id, lane=view)
