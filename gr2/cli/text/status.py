"""How the whole workspace looks: what needs you first, then units and their lanes, then checkouts that stand out."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.lane_list import progress_of
from gr2.cli.text.repo import branch_of, distance, work_of
from gr2.ops.lane_view import LaneView
from gr2.ops.status import StatusResult


@text_for(StatusResult)
def show_status(result: StatusResult, screen: Screen) -> None:
    """One screen."""
    screen.parts((result.workspace, "bold"), f"  {result.root}")
    if result.issues:
        screen.line()
        screen.heading("Needs you")
        screen.table(
            ("", ""), [(issue.message, (screen.typed(issue.hint), "command")) for issue in result.issues], indent=2
        )
    for unit in result.units:
        screen.line()
        inside = f"in {unit.current_lane}" if unit.current_lane else "in no lane"
        screen.parts((unit.unit, "bold"), (f"  {inside}", "dim"))
        rows = [_lane(lane, unit.current_lane) for lane in result.lanes if lane.owner_unit == unit.unit]
        if rows:
            screen.table(("", "", "", ""), rows, indent=2)
    odd = [row for row in result.repos if row.dirty or row.ahead or row.behind or row.in_progress or not row.exists]
    if odd:
        screen.line()
        screen.heading("Checkouts")
        cells = [(row.path, branch_of(row), distance(row), work_of(row)) for row in odd]
        screen.table(("", "", "", ""), cells, indent=2)
    if not result.issues:
        screen.line()
        screen.line("Nothing needs you.", "good")


def _lane(lane: LaneView, current: str | None) -> tuple[str | tuple[str, str], ...]:
    mark = "*" if lane.lane_name == current else " "
    dirty = sum(1 for row in lane.repos if row.dirty)
    work = f"{dirty} of {len(lane.repos)} with uncommitted work" if dirty else ", ".join(row.repo for row in lane.repos)
    return (mark, lane.lane_name, progress_of(lane), (work, "dim"))
