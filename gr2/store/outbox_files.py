"""The files of the log: which there are, opening them safely, and finding the first and the last event of one.

Nothing here reads more than a bounded part of a line into memory, or more of a file than it must.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gr2.errors import Blocked
from gr2.model.event.envelope import parse_line
from gr2.model.hints import quoted

LINE_LIMIT = 16 << 20
"""Bytes of the longest line that is an event; a longer one is junk."""

_ARCHIVE = re.compile(r"outbox\.\d{8}T\d{6}\.\d{6}Z\.jsonl").fullmatch
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 18
_NEAR = 1 << 13


def unwritable(reason: str, path: str, *, doing: str = "write", **details: Any) -> Blocked:
    """The error of a log that cannot be written (or read: `doing`), for `reason`."""
    return Blocked(
        "outbox_unwritable",
        f"cannot {doing} the event log: {reason}",
        scope="event",
        subject=path,
        hint=f"look at {quoted(path)}",
        details={"path": path, **details},
    )


def refused(error: OSError, path: str, *, doing: str = "write") -> Blocked:
    """The same for an error of the operating system, or of `open_regular`."""
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ELOOP:
        reason = "it is a symbolic link"
    return unwritable(reason, path, doing=doing, errno=errno.errorcode.get(error.errno or 0, ""))


def open_regular(path: str, flags: int) -> int:
    """Open the regular file `path` without following a link or waiting. Raises OSError for anything else there."""
    descriptor = os.open(path, flags | _OPEN)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file", path)


def archive_name(moment: datetime) -> str:
    """The name of an archive made at `moment` (UTC)."""
    return f"outbox.{moment:%Y%m%dT%H%M%S.%f}Z.jsonl"


def archive_moment(name: str) -> datetime | None:
    """When the archive called `name` was made (UTC); None for a name that is no time."""
    try:
        return datetime.strptime(name, "outbox.%Y%m%dT%H%M%S.%fZ.jsonl").replace(tzinfo=UTC)
    except ValueError:
        return None


def archive_names(folder: str) -> list[str]:
    """The names of the archives in `folder`, oldest first."""
    try:
        return sorted(name for name in os.listdir(folder) if _ARCHIVE(name))
    except FileNotFoundError:
        return []


def end_of_lines(descriptor: int, size: int) -> int:
    """The offset just after the last line feed before `size`, 0 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def lines_backwards(descriptor: int, end: int) -> Iterator[bytes]:
    """The complete lines before `end` (which is just after a line feed, or 0), last first, without line feeds.

    A line over LINE_LIMIT is given as an empty one.
    """
    line = _Unfinished()
    block, position = 4096, end - 1
    while position > 0:
        step = min(block, position)
        position -= step
        block = min(block * 2, _BLOCK * 4)
        first, *others = os.pread(descriptor, step, position).split(b"\n")
        if others:
            line.add(others.pop())
            yield line.take(backwards=True)
            yield from reversed(others)
        line.add(first)
    if end > 0:
        yield line.take(backwards=True)


class _Unfinished:
    """The parts of a line met so far; nothing is kept of one over LINE_LIMIT."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= LINE_LIMIT:
            self._parts.append(part)
        else:
            self._parts.clear()

    def take(self, *, backwards: bool = False) -> bytes:
        """The line, b"" for one that is too long; the next begins."""
        parts = reversed(self._parts) if backwards else self._parts
        line = b"".join(parts) if self._length <= LINE_LIMIT else b""
        self._parts, self._length = [], 0
        return line


def last_event(descriptor: int, end: int) -> dict[str, Any] | None:
    """The last valid event in the complete lines before `end`."""
    for line in lines_backwards(descriptor, end):
        event = parse_line(line)
        if event is not None:
            return event
    return None


def blocks_of_lines(descriptor: int, start: int, end: int) -> Iterator[list[bytes]]:
    """The complete lines between two offsets, in lists of many. A line over LINE_LIMIT is given as an empty one."""
    position, kept = start, _Unfinished()
    while position < end:
        data = os.pread(descriptor, min(_BLOCK, end - position), position)
        if not data:
            return
        position += len(data)
        lines = data.split(b"\n")
        last = lines.pop()
        if lines:
            kept.add(lines[0])
            lines[0] = kept.take()
            yield lines
        kept.add(last)


def first_event(descriptor: int, start: int, end: int) -> tuple[int, dict[str, Any]] | None:
    """The first valid event in the complete lines between two offsets, and where its line begins."""
    position = start
    while position < end:
        line, after = _line_at(descriptor, position, end)
        if after is None:
            return None
        event = parse_line(line)
        if event is not None:
            return position, event
        position = after
    return None


def _line_at(descriptor: int, start: int, end: int) -> tuple[bytes, int | None]:
    """The line that begins at `start` and the offset after it; (b"", None) when it does not end before `end`."""
    line, position, block = _Unfinished(), start, 4096
    while position < end:
        data = os.pread(descriptor, min(block, end - position), position)
        found = data.find(b"\n")
        if found >= 0:
            line.add(data[:found])
            return line.take(), position + found + 1
        if not data:
            break
        line.add(data)
        position += len(data)
        block = _BLOCK
    return b"", None


def offset_after(descriptor: int, end: int, seq: int) -> int:
    """An offset at the beginning of a line such that every event with a greater seq lies at or after it, found by
    halving: seqs only grow in a file."""
    low, high = 0, end
    while high - low > _NEAR:
        middle = (low + high) // 2
        line_start = _line_at(descriptor, middle, high)[1]
        found = first_event(descriptor, line_start, high) if line_start is not None else None
        if found is None or found[1]["seq"] > seq:
            high = middle
        else:
            low = found[0]
    return low
