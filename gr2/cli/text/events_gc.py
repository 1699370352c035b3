"""How clearing the event log looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.events_gc import EventsGcResult


@text_for(EventsGcResult)
def show_removed(result: EventsGcResult, screen: Screen) -> None:
    """What is gone."""
    for name in result.forgotten:
        screen.line(f"forgot {name}")
    for path in result.removed:
        screen.line(f"removed {path}")
    if not result.removed and not result.forgotten:
        screen.line("Nothing to remove.")
