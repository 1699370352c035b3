"""How deliveries look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.deliver import EventsDeliverResult, EventsStreamedResult
from gr2.ops.feed import SinkRow


@text_for(EventsStreamedResult)
def show_nothing(result: EventsStreamedResult, screen: Screen) -> None:
    """Standard output holds the events."""


@text_for(EventsDeliverResult)
def show_deliveries(result: EventsDeliverResult, screen: Screen) -> None:
    """One line a sink."""
    if not result.sinks:
        screen.line('No sinks are switched on. In the user configuration: [events] sinks = ["webhook"]')
        return
    rows = [(row.sink, str(row.delivered), _pending(row), _dead(row), _trouble(row)) for row in result.sinks]
    screen.table(("SINK", "DELIVERED", "PENDING", "DEAD", ""), rows)


def _pending(row: SinkRow) -> tuple[str, str]:
    return (str(row.pending), "warn" if row.pending else "")


def _dead(row: SinkRow) -> tuple[str, str]:
    return (str(row.dead_lettered), "bad" if row.dead_lettered else "")


def _trouble(row: SinkRow) -> str:
    if not row.last_error:
        return ""
    return row.last_error + (f" (next attempt {row.next_attempt_at})" if row.next_attempt_at else "")
