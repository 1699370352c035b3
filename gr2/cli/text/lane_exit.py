"""How leaving a lane looks."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.cli.screen import Screen, text_for
from gr2.model.hints import quoted
from gr2.model.outcome import Status
from gr2.ops.lane_exit import LaneExitResult
from gr2.ops.lane_leave import SavedRow


@text_for(LaneExitResult)
def show_exit(result: LaneExitResult, screen: Screen) -> None:
    """Which lane was left, and where its work is."""
    if result.lane is None:
        screen.line(f"Unit {result.owner_unit} is in no lane.")
        return
    name = f"{result.owner_unit}/{result.lane.lane_name}"
    still = result.status is Status.PARTIAL_FAILURE
    screen.parts("Still in " if still else "Left ", (name, "bold"))
    show_put_away(result.stashed_repos, result.discarded_repos, screen)
    if result.stashed_repos:
        screen.line("To have it back:")
        screen.command(f"gr2 lane enter {quoted(name)} --restore")


def show_put_away(stashed: Sequence[SavedRow], discarded: Sequence[SavedRow], screen: Screen) -> None:
    """What a strategy did with uncommitted work."""
    for word, rows in (("stashed", stashed), ("discarded", discarded)):
        for row in rows:
            screen.parts(f"  {word} ", (row.repo, "cyan"), f"  {_count(row)}  {row.saved_id}")


def _count(row: SavedRow) -> str:
    return f"{len(row.files)} file" + ("" if len(row.files) == 1 else "s")


def show_restored(rows: Sequence[SavedRow], screen: Screen) -> None:
    """What came back."""
    for row in rows:
        screen.parts("  restored ", (row.repo, "cyan"), f"  {_count(row)}")
