"""How a lane looks after repos were added."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.repo import show_rows
from gr2.ops.lane_repos import LaneReposResult


@text_for(LaneReposResult)
def show_repos(result: LaneReposResult, screen: Screen) -> None:
    """What was added, and the lane's checkouts now."""
    names = ", ".join(operation.repo for operation in result.completed)
    screen.line(f"Added {names}" if names else "Nothing to add: the lane has them already.")
    show_rows(result.lane.repos, screen, indent=2)
