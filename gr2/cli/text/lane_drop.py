"""How taking repos out of a lane looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.repo import show_rows
from gr2.ops.lane_drop import LaneDropResult


@text_for(LaneDropResult)
def show_dropped(result: LaneDropResult, screen: Screen) -> None:
    """What went, how to have it back, and what is left."""
    if not result.dropped_repos:
        screen.line("Nothing to drop: the lane has none of them.")
    for row in result.dropped_repos:
        screen.parts("Dropped ", (row.repo, "cyan"))
        if row.saved_id:
            screen.command(f"gr2 saved restore {row.saved_id}")
    show_rows(result.lane.repos, screen, indent=2)
