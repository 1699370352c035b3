"""`gr2 events ...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from gr2.cli.command import Gr2Group, invocation_of, session_of
from gr2.model.outcome import Result

EventDict = dict[str, Any]


class Seq(click.IntRange):
    """The place of an event in the log, 0 for before the first."""

    name = "seq"

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        if isinstance(value, str) and not value.removeprefix("-").isdecimal():
            self.fail(f"{value!r} is not the seq of an event; a time goes to --after of `gr2 events list`.", param, ctx)
        return super().convert(value, param, ctx)


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    from gr2.model.event.query import parse_time

    try:
        return parse_time(value, datetime.now(UTC)) if value is not None else None
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time: give one like 2026-01-31T12:00:00Z, 2026-01-31 or 2h"
        ) from None


@click.group("events", cls=Gr2Group)
def events() -> None:
    """What happened, as a stream other tools can read."""


@events.command("list")
@click.option("--since", type=Seq(), default=0, metavar="SEQ", help="Only events after this seq (a time: --after).")
@click.option("--type", default="", metavar="GLOB", help="Only these types, for example 'lane.*'.")
@click.option("--lane", default="", metavar="LANE", help="Only events about this lane (LANE or UNIT/LANE).")
@click.option("--repo", default="", metavar="REPO", help="Only events about this repo.")
@click.option("--actor", default="", metavar="ACTOR", help="Only what this actor did.")
@click.option("--operation", default="", metavar="ID", help="Only the events of one operation.")
@click.option(
    "--after", callback=_moment, metavar="T", help="Only events after a time (RFC 3339, a date, or an age: 2h)."
)
@click.option("--before", callback=_moment, metavar="T", help="Only events before a time.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.pass_context
def list_(ctx: click.Context, /, limit: int | None, **wanted: Any) -> Result:
    """Show events, oldest first."""
    from gr2.model.event.query import EventQuery
    from gr2.ops.events import events_list

    return events_list(session_of(ctx), EventQuery(**wanted), limit=limit)


@events.command("tail")
@click.option("-n", "number", type=click.IntRange(0), metavar="N", help="The newest N events [default: 10].")
@click.option("--since", type=Seq(), metavar="SEQ", help="All events after this seq.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added, until interrupted.")
@click.pass_context
def tail(ctx: click.Context, number: int | None, since: int | None, follow: bool) -> Result:
    """Show the newest events, and with --follow the coming ones. With --json: one event a line."""
    from gr2.ops.events import events_tail

    return events_tail(session_of(ctx), _printer(ctx), number=number, since=since, follow=follow)


@events.command("deliver")
@click.option("--sink", "sinks", multiple=True, metavar="NAME", help="Only this sink (repeatable).")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added, until interrupted.")
@click.option("--retry-dead", is_flag=True, help="First try again what the sink refused for good.")
@click.option(
    "--from", "place", default="", metavar="PLACE", help="Begin at a seq, at `start`, or at `end` of the log."
)
@click.pass_context
def deliver(ctx: click.Context, sinks: tuple[str, ...], follow: bool, retry_dead: bool, place: str) -> Result:
    """Feed the sinks what they have not had. With --sink stdout: one event a line."""
    from gr2.ops.deliver import events_deliver

    return events_deliver(session_of(ctx), sinks, follow=follow, retry_dead=retry_dead, place=place)


@events.command("gc", mutates=True)
@click.option("--forget", multiple=True, metavar="CONSUMER", help="Drop a consumer that is no more (repeatable).")
@click.pass_context
def gc(ctx: click.Context, forget: tuple[str, ...]) -> Result:
    """Remove archives older than 7 days that every consumer has passed."""
    from gr2.ops.events_gc import events_gc

    return events_gc(session_of(ctx), forget=forget)


@events.command("schema")
def schema() -> Result:
    """The JSON Schema of every event type."""
    from gr2.ops.events import events_schema

    return events_schema()


def _printer(ctx: click.Context) -> Callable[[EventDict], None]:
    """Writes events to stdout as they come: JSON Lines, or a line for people."""
    run = invocation_of(ctx)
    if run.json:
        return _print_json
    from gr2.cli.screen import Screen
    from gr2.cli.text.events import show_event

    screen = Screen.for_process(run.environ, no_color=run.no_color, cwd=run.cwd)

    def show(event: Mapping[str, Any]) -> None:
        show_event(event, screen)
        sys.stdout.flush()

    return show


def _print_json(event: EventDict) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
