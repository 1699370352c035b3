"""Indexing 100,000 events for recall, against inserting the same rows with executemany; and asking a large index."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from typing import Any

from gr2_hooks.recall_sink import RecallSink
from gr2_hooks.recall_store import (
    _ADD,
    _ADD_NAME,
    _ADD_WORDS,
    _TABLES,
    Recall,
    Wanted,
    _names,
    _row,
    moment_of,
    text_of,
)

from bench.emit import emit
from gr2.store.layout import Layout
from gr2.store.outbox_read import EventLog

EVENTS = 100_000
ROUNDS = 3
LIMIT = 3.0


def _ours(root: str, events: list[dict[str, Any]]) -> float:
    _clear(root)
    started = time.perf_counter()
    with Recall(Layout(root)) as recall:
        for start in range(0, len(events), RecallSink.batch_size):
            recall.add(events[start : start + RecallSink.batch_size])
    return time.perf_counter() - started


def _bare(root: str, events: list[dict[str, Any]]) -> float:
    _clear(root)
    numbered = list(enumerate(events, 1))
    rows = [_row(number, moment_of(event["timestamp"]), event) for number, event in numbered]
    names = [name for number, event in numbered for name in _names(number, moment_of(event["timestamp"]), event)]
    words = [(number, text_of(event)) for number, event in numbered]
    started = time.perf_counter()
    db = sqlite3.connect(os.path.join(root, "bare.sqlite"))
    db.executescript(_TABLES)
    with db:
        db.executemany(_ADD, rows)
        db.executemany(_ADD_NAME, names)
        db.executemany(_ADD_WORDS, words)
    db.close()
    return time.perf_counter() - started


def _clear(root: str) -> None:
    for folder in (root, os.path.join(root, ".grip/events")):
        for name in os.listdir(folder):
            if ".sqlite" in name:
                os.unlink(os.path.join(folder, name))


def run() -> list[dict[str, Any]]:
    """Indexing, in batches as they are delivered, against one transaction of the same rows into the same tables."""
    with tempfile.TemporaryDirectory() as root:
        emit(root, EVENTS)
        events = list(EventLog(Layout(root)))
        pairs = [(_ours(root, events), _bare(root, events)) for _ in range(ROUNDS)]
    ours, base = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [{"name": "recall, index 100,000 events", "ours": ours, "base": base, "ratio": ours / base, "limit": LIMIT}]


def ask(count: int = 1_000_000) -> list[tuple[str, float]]:
    """Seconds for queries on `count` events; by hand: python -c 'from bench.recall import ask; print(ask())'."""
    with tempfile.TemporaryDirectory() as root, Recall(Layout(root)) as recall:
        recall.add(_many(count))
        wanted = {
            "lane": Wanted(lane="lane-77"),
            "actor": Wanted(actor="agent:a5"),
            "repo": Wanted(repo="repo-42"),
            "search": Wanted(words=("lane-77", "ff-only")),
            "search, nothing": Wanted(words=("lane-77", "nowhere")),
            "search, common": Wanted(words=("ff-only",)),
            "timeline": Wanted(since=1_000_000, until=2_000_000),
            "timeline of an actor": Wanted(actor="agent:a5", until=2_000_000),
        }
        times = []
        for name, query in wanted.items():
            started = time.perf_counter()
            recall.find(query, limit=50)
            times.append((name, time.perf_counter() - started))
        return times


def _many(count: int) -> Any:
    for seq in range(1, count + 1):
        second = seq // 100
        yield {
            "version": 1,
            "event_id": f"{seq * 0x9E3779B97F4A7C15 % (1 << 64):016x}",
            "seq": seq,
            "timestamp": f"1970-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z",
            "type": "sync.repo_updated",
            "workspace": "shop",
            "actor": f"agent:a{seq % 10}",
            "owner_unit": "alpha",
            "repo": f"repo-{seq % 100}",
            "lane_name": f"lane-{seq % 1000}",
            "strategy": "ff-only",
        }
