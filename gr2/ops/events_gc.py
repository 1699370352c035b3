"""`events gc`: archives of the log that nobody needs any more."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from gr2.errors import Gr2Error, Invalid
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.ops.enabled_sinks import enabled_sinks
from gr2.ops.mutation import mutation
from gr2.session import Session
from gr2.store.cursors import check_consumer, consumers, forget_cursor, read_cursor
from gr2.store.outbox_files import archive_moment, archive_names, end_of_lines, last_event, open_regular
from gr2.store.sink_state import forget_sink

KEEP = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class EventsGcResult(MutationResult):
    """`removed`: the files that are gone, relative to the workspace; `forgotten`: the consumers that were dropped."""

    removed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


def events_gc(session: Session, *, forget: tuple[str, ...] = ()) -> EventsGcResult:
    """Remove archives older than 7 days that every cursor, and every sink that is switched on, has passed.

    forget: consumers to drop first. The newest archive stays while the current file holds no event, and so does the
    event that a cursor stands on. Raises Invalid `unknown_consumer`.
    """
    for name in forget:
        check_consumer(name)
    with mutation(session, "events.gc") as run:
        known = consumers(session.layout)
        forgotten = tuple(name for name in forget if name in known)
        if unknown := [name for name in forget if name not in known]:
            raise _unknown(unknown[0], known)
        for name in forgotten:
            forget_cursor(session.layout, name)
            forget_sink(session.layout, name)
        passed, issues = _passed_by_all(session)
        removed = _remove(session, passed)
        status = Status.ATTENTION if issues else Status.SUCCESS
        return EventsGcResult(
            status=status,
            issues=tuple(issues),
            operation_id=run.operation_id,
            removed=tuple(removed),
            forgotten=forgotten,
        )


def _unknown(name: str, known: list[str]) -> Invalid:
    return Invalid(
        "unknown_consumer",
        f"there is no consumer {name!r}",
        scope="event",
        subject=name,
        hint=f"one of {', '.join(known)}" if known else "no consumer has a cursor yet",
    )


def _passed_by_all(session: Session) -> tuple[float, list[Issue]]:
    """The seq that every consumer stands on or has passed (infinite when there is none)."""
    names = {*consumers(session.layout), *enabled_sinks(session)}
    passed: float = float("inf")
    issues = []
    for name in sorted(names):
        try:
            passed = min(passed, read_cursor(session.layout, name).last_seq)
        except Gr2Error as error:
            passed = 0
            issues.append(Issue.from_error(error, blocking=False))
    return passed, issues


def _remove(session: Session, passed: float) -> list[str]:
    layout = session.layout
    names = archive_names(layout.events)
    if names and _last_seq(layout.outbox) == 0:
        names.pop()
    limit = session.clock.now().astimezone(UTC) - KEEP
    removed = []
    for name in names:
        path = os.path.join(layout.events, name)
        # Oldest first, and no further than the first that is needed: the log never gets a hole.
        if not _is_old(name, limit) or _last_seq(path) >= passed:
            break
        os.unlink(path)
        removed.append(layout.relative(path))
    return removed


def _is_old(name: str, limit: datetime) -> bool:
    moment = archive_moment(name)
    return moment is not None and moment < limit


def _last_seq(path: str) -> int:
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        event = last_event(descriptor, end_of_lines(descriptor, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)
    return int(event["seq"]) if event is not None else 0
