"""How freezing looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.model.hints import quoted
from gr2.ops.lane_state import LaneStateResult


@text_for(LaneStateResult)
def show_state(result: LaneStateResult, screen: Screen) -> None:
    """What may be done with the lane now."""
    lane = f"{result.lane.owner_unit}/{result.lane.lane_name}"
    if result.lane.state == "frozen":
        screen.parts((lane, "bold"), " is frozen: it can be read, and gone on from:")
        screen.command(f"gr2 lane create NAME --from {quoted(lane)}")
    else:
        screen.parts((lane, "bold"), " can be used")
