"""What a frozen lane refuses (contract, page 3)."""

from __future__ import annotations

from gr2.errors import Blocked
from gr2.model.hints import quoted
from gr2.model.lane import Lane, LaneState


def refuse_frozen(lane: Lane) -> None:
    """Raise Blocked `lane_frozen` when the lane may only be read."""
    if lane.state is LaneState.FROZEN:
        raise Blocked(
            "lane_frozen",
            f"the lane is frozen: {lane.reason or 'no reason given'}",
            scope="lane",
            subject=lane.id,
            hint=f"gr2 lane create NAME --from {quoted(lane.id)}",
            details={"reason": lane.reason},
        )
