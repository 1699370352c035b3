"""Reading what happened: `events list`, `events tail`, `events schema`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from gr2.errors import Interrupted
from gr2.model.event.base import EVENT_VERSION
from gr2.model.event.catalog import CATALOG
from gr2.model.event.query import EventQuery
from gr2.model.outcome import EXIT_CODES, Result, Status, StreamedResult
from gr2.model.records import dataclass
from gr2.session import Session
from gr2.store.outbox_read import EventLog, Follower, newest_event

EventDict = dict[str, Any]
POLL_SECONDS = 0.1
_FIRST_WINDOW = 256


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What a reading passed over: lines that are no valid envelope."""

    junk: int = 0


@dataclass(frozen=True, kw_only=True)
class EventsListResult(Result):
    """`events` as they are in the log, oldest first. `unknown`: how many have a type or version this gr2 does not know.

    With a limit, `skipped` counts in the part of the log that had to be read.
    """

    events: tuple[EventDict, ...] = ()
    skipped: Skipped = field(default_factory=Skipped)
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class EventsTailResult(StreamedResult):
    """The end of `events tail`, after its last line. `signum` is the signal that ended it, None if it ended itself."""

    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the signal, else the status's code."""
        return 128 + self.signum if self.signum else EXIT_CODES[self.status]


@dataclass(frozen=True, kw_only=True)
class EventsSchemaResult(Result):
    """The JSON Schema of each event type."""

    events: Mapping[str, Any] = field(default_factory=dict)


def events_list(session: Session, query: EventQuery, *, limit: int | None = None) -> EventsListResult:
    """The events that `query` asks for, of these the newest `limit`."""
    found, junk = _select(session, query, limit)
    unknown = sum(event["type"] not in CATALOG or event["version"] != EVENT_VERSION for event in found)
    return EventsListResult(status=Status.OK, events=tuple(found), skipped=Skipped(junk=junk), unknown=unknown)


def _select(session: Session, query: EventQuery, limit: int | None) -> tuple[list[EventDict], int]:
    if limit is None:
        reading = EventLog(session.layout, since=query.since)
        return list(filter(query.matches, reading)), reading.junk
    newest = newest_event(session.layout)
    last = newest["seq"] if newest is not None else 0
    window = max(_FIRST_WINDOW, limit)
    # From the end backwards in growing windows: a long history is read only if the filters make it necessary.
    while True:
        since = max(query.since, last - window)
        reading = EventLog(session.layout, since=since)
        found = deque(filter(query.matches, reading), maxlen=limit)
        if len(found) >= limit or since <= query.since:
            return list(found), reading.junk
        window *= 4


def events_tail(
    session: Session,
    show: Callable[[EventDict], None],
    *,
    number: int | None = None,
    since: int | None = None,
    follow: bool = False,
) -> EventsTailResult:
    """Call `show` with the newest `number` events (10, or with `since` all after that seq), and with `follow` with
    every later one until a signal comes."""
    limit = number if number is not None else (10 if since is None else None)
    begin = newest_event(session.layout)
    position = begin["seq"] if begin is not None else 0
    for event in _select(session, EventQuery(since=since or 0), limit)[0]:
        position = event["seq"]
        show(event)
    if follow:
        try:
            for event in _following(session, max(position, since or 0)):
                show(event)
        except Interrupted as stop:
            return EventsTailResult(status=Status.INTERRUPTED, signum=stop.signum)
    return EventsTailResult(status=Status.OK)


def _following(session: Session, since: int) -> Iterator[EventDict]:
    follower = Follower(session.layout, since=since)
    while True:
        yield from follower.poll()
        session.runner.cancellation.check()
        session.clock.sleep(POLL_SECONDS)


def events_schema() -> EventsSchemaResult:
    """The JSON Schema (2020-12) of every event type, by its name."""
    from gr2.model.event.schema import schemas

    return EventsSchemaResult(status=Status.OK, events=schemas())
