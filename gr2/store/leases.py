"""Leases on disk: one state file and one lock a lane, and one lock for the workspace's cap.

The rename of the state file is the grant. The events that tell of it are inside until they are in the log: a note in
`unsettled/` says that they may not be, and whoever comes next on the lane, or runs any mutating command, writes them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gr2.edges.files import failed_write, make_private_directory
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.event.base import Context, Event
from gr2.model.lease import Lease, LeaseTable, LostGrant
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox
from gr2.store.state_file import read_state, refuse_newer, write_state

VERSION = 1
# No component of a lane's name can begin with a dot, so that no lane's file is in the way of another's directory.
_FILE = ".leases.json"
_UNSETTLED = ".unsettled"


def read_leases(layout: Layout, unit: str, lane: str) -> LeaseTable:
    """The leases of a lane, without any lock: the state file changes whole. Raises Failed `state_unreadable`."""
    return _table(_read(layout, unit, lane), unit, lane)


def all_leases(layout: Layout) -> Iterator[LeaseTable]:
    """The leases of every lane that ever had one."""
    for folder, names, files in os.walk(layout.leases):
        if folder == layout.leases:
            names[:] = sorted(name for name in names if name != _UNSETTLED)
        if _FILE in files:
            unit, _, lane = os.path.relpath(folder, layout.leases).partition("/")
            yield read_leases(layout, unit, lane)


class LeaseBook:
    """The leases of one lane while its lock is held."""

    def __init__(self, layout: Layout, unit: str, lane: str, outbox: Outbox) -> None:
        self._layout = layout
        self._unit = unit
        self._lane = lane
        self._outbox = outbox
        self._path = layout.lease_file(unit, lane)
        self._settle()

    @property
    def table(self) -> LeaseTable:
        """The leases as they are."""
        return _table(self._state, self._unit, self._lane)

    def commit(self, table: LeaseTable, events: Sequence[Event], context: Context, *, note: str) -> Gr2Error | None:
        """Make `table` the state, and write the events that tell of it. `note` is unique to this change.

        Raises Gr2Error when nothing was changed. Returns the error when the change stands and its events could not be
        written: the next mutating command writes them.
        """
        refuse_newer(self._path, version=VERSION)
        after = self._outbox.last_seq() if events else 0
        pending: list[dict[str, Any]] = [
            {
                "event_id": self._outbox.reserve_id(),
                "type": event.TYPE,
                "payload": event.payload(),
                "context": vars(context),
            }
            for event in events
        ]
        state = {**_encoded(table), "pending": pending, "note": note if pending else "", "after": after}
        path = self._make_note(note) if pending else None
        try:
            write_state(self._path, state, version=VERSION)
        except Gr2Error:
            if path is not None:
                os.unlink(path)
            raise
        self._state = state
        if path is None:
            return None
        try:
            for event, entry in zip(events, pending, strict=True):
                self._outbox.emit(event, context, event_id=entry["event_id"])
        except Gr2Error as error:
            return error
        os.unlink(path)
        return None

    def _make_note(self, note: str) -> str:
        folder = os.path.join(self._layout.leases, _UNSETTLED)
        path = os.path.join(folder, note)
        try:
            make_private_directory(folder)
            # A link to nowhere: the one thing that comes into being with its content in one call.
            os.symlink(f"{self._unit}/{self._lane}", path)
        except OSError as error:
            raise failed_write(error, path) from error
        return path

    def _settle(self) -> None:
        """Write the events of the last change that its process did not live to write."""
        self._state = _read(self._layout, self._unit, self._lane)
        note = self._state.get("note")
        path = os.path.join(self._layout.leases, _UNSETTLED, str(note))
        if not note or not os.path.lexists(path):
            return
        for entry in self._state.get("pending", ()):
            self._tell(entry)
        os.unlink(path)

    def _tell(self, entry: Mapping[str, Any]) -> None:
        from gr2.model.event.catalog import event_class

        kind = event_class(entry["type"])
        told = self._outbox.contains(entry["event_id"], after=int(self._state.get("after", 0)))
        if kind is not None and not told:
            context = Context(**entry["context"])
            self._outbox.emit(kind(**entry["payload"]), context, event_id=entry["event_id"])


@contextmanager
def lease_book(
    layout: Layout,
    unit: str,
    lane: str,
    *,
    outbox: Outbox,
    wait: float = 30.0,
    pause: Callable[[float], None] | None = None,
    holder: Mapping[str, Any] | None = None,
) -> Iterator[LeaseBook]:
    """The lane's leases, locked while the body runs. Raises Blocked `workspace_locked` after `wait` seconds."""
    lock = FileLock(layout.lock(f"lease/{unit}/{lane}"), wait=wait, holder=holder, pause=pause or time.sleep)
    with _taken(lock, wait, f"the leases of {unit}/{lane} are"):
        yield LeaseBook(layout, unit, lane, outbox)


@contextmanager
def cap_lock(layout: Layout, *, wait: float = 30.0, pause: Callable[[float], None] | None = None) -> Iterator[None]:
    """Hold the lock under which edit leases are counted. Take it before a lane's, never after."""
    with _taken(
        FileLock(layout.lock("lease-cap"), wait=wait, pause=pause or time.sleep), wait, "the count of leases is"
    ):
        yield


@contextmanager
def _taken(lock: FileLock, wait: float, what: str) -> Iterator[None]:
    try:
        lock.acquire()
    except LockTimeout as error:
        raise Blocked(
            "workspace_locked",
            f"{what} being changed by {error.holder.get('actor', 'another process')}, for over {wait:g} s",
            scope="lease",
            hint="run the same command again",
            details=error.holder,
        ) from error
    try:
        yield
    finally:
        lock.release()


def settle_leases(layout: Layout, outbox: Outbox) -> None:
    """Write the events of lease changes whose process did not live to write them. For the start of every mutating
    command; a lane whose leases are being changed right now is left to whoever does it."""
    folder = os.path.join(layout.leases, _UNSETTLED)
    try:
        notes = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for note in notes:
        path = os.path.join(folder, note)
        try:
            unit, _, lane = os.readlink(path).partition("/")
        except OSError:
            continue  # just settled by somebody else
        lock = FileLock(layout.lock(f"lease/{unit}/{lane}"))
        try:
            lock.acquire()
        except LockTimeout:
            continue
        try:
            LeaseBook(layout, unit, lane, outbox)
            if os.path.lexists(path):
                os.unlink(path)  # its process died before the change that it was about
        finally:
            lock.release()


def _read(layout: Layout, unit: str, lane: str) -> dict[str, Any]:
    return read_state(layout.lease_file(unit, lane), version=VERSION) or {}


def _encoded(table: LeaseTable) -> dict[str, Any]:
    return {
        "owner_unit": table.owner_unit,
        "lane_name": table.lane_name,
        "last_token": table.last_token,
        "leases": [vars(lease) for lease in table.leases],
        "lost": [vars(grant) for grant in table.lost],
    }


def _table(state: Mapping[str, Any], unit: str, lane: str) -> LeaseTable:
    try:
        return LeaseTable(
            owner_unit=unit,
            lane_name=lane,
            last_token=int(state.get("last_token", 0)),
            leases=tuple(_lease(item) for item in state.get("leases", ())),
            lost=tuple(LostGrant(**_known(LostGrant, item)) for item in state.get("lost", ())),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise Failed(
            "state_unreadable",
            f"the leases of {unit}/{lane} cannot be read",
            scope="lease",
            subject=f"{unit}/{lane}",
            hint="gr2 doctor",
        ) from error


def _lease(item: Mapping[str, Any]) -> Lease:
    return Lease(**{**_known(Lease, item), "operations": tuple(item.get("operations", ()))})


def _known(kind: type, item: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `item` that this gr2 knows: a newer one may have written more."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return {key: value for key, value in item.items() if key in names}
