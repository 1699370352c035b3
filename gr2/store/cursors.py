"""How far each consumer has read: `.grip/events/cursors/<consumer>.json` (contract, page 6, "Reading").

A cursor only moves forward, except when a person sets it. Whoever moves one holds the consumer's lock.
"""

from __future__ import annotations

import os
import re
from typing import Any

from gr2.errors import Blocked, Failed, Invalid
from gr2.model.event.envelope import SEQ_LIMIT
from gr2.model.hints import quoted
from gr2.model.names import CONSUMER_NAME
from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.outbox_read import EventLog, event_at, newest_event
from gr2.store.state_file import read_state, write_state

VERSION = 1
_EVENT_ID = re.compile(r"[0-9a-f]{16}").fullmatch


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last event a consumer is done with. `last_seq` is 0 before the first; `last_event_id` is None then, and
    for a cursor that was set to where the log begins. `last_read` is when it was moved."""

    consumer: str
    last_seq: int = 0
    last_event_id: str | None = None
    last_read: str = ""


def check_consumer(name: str) -> str:
    """`name`, if a consumer may be called so. Raises Invalid `invalid_name`."""
    if CONSUMER_NAME.fullmatch(name) is None or ".." in name:
        raise Invalid(
            "invalid_name",
            "a consumer's name is made of a-z, 0-9, dot, dash and underscore, 64 at most",
            scope="event",
            subject=name,
        )
    return name


def cursor_path(layout: Layout, consumer: str) -> str:
    """Where the cursor of `consumer` is."""
    return os.path.join(layout.events, "cursors", f"{check_consumer(consumer)}.json")


def consumers(layout: Layout) -> list[str]:
    """The consumers that have a cursor."""
    try:
        names = os.listdir(os.path.join(layout.events, "cursors"))
    except FileNotFoundError:
        return []
    found = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return sorted(name for name in found if CONSUMER_NAME.fullmatch(name))


def read_cursor(layout: Layout, consumer: str) -> Cursor:
    """The cursor of `consumer`; a new one stands before the beginning of the log.

    Raises Blocked `cursor_invalid` for one that cannot be read.
    """
    try:
        found = read_state(cursor_path(layout, consumer), version=VERSION)
    except Failed as error:
        raise cursor_invalid(consumer, "it cannot be read") from error
    if found is None:
        return Cursor(consumer=consumer)
    seq, event_id = found.get("last_seq"), found.get("last_event_id")
    if found.get("consumer") != consumer:
        raise cursor_invalid(consumer, "it is another consumer's", found)
    if type(seq) is not int or not 0 <= seq < SEQ_LIMIT:
        raise cursor_invalid(consumer, "its last_seq is no seq", found)
    if event_id is not None and not (isinstance(event_id, str) and _EVENT_ID(event_id)):
        raise cursor_invalid(consumer, "its last_event_id is no event id", found)
    return Cursor(consumer=consumer, last_seq=seq, last_event_id=event_id, last_read=str(found.get("last_read", "")))


def check_cursor(layout: Layout, cursor: Cursor) -> None:
    """Raise Blocked `cursor_invalid` unless `cursor` stands where it was left in this very log.

    A log that was truncated or put back from a backup is found out here: nothing is passed over or repeated silently.
    """
    seq, event_id = cursor.last_seq, cursor.last_event_id
    if seq == 0 and event_id is None:
        return
    found = next(iter(EventLog(layout, since=max(seq - 1, 0))), None)
    if event_id is None:
        if found is not None and found["seq"] == seq + 1:
            return
    elif found is not None and found["seq"] == seq and found["event_id"] == event_id:
        return
    newest = newest_event(layout)
    last = newest["seq"] if newest is not None else 0
    reason = "it is beyond the end of the log" if seq > last else "the log has another event there, or none"
    raise cursor_invalid(cursor.consumer, reason, {"last_seq": seq, "last_event_id": event_id, "log_ends_at": last})


def invalid_cursors(layout: Layout) -> list[Blocked]:
    """The error `cursor_invalid` of each consumer that is stopped by it.

    Raises Blocked `outbox_unwritable` when the log cannot be read.
    """
    found = []
    for consumer in consumers(layout):
        try:
            check_cursor(layout, read_cursor(layout, consumer))
        except Blocked as error:
            if error.code != "cursor_invalid":
                raise
            found.append(error)
    return found


def cursor_invalid(consumer: str, reason: str, details: Any = None) -> Blocked:
    """The error of a cursor that cannot be followed."""
    return Blocked(
        "cursor_invalid",
        f"the cursor of {consumer} does not fit the event log: {reason}",
        scope="event",
        subject=consumer,
        hint=f"gr2 events deliver --sink {quoted(consumer)} --from start",
        details=details if isinstance(details, dict) else {},
    )


def write_cursor(layout: Layout, cursor: Cursor) -> None:
    """Make `cursor` durable. Raises Gr2Error when the disk refuses; then the old one stands."""
    write_state(cursor_path(layout, cursor.consumer), vars(cursor), version=VERSION)


def cursor_before(layout: Layout, consumer: str, place: str) -> Cursor:
    """A cursor whose next event is that of the seq `place` ("start": the log's first, "end": the next to come).

    Raises Invalid `invalid_seq` for a seq that the log does not hold.
    """
    newest = newest_event(layout)
    last = int(newest["seq"]) if newest is not None else 0
    if place == "start":
        return Cursor(consumer=consumer)
    if place == "end":
        return Cursor(consumer=consumer, last_seq=last, last_event_id=newest["event_id"] if newest else None)
    first = next(iter(EventLog(layout)), None)
    begin = int(first["seq"]) if first is not None else 1
    if not (place.isascii() and place.isdigit() and len(place) < 17 and begin <= int(place) <= last + 1):
        raise Invalid(
            "invalid_seq",
            f"--from is start, end, or a seq from {begin} to {last + 1}",
            scope="event",
            subject=place,
            hint="gr2 events tail",
        )
    seq = int(place) - 1
    before = event_at(layout, seq) if seq else None
    return Cursor(consumer=consumer, last_seq=seq, last_event_id=before["event_id"] if before else None)


def forget_cursor(layout: Layout, consumer: str) -> bool:
    """Remove the cursor of `consumer`; whether there was one."""
    try:
        os.unlink(cursor_path(layout, consumer))
    except FileNotFoundError:
        return False
    return True
