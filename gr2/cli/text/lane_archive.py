"""How archiving looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.lane_archive import LaneArchiveResult


@text_for(LaneArchiveResult)
def show_archived(result: LaneArchiveResult, screen: Screen) -> None:
    """That the lane is gone, and how to have it back."""
    name = f"{result.owner_unit}/{result.lane_name}"
    done = "Archived " if result.lane is not None else "Archived before: "
    screen.parts(done, (name, "bold"))
    screen.line("For 30 days it can be had back:")
    screen.command(f"gr2 saved restore {result.saved_id}")
