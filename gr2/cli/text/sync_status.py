"""How `sync status` looks: checkouts that stand out, and what a run would do."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.repo import branch_of, distance, work_of
from gr2.model.outcome import Status
from gr2.ops.steps import place_of
from gr2.ops.sync_status import SyncStatusResult

_DOING = {"checkout.update": "update", "cache.seed": "fetch for the first time"}
MANY = 40


@text_for(SyncStatusResult)
def show_sync_status(result: SyncStatusResult, screen: Screen) -> None:
    """One line a checkout that is not as its remote was at the last fetch, then the operations."""
    odd = [row for row in result.repos if row.dirty or row.ahead or row.behind or row.in_progress or not row.exists]
    if odd:
        screen.heading("Checkouts")
        cells = [(row.path, branch_of(row), distance(row), work_of(row)) for row in odd[:MANY]]
        screen.table(("", "", "", ""), cells, indent=2)
        if len(odd) > MANY:
            screen.line(f"  ... and {len(odd) - MANY} more (gr2 repo status)", "dim")
        screen.line()
    warned = {issue.subject for issue in result.issues}
    same = sum(
        row not in odd and not row.is_unreadable and not warned & {row.path, place_of(row)} for row in result.repos
    )
    if same:
        which = _checkouts(same, "other " if same < len(result.repos) else "")
        screen.line(f"{which} as the remote was at the last fetch, and clean.")
    updates = [item for item in result.operations if item.kind == "checkout.update"]
    seeds = [item for item in result.operations if item.kind == "cache.seed"]
    if updates or seeds:
        screen.heading("A run would")
        rows = [(_DOING[item.kind], item.repo, (item.path, "dim")) for item in (*seeds, *updates)[:MANY]]
        screen.table(("", "", ""), rows, indent=2)
    if result.status is not Status.BLOCKED:
        screen.line()
        dirty = "" if result.dirty == "stash" else f" --dirty {result.dirty}"
        strategy = "" if result.strategy == "ff-only" else f" --strategy {result.strategy}"
        screen.command(f"gr2 sync run{dirty}{strategy}")


def _checkouts(number: int, other: str) -> str:
    return f"{number} {other}checkout" + (" is" if number == 1 else "s are")
