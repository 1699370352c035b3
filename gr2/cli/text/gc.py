"""How the result of `gr2 gc` looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.gc import GcResult


@text_for(GcResult)
def show_gc(result: GcResult, screen: Screen) -> None:
    """What went, or would go."""
    if not result.removed:
        screen.line("Nothing is unneeded.")
        return
    screen.line("Would be removed:" if result.dry_run else "Removed:")
    screen.table(("", "", ""), [(row.kind, row.path, (row.saved_id, "dim")) for row in result.removed], indent=2)
