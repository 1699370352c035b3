"""The channel on disk: the filter, the rows of `.grip/events/channel.jsonl`, and what became of an event."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gr2.api import Failed, FileLock, Invalid, Layout, Session, make_private_directory, read_regular, timestamp
from gr2_hooks.messages import Message, message_of

SINK = "channel"
_FILTER_LIMIT = 1 << 16
_TAIL = 1 << 20
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Channel:
    """Where a workspace's messages are."""

    layout: Layout

    @property
    def path(self) -> str:
        """The rows."""
        return os.path.join(self.layout.events, "channel.jsonl")

    @property
    def times(self) -> str:
        """When each row was written; the rows themselves do not say."""
        return os.path.join(self.layout.state, "channel_times.jsonl")

    @property
    def filter(self) -> str:
        """Which event types are considered."""
        return os.path.join(self.layout.events, "channel_filter.toml")

    def append(self, messages: Sequence[Message], at: str) -> None:
        """Add rows, durably. Raises Failed `channel_unwritable`."""
        with FileLock(self.layout.lock("channel"), wait=10.0):
            _append(self.path, [vars(message) for message in messages])
            _append(self.times, [{"event_id": message.event_id, "at": at} for message in messages])

    def recent(self) -> set[str]:
        """The ids of the events whose rows were added last: those that could come again after a crash."""
        return {row["event_id"] for row in _rows(self.path, tail=_TAIL)}

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows, oldest first; damaged ones are passed over."""
        return _rows(self.path)

    def written_at(self, event_id: str) -> str | None:
        """When the row of an event was written."""
        return next((row.get("at") for row in _rows(self.times) if row["event_id"] == event_id), None)


def _append(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        make_private_directory(os.path.dirname(path))
        descriptor = os.open(path, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is not a regular file")
            torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            data = (b"\n" if torn else b"") + b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, found.st_size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Failed("channel_unwritable", f"cannot write {path}: {error.strerror or error}", scope="event") from error


def _rows(path: str, *, tail: int = 0) -> Iterator[dict[str, Any]]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return
    with os.fdopen(descriptor, "rb", buffering=_BLOCK) as file:
        if tail and found.st_size > tail:
            file.seek(found.st_size - tail)
        while line := file.readline(_TAIL):
            row = _row(line)
            if row is not None:
                yield row


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("event_id"), str) and line.endswith(b"\n") else None


def considered(channel: Channel) -> Callable[[str], bool]:
    """Whether an event type is considered, from the filter file; without one every type is.

    Raises Invalid `invalid_config` for a broken filter.
    """
    try:
        data = read_regular(channel.filter, limit=_FILTER_LIMIT)
    except OSError as error:
        raise _wrong(channel, f"cannot be read: {error.strerror or error}") from error
    if data is None:
        return lambda kind: True
    from fnmatch import fnmatchcase

    include, exclude = _globs(channel, data)
    return lambda kind: (
        any(fnmatchcase(kind, glob) for glob in include) and not any(fnmatchcase(kind, glob) for glob in exclude)
    )


def _globs(channel: Channel, data: bytes) -> tuple[list[str], list[str]]:
    import tomllib

    try:
        parsed = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _wrong(channel, f"is not TOML: {error}") from error
    table = parsed.get("channel_bridge", {})
    unknown = [*(key for key in parsed if key != "channel_bridge")]
    if not isinstance(table, dict):
        raise _wrong(channel, "channel_bridge must be a table")
    unknown += [f"channel_bridge.{key}" for key in table if key not in {"include", "exclude"}]
    if unknown:
        raise _wrong(channel, f"does not know {unknown[0]}")
    found = []
    for key, default in (("include", ["*"]), ("exclude", [])):
        globs = table.get(key, default)
        if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs):
            raise _wrong(channel, f"channel_bridge.{key} must be a list of strings")
        found.append(globs)
    return found[0], found[1]


def _wrong(channel: Channel, reason: str) -> Invalid:
    return Invalid(
        "invalid_config",
        f"channel_filter.toml {reason}",
        scope="event",
        subject="channel_filter.toml",
        hint=f"edit {channel.filter}",
    )


class Bridge:
    """Turns the events of a session's workspace into messages, by its filter, templates and units."""

    def __init__(self, session: Session, settings: Any) -> None:
        self._channel = (settings.channel if settings is not None else "") or session.spec.workspace_name
        self._templates = settings.templates if settings is not None else {}
        self._considered = considered(Channel(session.layout))
        self._silent = {unit.name for unit in session.spec.units if not unit.constraints.channels_enabled}

    def message(self, event: Mapping[str, Any]) -> Message | None:
        """The message of `event`, None when it has none."""
        if event.get("owner_unit") in self._silent or not self._considered(event["type"]):
            return None
        return message_of(event, channel=self._channel, templates=self._templates)


def now_of(session: Session) -> str:
    """The time to write down."""
    return timestamp(session.clock.now())
