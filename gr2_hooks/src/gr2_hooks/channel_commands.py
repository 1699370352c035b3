"""`gr2 channel tail` and `gr2 channel deliveries`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gr2.api import (
    Blocked,
    EventLog,
    Invalid,
    Issue,
    Option,
    PluginCommand,
    PluginGroup,
    Result,
    Session,
    Status,
    check_cursor,
    dead_letters,
    plugin_settings,
    read_cursor,
)
from gr2_hooks.channel import SINK, Bridge, Channel


@dataclass(frozen=True, kw_only=True)
class ChannelTailResult(Result):
    """Rows of the channel, newest last."""

    messages: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an event's message. `at`: when it was delivered or died, None otherwise."""

    event_id: str
    to: str | None
    state: str
    at: str | None


@dataclass(frozen=True, kw_only=True)
class ChannelDeliveriesResult(Result):
    """What became of the messages of one event."""

    deliveries: tuple[Outcome, ...] = ()


def tail(session: Session, *, limit: int, to: str | None, channel: str | None) -> ChannelTailResult:
    """The newest `limit` messages, of one channel or to one actor if named."""
    rows = (
        row
        for row in Channel(session.layout).rows()
        if (not to or row.get("to") == to) and (not channel or row.get("channel") == channel)
    )
    issues = _stopped(session)
    status = Status.ATTENTION if issues else Status.OK
    return ChannelTailResult(status=status, issues=issues, messages=tuple(deque(rows, maxlen=max(0, limit))))


def _stopped(session: Session) -> tuple[Issue, ...]:
    """Why the channel gets no events any more, if it is so."""
    try:
        check_cursor(session.layout, read_cursor(session.layout, SINK))
    except Blocked as error:
        return (Issue.from_error(error, blocking=False),)
    return ()


def deliveries(session: Session, *, event: str) -> ChannelDeliveriesResult:
    """What became of the message of `event`. Raises Invalid `unknown_event`."""
    issues = _stopped(session)
    status = Status.ATTENTION if issues else Status.OK
    found = _outcome(session, event)
    return ChannelDeliveriesResult(status=status, issues=issues, deliveries=(found,))


def _outcome(session: Session, event: str) -> Outcome:
    channel = Channel(session.layout)
    row = next((row for row in channel.rows() if row["event_id"] == event), None)
    if row is not None:
        return Outcome(event_id=event, to=row.get("to"), state="delivered", at=channel.written_at(event))
    said = next((said for said in EventLog(session.layout) if said["event_id"] == event), None)
    if said is None:
        raise Invalid(
            "unknown_event", "the log holds no such event", scope="event", subject=event, hint="gr2 events list"
        )
    message = Bridge(session, _settings(session)).message(said)
    dead = next((row for row in dead_letters(session.layout, SINK) if row["event"].get("event_id") == event), None)
    if dead is not None:
        state, at = "dead", dead.get("at")
    elif message is None:
        state, at = "suppressed", None
    else:
        passed = said["seq"] <= read_cursor(session.layout, SINK).last_seq
        state, at = ("suppressed" if passed else "pending"), None
    return Outcome(event_id=event, to=message.to if message is not None else None, state=state, at=at)


def _settings(session: Session) -> Any:
    from gr2_hooks.settings import ChannelSettings

    return plugin_settings(session, SINK, ChannelSettings)


def _show_tail(result: ChannelTailResult, screen: Any) -> None:
    for row in result.messages:
        to = f" @{row['to']}" if row.get("to") else ""
        screen.line(f"[{row.get('channel', '')}]{to} {row.get('text', '')}")
    if not result.messages:
        screen.line("No messages.")


def _show_deliveries(result: ChannelDeliveriesResult, screen: Any) -> None:
    rows = [(found.event_id, found.state, found.to or "everybody", found.at or "") for found in result.deliveries]
    screen.table(("EVENT", "STATE", "TO", "AT"), rows)


COMMANDS = PluginGroup(
    name="channel",
    help="Messages to people about what happened.",
    commands=(
        PluginCommand(
            name="tail",
            help="Show the newest messages.",
            run=tail,
            text=_show_tail,
            params=(
                Option(name="limit", kind="integer", default=20, help="How many [default: 20]."),
                Option(name="to", help="Only those to this actor."),
                Option(name="channel", help="Only those in this channel."),
            ),
        ),
        PluginCommand(
            name="deliveries",
            help="Show what became of an event's message.",
            run=deliveries,
            text=_show_deliveries,
            params=(Option(name="event", required=True, help="The event's id."),),
        ),
    ),
)
