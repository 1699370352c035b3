"""Writing the log of events (contract, page 6, "Writing").

Any number of processes append under one lock that is a file of its own. An append is one write(2); its cost does not
depend on the log's size. A process killed at any point leaves at most a last line without line feed, which the next
append moves aside.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from gr2.edges.clock import Clock, Ids
from gr2.edges.files import PRIVATE_FILE, make_private_directory, sync_directory
from gr2.errors import Gr2Error, Invalid
from gr2.model.event.base import EVENT_VERSION, Context, Event
from gr2.model.event.envelope import parse_line
from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.outbox_files import (
    LINE_LIMIT,
    archive_moment,
    archive_name,
    archive_names,
    end_of_lines,
    last_event,
    lines_backwards,
    open_regular,
    refused,
    unwritable,
)

LOCK_SECONDS = 30.0
_TAIL = 2048
_COPY = 1 << 20
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Emitted:
    """The place of an event in the log."""

    seq: int
    event_id: str


class Outbox:
    """Appends events to the log of one workspace. Safe to share between threads, and to keep over a fork.

    Every method that writes raises Blocked `outbox_unwritable` when the log is a FIFO, link or directory, when its
    lock stays taken for 30 s, or when the system refuses the write; then the log is as it was.
    """

    def __init__(self, layout: Layout, *, clock: Clock, ids: Ids, max_bytes: int) -> None:
        self._folder = layout.events
        self._path = layout.outbox
        self._lock_path = layout.lock("outbox")
        self._clock = clock
        self._ids = ids
        self._max_bytes = max_bytes
        self._mutex = Lock()
        self._pid = 0
        self._lock_file = -1
        self._file = -1
        self._inode = -1
        self._size = -1
        self._seq = 0
        self._unsynced = False
        self._created = False

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the next call opens them again."""
        with self._mutex:
            self._close_file()
            if self._lock_file >= 0:
                os.close(self._lock_file)
            self._lock_file = -1

    def reserve_id(self) -> str:
        """An id for an event that will be written later, to be kept in the state that the event belongs to."""
        return self._ids.event()

    def emit(self, event: Event, context: Context, *, event_id: str | None = None) -> Emitted:
        """Append `event` and say where it went. It is durable after the next `sync`.

        Raises Invalid `invalid_event` for an event that JSON cannot hold or that uses an envelope's name.
        """
        body = _body(event, context)
        named = event_id or self._ids.event()
        with self._mutex:
            self._take_lock()
            try:
                seq = self._append(named, body)
            except OSError as error:
                self._size = -1
                raise refused(error, self._path) from error
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        return Emitted(seq, named)

    def sync(self) -> None:
        """Make what was appended since the last sync durable, with one fsync."""
        with self._mutex:
            if not self._unsynced:
                return
            try:
                if self._file >= 0:
                    os.fsync(self._file)
                if self._created or self._file < 0:
                    sync_directory(self._folder)
            except OSError as error:
                raise refused(error, self._path) from error
            self._unsynced = self._created = False

    def last_seq(self) -> int:
        """The seq of the last event, 0 when there is none."""
        with self._mutex:
            self._take_lock()
            try:
                self._find_file()
                return self._seq
            except OSError as error:
                raise refused(error, self._path) from error
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def contains(self, event_id: str, *, after: int = 0) -> bool:
        """Whether an event with this id is in the log, looking back no further than the seq `after`. For recovery."""
        wanted = event_id.encode()
        names = [*archive_names(self._folder), os.path.basename(self._path)]
        for name in reversed(names):
            try:
                descriptor = open_regular(os.path.join(self._folder, name), os.O_RDONLY)
            except OSError:
                continue
            try:
                for line in lines_backwards(descriptor, end_of_lines(descriptor, os.fstat(descriptor).st_size)):
                    if wanted in line or after:
                        event = parse_line(line)
                        if event is not None and event["seq"] <= after:
                            return False
                        if event is not None and event["event_id"] == event_id:
                            return True
            finally:
                os.close(descriptor)
        return False

    def _take_lock(self) -> None:
        if self._pid != os.getpid():
            # A lock that a fork shares would be held by parent and child at once: the child opens its own.
            self._lock_file, self._unsynced = -1, False
            self._pid = os.getpid()
        if self._lock_file < 0:
            self._lock_file = self._open_lock()
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait_for_lock()

    def _open_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            try:
                return open_regular(self._lock_path, flags)
            except FileNotFoundError:
                make_private_directory(os.path.dirname(self._lock_path))
                return open_regular(self._lock_path, flags)
        except OSError as error:
            raise refused(error, self._lock_path) from error

    def _wait_for_lock(self) -> None:
        # Not a blocking flock: its holder may be stopped, and nobody waits on the log for ever.
        deadline, pause = monotonic() + LOCK_SECONDS, 0.00005
        while True:
            sleep(pause)
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() > deadline:
                    raise unwritable("another process holds its lock", self._lock_path) from None
            pause = min(pause * 1.5, 0.002)

    def _append(self, event_id: str, body: str) -> int:
        self._find_file()
        seq = self._seq + 1
        moment = self._clock.now()
        line = (
            f'{{"version":{EVENT_VERSION},"event_id":"{event_id}","seq":{seq},'
            f'"timestamp":"{moment.isoformat(timespec="microseconds")}",{body}\n'
        ).encode("ascii")
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate(moment)
        self._write(line)
        self._size += len(line)
        self._seq = seq
        self._unsynced = True
        return seq

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            os.ftruncate(self._file, self._size)
            raise

    def _find_file(self) -> None:
        """Make `_file`, `_size` and `_seq` those of the current file, which ends in a whole line."""
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is None or found.st_ino != self._inode or self._file < 0:
            self._open_file()
            found = os.fstat(self._file)
            self._inode, self._size = found.st_ino, -1
        if found.st_size != self._size:
            self._read_tail(found.st_size)

    def _open_file(self) -> None:
        self._close_file()
        make_private_directory(self._folder)
        if not stat.S_ISDIR(os.lstat(self._folder).st_mode):
            raise unwritable("its directory is a link", self._folder)
        try:
            self._file = open_regular(self._path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            self._file = open_regular(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
            os.fchmod(self._file, PRIVATE_FILE)
            self._created = True

    def _read_tail(self, size: int) -> None:
        start = max(0, size - _TAIL)
        tail = os.pread(self._file, size - start, start)
        before = tail.rfind(b"\n", 0, -1)
        if tail.endswith(b"\n") and (before >= 0 or start == 0):
            event = parse_line(tail[before + 1 :])
            if event is not None:
                self._size, self._seq = size, event["seq"]
                return
        end = end_of_lines(self._file, size)
        if end < size:
            self._move_aside(end, size)
        event = last_event(self._file, end)
        self._size = end
        self._seq = event["seq"] if event is not None else self._last_archived_seq()

    def _last_archived_seq(self) -> int:
        for name in reversed(archive_names(self._folder)):
            descriptor = open_regular(os.path.join(self._folder, name), os.O_RDONLY)
            try:
                event = last_event(descriptor, end_of_lines(descriptor, os.fstat(descriptor).st_size))
            finally:
                os.close(descriptor)
            if event is not None:
                return int(event["seq"])
        return 0

    def _move_aside(self, start: int, end: int) -> None:
        """Keep the torn end of the file for people to look at, then cut it off."""
        name = f"outbox.torn-{self._clock.now().astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{self._ids.hex(4)}"
        path = os.path.join(self._folder, name)
        copy = open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.fchmod(copy, PRIVATE_FILE)
            for position in range(start, end, _COPY):
                data = memoryview(os.pread(self._file, min(_COPY, end - position), position))
                while data:
                    data = data[os.write(copy, data) :]
            os.fsync(copy)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(copy)
        os.ftruncate(self._file, start)

    def _rotate(self, moment: datetime) -> None:
        os.fsync(self._file)
        names = archive_names(self._folder)
        moment = moment.astimezone(UTC)
        if names and archive_name(moment) <= names[-1]:
            # The clock went back, or two fell into one microsecond: archives still sort by age.
            moment = (archive_moment(names[-1]) or moment) + timedelta(microseconds=1)
        os.rename(self._path, os.path.join(self._folder, archive_name(moment)))
        seq = self._seq
        self._open_file()
        self._inode, self._size, self._seq = os.fstat(self._file).st_ino, 0, seq

    def _close_file(self) -> None:
        # `_unsynced` and `_created` stay: whoever renamed the file made its content durable, but not yet its new name.
        if self._file >= 0:
            os.close(self._file)
        self._file, self._inode, self._size = -1, -1, -1


def _body(event: Event, context: Context) -> str:
    """Everything after the timestamp, with the closing brace and without the opening one."""
    said: dict[str, Any] = {"type": event.TYPE, "workspace": context.workspace, "actor": context.actor}
    if context.agent_id is not None:
        said["agent_id"] = context.agent_id
    said["owner_unit"] = context.owner_unit
    try:
        payload = event.payload()
        if context.operation_id is not None and "operation_id" not in payload:
            said["operation_id"] = context.operation_id
        said.update(payload)
        text = _encode(said)
    except (TypeError, ValueError, RecursionError) as error:
        raise _invalid(event, str(error)) from error
    if len(text) > LINE_LIMIT - 256:
        raise _invalid(event, "it is over 16 MiB")
    return text[1:]


def _invalid(event: Event, reason: str) -> Gr2Error:
    return Invalid(
        "invalid_event", f"cannot write an event of type {event.TYPE}: {reason}", scope="event", subject=event.TYPE
    )
