"""How entering a lane looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.lane_exit import show_put_away, show_restored
from gr2.cli.text.repo import show_rows
from gr2.ops.lane_enter import LaneEnterResult


@text_for(LaneEnterResult)
def show_enter(result: LaneEnterResult, screen: Screen) -> None:
    """Which lane is current now, and what became of uncommitted work."""
    lane = result.lane
    if result.from_lane is not None:
        screen.line(f"Left {lane.owner_unit}/{result.from_lane}")
        show_put_away(result.stashed_repos, result.discarded_repos, screen)
    if result.entered:
        screen.parts("In lane ", (f"{lane.owner_unit}/{lane.lane_name}", "bold"), f" in {lane.path}")
    show_restored(result.restored_repos, screen)
    show_rows(lane.repos, screen, indent=2)
