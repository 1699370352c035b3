"""How a new lane looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.repo import show_rows
from gr2.model.hints import quoted
from gr2.ops.lane_create import LaneCreateResult


@text_for(LaneCreateResult)
def show_created(result: LaneCreateResult, screen: Screen) -> None:
    """Where the lane is and what to type next."""
    lane = result.lane
    name = f"{lane.owner_unit}/{lane.lane_name}"
    done = "Made lane" if result.created else "There is a lane"
    screen.parts(f"{done} ", (name, "bold"), f" in {lane.path}")
    show_rows(lane.repos, screen, indent=2)
    screen.line()
    screen.command(f"gr2 lane enter {quoted(name)}")
    screen.command(f"gr2 exec run --lane {quoted(name)} -- git status --short")
