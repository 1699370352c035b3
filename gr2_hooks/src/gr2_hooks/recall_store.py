"""The index of all events: `.grip/events/recall.sqlite`.

One row an event with its whole JSON, one row for each actor, lane and repo it names, and a full-text index of its
words. Nothing in it is the only copy of anything that the log still holds.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from time import monotonic
from typing import Any, TypeGuard

from gr2.api import Failed, Layout, make_private_directory, read_cursor

SINK = "recall"
VERSION = 1
_CHUNK = 500
_NOT_SEARCHED = frozenset({"version", "event_id", "timestamp"})
_encode = json.JSONEncoder(separators=(",", ":")).encode
_WORD = re.compile(r"[^\W_]+")
_TABLES = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, unit TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE named (
    kind TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (kind, name, at, id)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(text, content='', detail=none, columnsize=0);
"""
_INDEXES = "CREATE INDEX IF NOT EXISTS events_at ON events (at);"
_ADD = "INSERT INTO events (id, event_id, at, unit, body) VALUES (?, ?, ?, ?, ?)"
_ADD_NAME = "INSERT OR IGNORE INTO named (kind, name, at, id) VALUES (?, ?, ?, ?)"
_ADD_WORDS = "INSERT INTO words (rowid, text) VALUES (?, ?)"

ACTOR, LANE, REPO = "actor", "lane", "repo"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events: all conditions that are given. lane: LANE or, with unit, UNIT/LANE. since, until: microseconds of
    Unix time, inclusive. words: each must occur, whatever its case."""

    actor: str = ""
    lane: str = ""
    unit: str = ""
    repo: str = ""
    since: int | None = None
    until: int | None = None
    words: tuple[str, ...] = ()


class Recall:
    """The index of one workspace, opened; use it in a `with` statement.

    Raises Failed `recall_unreadable` for a file that is no index or of another version, and for one that is gone or
    empty though the cursor of the sink has moved; `recall rebuild` makes it anew. Raises Blocked `cursor_invalid`
    when that cannot be known.
    """

    def __init__(self, layout: Layout, *, name: str = "recall.sqlite", bulk: bool = False) -> None:
        self.path = os.path.join(layout.events, name)
        self._bulk = bulk
        try:
            make_private_directory(layout.events)
            if self._private() == 0 and not bulk and (last := read_cursor(layout, SINK).last_seq):
                raise sqlite3.DatabaseError(f"it is empty, and the events up to {last} will not come again")
            self._db = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise unreadable(self.path, error) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise unreadable(self.path, error) from error

    def __enter__(self) -> Recall:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _private(self) -> int:
        """Make the file unless it is there; its size."""
        # Never through a link, and 0600 from the beginning: SQLite itself would follow and use the umask.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _prepare(self) -> None:
        # A bulk load goes into a file of its own that nobody sees before it is whole.
        self._db.execute(f"PRAGMA journal_mode = {'OFF' if self._bulk else 'WAL'}")
        self._db.execute(f"PRAGMA synchronous = {'OFF' if self._bulk else 'NORMAL'}")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("PRAGMA wal_autocheckpoint = 8000")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            return
        if version or self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(f"it has version {version}, this gr2-hooks knows {VERSION}")
        self._db.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
        if not self._bulk:
            self._db.executescript(_INDEXES)

    def add(self, events: Iterable[Mapping[str, Any]], *, deadline: float = float("inf")) -> tuple[int, int]:
        """Index events that are not there yet, in their order, for at most `deadline` seconds (a first part is always
        taken); how many were taken, and how many of these were new. All that was taken is there, or none of it.

        Raises Failed `recall_unreadable` when the file cannot be written.
        """
        end = monotonic() + deadline
        taken = new = 0
        source = iter(events)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                while (taken == 0 or monotonic() < end) and (part := list(islice(source, _CHUNK))):
                    new += self._add(part)
                    taken += len(part)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error
        return taken, new

    def _add(self, part: Sequence[Mapping[str, Any]]) -> int:
        known = self._known([event["event_id"] for event in part])
        first = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM events").fetchone()[0]
        fresh = {event["event_id"]: event for event in part if event["event_id"] not in known}
        rows, names, words = [], [], []
        for number, event in enumerate(fresh.values(), first):
            at = moment_of(event["timestamp"])
            rows.append(_row(number, at, event))
            names += _names(number, at, event)
            words.append((number, text_of(event)))
        self._db.executemany(_ADD, rows)
        self._db.executemany(_ADD_NAME, names)
        self._db.executemany(_ADD_WORDS, words)
        return len(rows)

    def _known(self, ids: Sequence[str]) -> set[str]:
        marks = ",".join("?" * len(ids))
        rows = self._db.execute(f"SELECT event_id FROM events WHERE event_id IN ({marks})", ids)  # noqa: S608
        return {row[0] for row in rows}

    def find(self, wanted: Wanted, *, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` events that are wanted, newest last. Raises Failed `recall_unreadable`."""
        sql, values = _query(wanted)
        if not all(is_text(value) for value in values if isinstance(value, str)):
            return []
        try:
            with closing(self._db.execute(sql, values)) as rows:
                bodies = (row[0] for row in rows)
                found = list(islice((body for body in bodies if _occur(wanted.words, body)), limit))
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error
        return [json.loads(body) for body in reversed(found)]

    def all(self) -> Iterator[dict[str, Any]]:
        """Every event, in the order of the index. Raises Failed `recall_unreadable` where it is damaged."""
        try:
            for row in self._db.execute("SELECT body FROM events ORDER BY id"):
                yield json.loads(row[0])
        except (sqlite3.Error, ValueError) as error:
            raise unreadable(self.path, error) from error

    def finish(self) -> None:
        """End a bulk load: make what it left out."""
        self._db.executescript(_INDEXES)


def unreadable(path: str, error: Exception) -> Failed:
    """The error of an index that cannot be used."""
    return Failed(
        "recall_unreadable",
        f"cannot use {path}: {error}",
        scope="event",
        subject=path,
        hint="gr2 recall rebuild",
    )


def _row(number: int, at: int, event: Mapping[str, Any]) -> tuple[int, str, int, str, str]:
    unit = event.get("owner_unit")
    return number, event["event_id"], at, unit if is_text(unit) else "", _encode(event)


def is_text(value: object) -> TypeGuard[str]:
    """Whether SQLite can hold it as text: a lone surrogate, which stands for a byte that is no UTF-8, it cannot."""
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def moment_of(timestamp: str) -> int:
    """Microseconds of Unix time."""
    try:
        return round(datetime.fromisoformat(timestamp).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        # A small letter, or a leap second: datetime knows none.
        text = timestamp.upper()
        return round(datetime.fromisoformat(f"{text[:17]}{min(text[17:19], '59')}{text[19:]}").timestamp() * 1_000_000)


def _names(number: int, at: int, event: Mapping[str, Any]) -> list[tuple[str, str, int, int]]:
    found = event.get("actor")
    names = [(ACTOR, found, at, number)] if is_text(found) else []
    for key in ("lane_name", "from_lane", "to_lane"):
        found = event.get(key)
        if found and is_text(found):
            names.append((LANE, found, at, number))
    return names + [(REPO, name, at, number) for name in repos_of(event) if is_text(name)]


def repos_of(event: Mapping[str, Any]) -> list[str]:
    """The names of the repos an event is about."""
    listed = event.get("repos")
    items = [event.get("repo"), *(listed if isinstance(listed, list) else ())]
    names = (item.get("repo") if isinstance(item, dict) else item for item in items)
    return [name for name in names if isinstance(name, str) and name]


def text_of(event: Mapping[str, Any]) -> str:
    """What of an event can be searched: its type and every text and number in it, its id and time left out."""
    parts: list[str] = []
    for key, value in event.items():
        if key in _NOT_SEARCHED:
            continue
        if type(value) is str:
            parts.append(value)
        else:
            _collect(value, parts)
    # A lone surrogate is no text for SQLite.
    return " ".join(parts).encode(errors="replace").decode()


def _collect(value: object, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            parts.append(str(key))
            _collect(item, parts)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, parts)
    elif isinstance(value, int) and not isinstance(value, bool):
        parts.append(str(value))


def _occur(words: Sequence[str], body: str) -> bool:
    if not words:
        return True
    text = text_of(json.loads(body)).casefold()
    return all(word.casefold() in text for word in words)


def _query(wanted: Wanted) -> tuple[str, list[Any]]:
    """SQL for the bodies of what is wanted, newest first; every value is bound."""
    tables, where = ["events e"], []
    values: list[Any] = []
    first = "e"
    names = ((ACTOR, wanted.actor), (LANE, wanted.lane), (REPO, wanted.repo))
    for index, (kind, name) in enumerate((kind, name) for kind, name in names if name):
        tables.append(f"named n{index}")
        where.append(f"n{index}.kind = ? AND n{index}.name = ? AND n{index}.id = e.id")
        values += [kind, name]
        if index:
            where.append(f"n{index}.at = n0.at")
        first = "n0"
    if wanted.unit:
        where.append("e.unit = ?")
        values.append(wanted.unit)
    for sign, moment in ((">=", wanted.since), ("<=", wanted.until)):
        if moment is not None:
            where.append(f"{first}.at {sign} ?")
            values.append(moment)
    order = f"{first}.at DESC, {first}.id DESC"
    tokens = [token for word in wanted.words for token in _WORD.findall(word)]
    if tokens:
        tables.append("words w")
        where.append("w.words MATCH ? AND w.rowid = e.id")
        values.append(" AND ".join(f'"{token}"' for token in tokens))
        order = "w.rowid DESC"
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT e.body FROM {', '.join(tables)}{condition} ORDER BY {order}", values  # noqa: S608
