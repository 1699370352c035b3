"""How saved work looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.saved import SavedDropResult, SavedListResult, SavedRestoreResult, SavedRow, SavedShowResult

_MANY = 20


@text_for(SavedListResult)
def show_list(result: SavedListResult, screen: Screen) -> None:
    """One line a piece."""
    if not result.saved:
        screen.line("Nothing is saved.")
        return
    rows = [
        ((row.id, "cyan"), row.kind, row.path, files_of(row), (row.created_at[:16].replace("T", " "), "dim"))
        for row in result.saved
    ]
    screen.table(("ID", "KIND", "FROM", "WHAT", "SAVED"), rows)
    screen.line()
    screen.command("gr2 saved restore ID")


@text_for(SavedShowResult)
def show_one(result: SavedShowResult, screen: Screen) -> None:
    """What it is, its files, and what to type."""
    (row,) = result.saved
    screen.parts((row.id, "cyan"), f"  {row.kind} of {row.path}, saved {row.created_at}")
    if result.message:
        screen.line(f"  {result.message}")
    if result.state == "restored":
        screen.line("  It was restored; the copy is kept for 30 days.", "dim")
    for name in row.files[:_MANY]:
        screen.line(f"  {name}")
    if len(row.files) > _MANY:
        screen.line(f"  ... and {len(row.files) - _MANY} more", "dim")
    screen.line()
    screen.command(result.look)
    screen.command(f"gr2 saved restore {row.id}")


@text_for(SavedRestoreResult)
def show_restored(result: SavedRestoreResult, screen: Screen) -> None:
    """Where it is now."""
    (row,) = result.saved
    if result.restored_to:
        screen.line(f"Restored {files_of(row)} to {result.restored_to}.", "good")


@text_for(SavedDropResult)
def show_dropped(result: SavedDropResult, screen: Screen) -> None:
    """What is gone."""
    (row,) = result.saved
    screen.line(f"Dropped {row.id} ({files_of(row)} of {row.path}).")


def files_of(row: SavedRow) -> str:
    """How many files a piece of saved work has; an archive has whole checkouts."""
    what = "repo" if row.kind == "archive" else "file"
    return f"{len(row.files)} {what}" + ("" if len(row.files) == 1 else "s")
