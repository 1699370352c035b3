"""Feeding one sink from the log: in batches, in order, at least once (contract, page 6, "Sinks")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from itertools import islice
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Failed, Gr2Error
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.session import Session
from gr2.store.cursors import Cursor, check_consumer, check_cursor, cursor_before, read_cursor, write_cursor
from gr2.store.outbox_read import EventLog, newest_event
from gr2.store.sink_state import (
    REJECTIONS,
    SinkState,
    bury,
    dead_letters,
    keep_dead,
    read_sink_state,
    write_sink_state,
)

BATCH_SECONDS = 30.0
OVERDUE_SECONDS = 10.0
"""How long after its deadline a sink is still waited for."""
_SAVE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class SinkRow:
    """How a sink stands. delivered: events it took in this run; pending: events it has yet to get; dead_lettered:
    events it refused for good; next_attempt_at: RFC 3339, None when it is not made to wait."""

    sink: str
    delivered: int = 0
    pending: int = 0
    dead_lettered: int = 0
    last_error: str | None = None
    next_attempt_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fed:
    """A sink after a feeding. `error` is why nothing more can be done for it without a person."""

    row: SinkRow
    issues: tuple[Issue, ...] = ()
    error: Gr2Error | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """How to feed: until (of the session's monotonic clock) when, in spite of back-off or not, seconds to wait for
    another process that feeds the same sink, whether dead letters are tried again first, and from where ("" for where
    the cursor is, else as in `--from`)."""

    until: float = float("inf")
    in_spite: bool = False
    wait: float = 0.0
    retry_dead: bool = False
    place: str = ""


class Feeder:
    """Feeds the sink called `name`; keeps it open between feedings. `due`: when (of the session's monotonic clock) the
    sink must have answered. Raises Invalid `invalid_name`."""

    def __init__(self, session: Session, name: str) -> None:
        self.name = check_consumer(name)
        self.due = float("inf")
        self._session = session
        self._sink: Any = None

    def close(self) -> None:
        """Let go of the sink."""
        if self._sink is not None:
            try:
                self._sink.close()
            except Gr2Error:
                # What it took it has said; closing badly changes nothing of that.
                return
            finally:
                self._sink = None

    def feed(self, order: Order) -> Fed:
        """Give the sink what it has not had. Only one process at a time feeds a sink; Interrupted passes through."""
        lock = FileLock(self._session.layout.lock(f"sink.{self.name}"), wait=order.wait)
        try:
            with lock:
                return _Feeding(self._session, self.name).run(order, self)
        except LockTimeout:
            issue = Issue(
                code="sink_busy",
                scope="event",
                subject=self.name,
                message=f"another process is feeding {self.name}",
                blocking=False,
            )
            return Fed(row=standing(self._session, self.name), issues=(issue,))

    def sink(self) -> Any:
        """The sink, made when first needed. Raises Gr2Error when it cannot be."""
        if self._sink is None:
            self._sink = self._session.plugins.make("sink", self.name, self._session)
        return self._sink


def standing(session: Session, name: str) -> SinkRow:
    """How the sink stands, without trying anything."""
    return _Feeding(session, name).row()


@dataclass
class _Feeding:
    """One turn, with the sink's lock held (or only looked at)."""

    session: Session
    name: str
    cursor: Cursor = field(init=False)
    state: SinkState = field(init=False)
    delivered: int = 0
    issues: list[Issue] = field(default_factory=list)
    _unsaved: bool = False
    _saved_at: float = 0.0

    def __post_init__(self) -> None:
        self.cursor = Cursor(consumer=self.name)
        self.state = read_sink_state(self.session.layout, self.name)

    def run(self, order: Order, feeder: Feeder) -> Fed:
        layout = self.session.layout
        try:
            if order.place:
                self.cursor = cursor_before(layout, self.name, order.place)
                self._unsaved = True
                self._save()
            else:
                self.cursor = read_cursor(layout, self.name)
                check_cursor(layout, self.cursor)
            if not order.in_spite and self.state.must_wait(self.session.clock.now()):
                return self._fed()
            if self._has_work(order):
                self._try(feeder, order)
        except Gr2Error as error:
            if error.status == "interrupted":
                raise
            return self._fed(error)
        return self._fed()

    def _has_work(self, order: Order) -> bool:
        newest = newest_event(self.session.layout)
        return order.retry_dead or (newest is not None and newest["seq"] > self.cursor.last_seq)

    def _try(self, feeder: Feeder, order: Order) -> None:
        try:
            sink = feeder.sink()
            if not order.retry_dead or self._retry_dead(feeder, sink, order):
                while self._pump(feeder, sink, order):
                    pass
        except Gr2Error as error:
            if error.status != "interrupted":
                self._failed(error.message)
            raise
        finally:
            self._save()

    def _pump(self, feeder: Feeder, sink: Any, order: Order) -> bool:
        """Deliver batch after batch. True when it is worth looking again at once."""
        size = max(1, int(sink.batch_size))
        events = iter(EventLog(self.session.layout, since=self.cursor.last_seq))
        while raw := list(islice(events, size)):
            batch = self._in_order(raw)
            if not batch:
                continue
            if (left := self._left(order)) <= 0:
                return False
            delivery = self._deliver(feeder, sink, batch, left)
            if delivery.accepted:
                self._advance(batch[delivery.accepted - 1], delivery.accepted)
            if delivery.accepted == len(batch):
                continue
            if delivery.rejected:
                return self._rejected(batch[delivery.accepted], delivery.rejected)
            if delivery.unavailable or not delivery.accepted:
                self._failed(delivery.unavailable or "it took nothing and said nothing", delivery.retry_after)
                return False
            return True
        return False

    def _left(self, order: Order) -> float:
        self.session.runner.cancellation.check()
        return min(BATCH_SECONDS, order.until - self.session.clock.monotonic())

    def _in_order(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`batch` without what the cursor has passed; says when events between are missing from the log."""
        before, seqs = self.cursor.last_seq, [event["seq"] for event in batch]
        begins = seqs[0] == before + 1 or (before == 0 and self.delivered == 0)
        if begins and seqs == list(range(seqs[0], seqs[0] + len(seqs))):
            return batch
        kept: list[dict[str, Any]] = []
        for event in batch:
            if event["seq"] > before:
                if event["seq"] > before + 1 and before:
                    self._missing(before + 1, event["seq"] - 1)
                kept.append(event)
                before = event["seq"]
        return kept

    def _missing(self, first: int, last: int) -> None:
        self.issues.append(
            Issue(
                code="events_missing",
                scope="event",
                subject=self.name,
                message=f"the log does not hold the events {first} to {last}",
                hint="gr2 doctor",
                blocking=False,
                details={"first": first, "last": last},
            )
        )

    def _deliver(self, feeder: Feeder, sink: Any, batch: Sequence[dict[str, Any]], left: float) -> Any:
        from gr2.plugin.protocols import Delivery

        feeder.due = self.session.clock.monotonic() + left + OVERDUE_SECONDS
        try:
            delivery = sink.deliver(batch, deadline=left)
        finally:
            feeder.due = float("inf")
        if not isinstance(delivery, Delivery) or not 0 <= delivery.accepted <= len(batch):
            raise Failed(
                "plugin_failed",
                f"event sink {self.name} answered with something that is no delivery",
                scope="plugin",
                subject=self.name,
                hint="gr2 plugins list",
            )
        return delivery

    def _advance(self, event: dict[str, Any], count: int) -> None:
        self.cursor = replace(self.cursor, last_seq=event["seq"], last_event_id=event["event_id"])
        self.delivered += count
        self._unsaved = True
        if self.state != SinkState():
            self.state = SinkState()
            write_sink_state(self.session.layout, self.name, self.state)
        # Not after every batch: what is repeated after a crash is at most this much.
        if self.session.clock.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        if self._unsaved:
            self.cursor = replace(self.cursor, last_read=timestamp(self.session.clock.now()))
            write_cursor(self.session.layout, self.cursor)
            self._unsaved, self._saved_at = False, self.session.clock.monotonic()

    def _failed(self, error: str, retry_after: float | None = None) -> None:
        self.state = self.state.failed(error, self.session.clock.now(), retry_after=retry_after)
        write_sink_state(self.session.layout, self.name, self.state)

    def _rejected(self, event: dict[str, Any], reason: str) -> bool:
        """Count the rejection; True when the event is now dead, and the next can be tried."""
        again = self.state.rejected == event["event_id"]
        count = self.state.rejections + 1 if again else 1
        if count < REJECTIONS:
            self.state = replace(self.state, rejected=event["event_id"], rejections=count)
            self._failed(reason)
            return False
        now = timestamp(self.session.clock.now())
        bury(self.session.layout, self.name, event, reason=reason, attempts=count, at=now)
        self._advance(event, 0)
        return True

    def _retry_dead(self, feeder: Feeder, sink: Any, order: Order) -> bool:
        """Try the dead letters again; False when the sink takes nothing at all now."""
        kept = list(dead_letters(self.session.layout, self.name))
        tried: list[dict[str, Any]] = []
        reachable, delivered = True, 0
        while kept and reachable and (left := self._left(order)) > 0:
            row = kept.pop(0)
            delivery = self._deliver(feeder, sink, [row["event"]], left)
            if delivery.accepted:
                delivered += 1
            elif delivery.rejected:
                now = timestamp(self.session.clock.now())
                attempts = int(row.get("attempts") or 0) + 1
                tried.append({**row, "attempts": attempts, "reason": delivery.rejected, "at": now})
            else:
                tried.append(row)
                self._failed(delivery.unavailable or "it took nothing and said nothing", delivery.retry_after)
                reachable = False
        if delivered or tried:
            keep_dead(self.session.layout, self.name, [*tried, *kept])
        self.delivered += delivered
        return reachable

    def _fed(self, error: Gr2Error | None = None) -> Fed:
        issues = tuple(self.issues)
        if error is not None:
            issues = (*issues, Issue.from_error(error))
            self.state = replace(self.state, last_error=self.state.last_error or error.message)
        return Fed(row=self.row(look=False), issues=issues, error=error)

    def row(self, *, look: bool = True) -> SinkRow:
        """How the sink stands; `look`: read its cursor first."""
        layout = self.session.layout
        if look:
            try:
                self.cursor = read_cursor(layout, self.name)
            except Gr2Error as error:
                self.state = replace(self.state, last_error=error.message)
        return SinkRow(
            sink=self.name,
            delivered=self.delivered,
            pending=self._pending(),
            dead_lettered=sum(1 for _ in dead_letters(layout, self.name)),
            last_error=self.state.last_error,
            next_attempt_at=self.state.next_attempt_at,
        )

    def _pending(self) -> int:
        newest = newest_event(self.session.layout)
        if newest is None:
            return 0
        before = self.cursor.last_seq
        if not before:
            before = next(iter(EventLog(self.session.layout)))["seq"] - 1
        return max(0, int(newest["seq"]) - before)
