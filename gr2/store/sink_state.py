"""What gr2 remembers of a sink beside its cursor: when to try again, and the events it refused for good.

`.grip/state/sinks/<sink>.json` and `.grip/events/dead/<sink>.jsonl`. Whoever writes holds the sink's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.files import failed_write, make_private_directory, write_whole
from gr2.errors import Failed
from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.outbox_files import LINE_LIMIT, blocks_of_lines, open_regular
from gr2.store.state_file import read_state, write_state

VERSION = 1
LONGEST_SECONDS = 300
REJECTIONS = 5
"""How often a sink must reject an event before it counts as dead."""


@dataclass(frozen=True, kw_only=True)
class SinkState:
    """failures: attempts without any success since the last one. next_attempt_at: RFC 3339, None for at once.
    rejected, rejections: the event that was last rejected, and how often."""

    failures: int = 0
    next_attempt_at: str | None = None
    last_error: str | None = None
    rejected: str | None = None
    rejections: int = 0

    def failed(self, error: str, now: datetime, *, retry_after: float | None = None) -> SinkState:
        """The state after an attempt that moved nothing: wait 1, 2, 4 … 300 s, or as long as the receiver asks."""
        wait = float(min(1 << min(self.failures, 20), LONGEST_SECONDS))
        if retry_after is not None:
            wait = max(wait, min(retry_after, LONGEST_SECONDS))
        return SinkState(
            failures=self.failures + 1,
            next_attempt_at=timestamp(now + timedelta(seconds=wait)),
            last_error=error,
            rejected=self.rejected,
            rejections=self.rejections,
        )

    def must_wait(self, now: datetime) -> bool:
        """Whether the next attempt is still to come. A clock that went back does not make it wait for longer."""
        if self.next_attempt_at is None:
            return False
        try:
            moment = datetime.fromisoformat(self.next_attempt_at)
            return now < moment <= now + timedelta(seconds=LONGEST_SECONDS)
        except (ValueError, TypeError):
            return False


def _state_path(layout: Layout, sink: str) -> str:
    return os.path.join(layout.state, "sinks", f"{sink}.json")


def read_sink_state(layout: Layout, sink: str) -> SinkState:
    """The state of `sink`; one that cannot be read is forgotten: it only says when to try again."""
    try:
        found = read_state(_state_path(layout, sink), version=VERSION) or {}
    except Failed:
        return SinkState()
    kinds: dict[str, type | tuple[type, ...]] = {"failures": int, "rejections": int}
    texts = {name: (str, type(None)) for name in ("next_attempt_at", "last_error", "rejected")}
    values = {name: found[name] for name, kind in (kinds | texts).items() if isinstance(found.get(name, 0.5), kind)}
    return SinkState(**values)


def write_sink_state(layout: Layout, sink: str, state: SinkState) -> None:
    """Keep `state`. Raises Gr2Error when the disk refuses."""
    write_state(_state_path(layout, sink), vars(state), version=VERSION)


def forget_sink(layout: Layout, sink: str) -> None:
    """Forget when to try `sink` again. Dead letters stay."""
    try:
        os.unlink(_state_path(layout, sink))
    except FileNotFoundError:
        return


def dead_path(layout: Layout, sink: str) -> str:
    """Where the dead letters of `sink` are."""
    return os.path.join(layout.events, "dead", f"{sink}.jsonl")


def dead_letters(layout: Layout, sink: str) -> Iterator[dict[str, Any]]:
    """The rows {sink, reason, attempts, at, event}, oldest first; lines that are none are passed over."""
    try:
        descriptor = open_regular(dead_path(layout, sink), os.O_RDONLY)
    except OSError:
        return
    try:
        for lines in blocks_of_lines(descriptor, 0, os.fstat(descriptor).st_size):
            for line in lines:
                row = _row(line)
                if row is not None:
                    yield row
    finally:
        os.close(descriptor)


def _row(line: bytes) -> dict[str, Any] | None:
    if len(line) > LINE_LIMIT:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("event"), dict) else None


def bury(layout: Layout, sink: str, event: Mapping[str, Any], *, reason: str, attempts: int, at: str) -> None:
    """Add a dead letter, unless this event is one already. Durable when it returns; raises Gr2Error otherwise."""
    if any(row["event"].get("event_id") == event["event_id"] for row in dead_letters(layout, sink)):
        return
    row = {"sink": sink, "reason": reason, "attempts": attempts, "at": at, "event": event}
    path = dead_path(layout, sink)
    make_private_directory(os.path.dirname(path))
    try:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            os.fchmod(descriptor, 0o600)
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + json.dumps(row).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise failed_write(error, path) from error


def keep_dead(layout: Layout, sink: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Make `rows` the dead letters of `sink`."""
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    write_whole(dead_path(layout, sink), data, private=True)
