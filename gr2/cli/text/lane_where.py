"""How the place of a lane looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.lane_where import LaneCurrentResult, LanePathResult


@text_for(LanePathResult)
def show_path(result: LanePathResult, screen: Screen) -> None:
    """The path, alone."""
    screen.line(result.path)


@text_for(LaneCurrentResult)
def show_current(result: LaneCurrentResult, screen: Screen) -> None:
    """The lane's name, or nothing."""
    if result.lane_name is not None:
        screen.line(f"{result.owner_unit}/{result.lane_name}")
