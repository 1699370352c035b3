"""How lanes look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.repo import show_rows
from gr2.model.checkout import RepoRow
from gr2.model.duration import ago
from gr2.model.hints import quoted
from gr2.ops.lane_list import LaneListResult, LaneShowResult
from gr2.ops.lane_view import LaneView

_STYLES = {
    "new": "dim",
    "active": "cyan",
    "unpushed": "yellow",
    "in_review": "blue",
    "merged": "green",
    "stale": "dim",
    "frozen": "blue",
}


@text_for(LaneListResult)
def show_lanes(result: LaneListResult, screen: Screen) -> None:
    """One line a lane; a star marks the lane its unit is in."""
    if not result.lanes:
        screen.line("No lanes yet.")
        screen.command("gr2 lane create NAME")
        return
    rows = []
    for lane in result.lanes:
        star = "*" if result.current.get(lane.owner_unit) == lane.lane_name else " "
        name = (f"{star} {lane.owner_unit}/{lane.lane_name}", "bold" if star == "*" else "")
        rows.append((name, progress_of(lane), lane.lane_type, _age(lane.created_at, result.now), _repos(lane.repos)))
    screen.table(("  LANE", "PROGRESS", "TYPE", "MADE", "REPOS"), rows)


def progress_of(lane: LaneView) -> tuple[str, str]:
    """How far the lane is, in a word; frozen ones say that."""
    word = "frozen" if lane.state == "frozen" else lane.progress
    return (word.replace("_", " "), _STYLES.get(word, ""))


def _repos(rows: Iterable[RepoRow]) -> str:
    return ", ".join(row.repo + ("*" if row.dirty else "") for row in rows)


def _age(then: str, now: str) -> str:
    try:
        passed = datetime.fromisoformat(now) - datetime.fromisoformat(then)
    except (ValueError, TypeError):
        return ""
    return ago(passed.total_seconds())


@text_for(LaneShowResult)
def show_lane(result: LaneShowResult, screen: Screen) -> None:
    """Everything about one lane."""
    lane = result.lane
    current = "  (current)" if result.current else ""
    screen.parts((f"{lane.owner_unit}/{lane.lane_name}", "bold"), f"  {lane.lane_type}  ", progress_of(lane), current)
    made = f"made {_age(lane.created_at, result.now)} by {lane.created_by}".replace("  ", " ")
    screen.line(f"  {lane.path}, {made}")
    if lane.base_branch:
        screen.line(f"  from {lane.base_branch}" + (f", ports from {result.port_base}" if result.port_base else ""))
    if lane.state == "frozen":
        screen.line(f"  frozen: {result.reason or 'no reason given'}")
    if lane.continues:
        screen.line(f"  continues {lane.continues}")
    if lane.continued_by:
        screen.line(f"  continued by {', '.join(lane.continued_by)}")
    if lane.pr_group_id:
        screen.line(f"  pull requests {lane.pr_group_id}")
    show_rows(lane.repos, screen, indent=2)
    if result.leases:
        screen.line()
        from gr2.cli.text.lease_claim import lease_table

        lease_table(result.leases, screen, indent=2)
    if result.saved:
        screen.line()
        screen.line("  Saved work waits:")
        screen.command(f"gr2 lane enter {quoted(f'{lane.owner_unit}/{lane.lane_name}')} --restore", indent=4)
