"""`events deliver`, and the short attempt after each mutating command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from gr2.errors import Failed, Gr2Error, Interrupted, Invalid
from gr2.model.hints import quoted
from gr2.model.outcome import EXIT_CODES, Issue, Result, Status, StreamedResult
from gr2.model.records import dataclass
from gr2.ops.enabled_sinks import ONLY_WHEN_NAMED, enabled_sinks
from gr2.ops.feed import Fed, Feeder, Order, SinkRow
from gr2.session import Session
from gr2.store.operations import refuse_linked_directories
from gr2.store.sink_state import read_sink_state, write_sink_state

BUDGET_SECONDS = 2.0
READER_SECONDS = 10.0
POLL_SECONDS = 0.1
SIGNAL_SECONDS = 1.0
"""How long a sink may still take to finish a batch once a signal came."""


@dataclass(frozen=True, kw_only=True)
class EventsDeliverResult(Result):
    """How every sink stands; `attention` when events are pending or dead. `signum` is the signal that ended it."""

    sinks: tuple[SinkRow, ...] = ()
    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the signal, else the status's code."""
        return 128 + self.signum if self.signum else EXIT_CODES[self.status]


@dataclass(frozen=True, kw_only=True)
class EventsStreamedResult(StreamedResult, EventsDeliverResult):
    """The same when stdout was the sink: it holds events and nothing else."""


def events_deliver(
    session: Session,
    sinks: Sequence[str] = (),
    *,
    follow: bool = False,
    retry_dead: bool = False,
    place: str = "",
) -> EventsDeliverResult:
    """Feed the sinks `sinks` (all that are switched on, when none is named), once, in spite of back-off; with `follow`
    again and again until a signal comes. place: where one named sink is to begin, as in `--from`.

    Raises Invalid `usage`, and for a single sink Gr2Error of what stands in its way before anything was delivered.
    """
    if place and len(sinks) != 1:
        raise Invalid(
            "usage",
            "--from needs exactly one --sink",
            scope="event",
            hint="--sink NAME --from SEQ",
        )
    refuse_linked_directories(session.layout)
    for name in sinks:
        session.plugins.find("sink", name)
    names = tuple(dict.fromkeys(sinks)) or enabled_sinks(session)
    first = Order(in_spite=True, wait=session.wait_seconds, retry_dead=retry_dead, place=place)
    with ExitStack() as stack:
        feeders = [stack.enter_context(closing(_Attended(session, name))) for name in names]
        fed: dict[str, Fed] = {}
        signum = None
        try:
            for feeder in feeders:
                fed[feeder.name] = _feed(feeder, first)
            if follow:
                _follow(session, feeders, fed)
        except Interrupted as stop:
            signum = stop.signum
    return _result(session, names, fed, signum)


class _Attended:
    """A feeder in a thread of its own: a sink that does not come back keeps neither a signal nor the others waiting. It
    is left behind then, still holding its lock, so that nobody else feeds it meanwhile."""

    def __init__(self, session: Session, name: str) -> None:
        from gr2.plugin.isolation import OwnThread

        self.name = name
        self._session = session
        self._feeder = Feeder(session, name)
        self._thread = OwnThread()
        self._signal_seen: float | None = None

    def feed(self, order: Order) -> Fed:
        """As Feeder does. Raises Failed `plugin_failed` when the sink is long overdue."""
        return self._thread.call(lambda: self._feeder.feed(order), patience=self._patience)

    def close(self) -> None:
        """Let go of the sink, unless it is left behind."""
        try:
            if not self._thread.left_behind:
                self._thread.call(self._feeder.close, patience=self._patience)
        except Interrupted:
            return
        finally:
            self._thread.end()

    def _patience(self) -> None:
        clock, cancellation = self._session.clock, self._session.runner.cancellation
        if cancellation.signum is not None:
            self._signal_seen = self._signal_seen or clock.monotonic()
            if clock.monotonic() - self._signal_seen > SIGNAL_SECONDS:
                cancellation.check()
        # The reader of stdout may take as long as it likes.
        if clock.monotonic() > self._feeder.due and self.name != ONLY_WHEN_NAMED:
            raise self._overdue()

    def _overdue(self) -> Gr2Error:
        cause = f"event sink {self.name} does not come back"
        state = read_sink_state(self._session.layout, self.name).failed(cause, self._session.clock.now())
        write_sink_state(self._session.layout, self.name, state)
        return Failed("plugin_failed", cause, scope="plugin", subject=self.name, hint="gr2 plugins list")


def _feed(feeder: _Attended, order: Order) -> Fed:
    try:
        return feeder.feed(order)
    except Interrupted:
        raise
    except Gr2Error as error:
        row = SinkRow(sink=feeder.name, last_error=error.message)
        return Fed(row=row, issues=(Issue.from_error(error),), error=error)


def _follow(session: Session, feeders: Sequence[_Attended], fed: dict[str, Fed]) -> None:
    """Go on feeding the sinks that work, until Interrupted or none is left."""
    seen: object = None
    while live := [feeder for feeder in feeders if fed[feeder.name].error is None]:
        now = _look(session)
        waiting = any(fed[feeder.name].row.pending for feeder in live)
        if now != seen or waiting:
            seen = now
            for feeder in live:
                fed[feeder.name] = _joined(fed[feeder.name], _feed(feeder, Order()))
        session.runner.cancellation.check()
        session.clock.sleep(POLL_SECONDS)
        session.runner.cancellation.check()


def _look(session: Session) -> tuple[int, int]:
    try:
        found = os.stat(session.layout.outbox)
    except OSError:
        return (0, 0)
    return found.st_ino, found.st_size


def _joined(before: Fed, after: Fed) -> Fed:
    row = SinkRow(**{**vars(after.row), "delivered": before.row.delivered + after.row.delivered})
    return Fed(row=row, issues=after.issues or before.issues, error=after.error)


def _result(session: Session, names: Sequence[str], fed: dict[str, Fed], signum: int | None) -> EventsDeliverResult:
    from gr2.ops.feed import standing

    rows = tuple(fed[name].row if name in fed else standing(session, name) for name in names)
    issues = tuple(issue for found in fed.values() for issue in found.issues)
    errors = [found.error for found in fed.values() if found.error is not None]
    kind = EventsStreamedResult if ONLY_WHEN_NAMED in names else EventsDeliverResult
    if kind is EventsStreamedResult and len(names) == len(errors) and not any(row.delivered for row in rows):
        # Nothing was streamed: stdout is free for a document that says why.
        raise errors[0]
    return kind(status=_status(rows, errors, signum), issues=issues, sinks=rows, signum=signum)


def _status(rows: Sequence[SinkRow], errors: Sequence[Gr2Error], signum: int | None) -> Status:
    if signum is not None:
        return Status.INTERRUPTED
    if errors:
        if len(errors) < len(rows) or any(row.delivered for row in rows):
            return Status.PARTIAL_FAILURE
        return max((Status(error.status) for error in errors), key=list(Status).index)
    if any(row.pending or row.dead_lettered for row in rows):
        return Status.ATTENTION
    return Status.SUCCESS


def feed_for_reader(session: Session, name: str, *, seconds: float = READER_SECONDS) -> tuple[Issue, ...]:
    """Give the sink `name` what it has not had, for whoever is about to read what it makes of that, for at most
    `seconds` and some more to wait for another process that does the same. What keeps the reader from seeing
    everything comes back as issues that do not block; only Interrupted is raised."""
    end = session.clock.monotonic() + seconds
    order = Order(until=end, in_spite=True, wait=min(session.wait_seconds, BUDGET_SECONDS))
    try:
        refuse_linked_directories(session.layout)
        with closing(Feeder(session, name)) as feeder:
            fed = feeder.feed(order)
    except Interrupted:
        raise
    except Gr2Error as error:
        return (Issue.from_error(error, blocking=False),)
    if fed.issues:
        return tuple(replace(issue, blocking=False) for issue in fed.issues)
    cut_short = fed.row.last_error or session.clock.monotonic() >= end
    return (_pending(fed.row),) if fed.row.pending and cut_short else ()


def _pending(row: SinkRow) -> Issue:
    count = "1 event waits" if row.pending == 1 else f"{row.pending} events wait"
    return Issue(
        code="events_pending",
        scope="event",
        subject=row.sink,
        message=f"{count} to be delivered to {row.sink}" + (f": {row.last_error}" if row.last_error else ""),
        hint=f"gr2 events deliver --sink {quoted(row.sink)}",
        blocking=False,
    )


def deliver_pending(session: Session, *, budget: float = BUDGET_SECONDS) -> None:
    """Try every sink that is switched on and not made to wait, `budget` seconds in all. For the frame to call after a
    mutating command, once its locks are free: it raises nothing, and says nothing."""
    try:
        names = enabled_sinks(session)
    except Gr2Error:
        return
    end = session.clock.monotonic() + budget
    for name in names:
        left = end - session.clock.monotonic()
        if left > 0:
            _attempt(session, name, left)


def _attempt(session: Session, name: str, seconds: float) -> None:
    from gr2.plugin.isolation import PluginFault, isolated_within

    def work() -> None:
        feeder = Feeder(session, name)
        try:
            feeder.feed(Order(until=session.clock.monotonic() + seconds))
        finally:
            feeder.close()

    try:
        if read_sink_state(session.layout, name).must_wait(session.clock.now()):
            return
        isolated_within(work, seconds=seconds)
    except PluginFault as fault:
        # It is left behind, still holding the sink's lock; what it cost must not be paid at every command.
        try:
            state = read_sink_state(session.layout, name).failed(fault.cause, session.clock.now())
            write_sink_state(session.layout, name, state)
        except Gr2Error:
            return
    except Gr2Error:
        return
