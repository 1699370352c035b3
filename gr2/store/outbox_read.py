"""Reading the log of events (contract, page 6, "Reading"): oldest first, over archives and the current file.

Readers take no lock and write nothing. A rotation in the middle of a reading is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from gr2.model.event.envelope import parse_line
from gr2.store.layout import Layout
from gr2.store.outbox_files import (
    archive_names,
    blocks_of_lines,
    end_of_lines,
    first_event,
    last_event,
    offset_after,
    open_regular,
    refused,
)


class EventLog:
    """The events with a seq over `since`, as dicts in the order of the log; iterate once.

    Whole files and the greater part of the first one are passed over unread. `junk` counts, as iteration goes on,
    the lines met that are no valid envelope; a last line without line feed is one.
    Raises Blocked `outbox_unwritable` when the log is a FIFO, a link or a directory.
    """

    def __init__(self, layout: Layout, *, since: int = 0) -> None:
        self._folder = layout.events
        self._path = layout.outbox
        self._since = since
        self.junk = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # The current file is opened before the archives are listed: one that is renamed in between is then in both.
        current, is_archive = open_log(self._path), False
        try:
            for name in self._wanted(current):
                descriptor = _open_archive(os.path.join(self._folder, name))
                if descriptor is None:
                    continue
                try:
                    # It is read in its place among them: others may have been filled since.
                    is_archive = is_archive or (current is not None and os.path.sameopenfile(descriptor, current))
                    yield from self._events(descriptor)
                finally:
                    os.close(descriptor)
            if current is not None and not is_archive:
                yield from self._events(current)
        finally:
            if current is not None:
                os.close(current)

    def _wanted(self, current: int | None) -> list[str]:
        """The archives that can hold an event with a seq over `since`, oldest first."""
        names = archive_names(self._folder)
        if self._since <= 0 or (current is not None and _begins_by(current, self._since + 1)):
            return names if self._since <= 0 else []
        for index in range(len(names) - 1, -1, -1):
            descriptor = _open_archive(os.path.join(self._folder, names[index]))
            if descriptor is None:
                continue
            try:
                if _begins_by(descriptor, self._since + 1):
                    return names[index:]
            finally:
                os.close(descriptor)
        return names

    def _events(self, descriptor: int) -> Iterator[dict[str, Any]]:
        size = os.fstat(descriptor).st_size
        start = offset_after(descriptor, size, self._since) if self._since > 0 else 0
        since = self._since
        for lines in blocks_of_lines(descriptor, start, size):
            for line in lines:
                event = parse_line(line)
                if event is None:
                    self.junk += 1
                elif event["seq"] > since:
                    yield event
        if end_of_lines(descriptor, size) < size:
            self.junk += 1


def open_log(path: str) -> int | None:
    """The log's current file opened for reading, None when there is none.

    Raises Blocked `outbox_unwritable` for anything but a regular file.
    """
    try:
        return open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(error, path, doing="read") from error


def _open_archive(path: str) -> int | None:
    """An archive opened for reading, None when it was removed meanwhile or is none of ours."""
    try:
        return open_regular(path, os.O_RDONLY)
    except OSError:
        return None


def _begins_by(descriptor: int, seq: int) -> bool:
    """Whether the first event of the file has this seq or an earlier one."""
    found = first_event(descriptor, 0, os.fstat(descriptor).st_size)
    return found is not None and bool(found[1]["seq"] <= seq)


def newest_event(layout: Layout) -> dict[str, Any] | None:
    """The last event of the log, None when there is none."""
    for path in _newest_first(layout):
        descriptor = open_log(path) if path == layout.outbox else _open_archive(path)
        if descriptor is None:
            continue
        try:
            event = last_event(descriptor, end_of_lines(descriptor, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)
        if event is not None:
            return event
    return None


def _newest_first(layout: Layout) -> list[str]:
    names = archive_names(layout.events)
    return [layout.outbox, *(os.path.join(layout.events, name) for name in reversed(names))]


def event_at(layout: Layout, seq: int) -> dict[str, Any] | None:
    """The event with this seq, None when the log does not hold it."""
    found = next(iter(EventLog(layout, since=seq - 1)), None)
    return found if found is not None and found["seq"] == seq else None


class Follower:
    """Gives what was appended since the last look, across rotations, beginning after the seq `since`."""

    def __init__(self, layout: Layout, *, since: int) -> None:
        self._layout = layout
        self._seen: tuple[int, int] | None = None
        self.since = since

    def poll(self) -> Iterator[dict[str, Any]]:
        """The new events, oldest first; costs one stat(2) when there are none."""
        try:
            found = os.stat(self._layout.outbox, follow_symlinks=False)
            now = (found.st_ino, found.st_size)
        except FileNotFoundError:
            now = (0, 0)
        if now == self._seen:
            return
        for event in EventLog(self._layout, since=self.since):
            self.since = event["seq"]
            yield event
        self._seen = now
