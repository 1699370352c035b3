"""Appending events, against a bare loop that takes a lock and appends a line."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from gr2.edges.clock import Clock, Ids
from gr2.model.event.base import Context
from gr2.model.event.sync import SyncRepoUpdated
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox

LIMIT = 1 / 0.3
ROUNDS = 7
EVENT = SyncRepoUpdated(
    repo="app",
    scope="shared",
    lane_name="",
    branch="main",
    old_sha="0" * 40,
    new_sha="1" * 40,
    strategy="ff-only",
    commits_pulled=3,
)
CONTEXT = Context(workspace="shop", actor="agent:ada", owner_unit="alpha", operation_id="op_0123456789ab")


def emit(root: str, count: int) -> None:
    """Append `count` events with the public call."""
    with Outbox(Layout(root), clock=Clock(), ids=Ids(), max_bytes=1 << 40) as outbox:
        for _ in range(count):
            outbox.emit(EVENT, CONTEXT)


def bare(root: str, count: int) -> None:
    """Append `count` lines of the same content, with a lock around each and nothing else."""
    lock = os.open(os.path.join(root, "bare.lock"), os.O_RDWR | os.O_CREAT)
    log = os.open(os.path.join(root, "bare.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    said = {
        "version": 1,
        "event_id": "0" * 16,
        "seq": 1,
        "timestamp": "2026-01-01T00:00:00.000000+00:00",
        "type": EVENT.TYPE,
    }
    said |= {"workspace": "shop", "actor": "agent:ada", "owner_unit": "alpha", "operation_id": "op_0123456789ab"}
    for _ in range(count):
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(log, json.dumps(said | EVENT.payload()).encode() + b"\n")
        fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    os.close(log)


def _together(work: Callable[[str, int], None], root: str, processes: int, count: int) -> float:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(processes + 1)

    def run() -> None:
        gate.wait()
        work(root, count)

    children = [context.Process(target=run) for _ in range(processes)]
    for child in children:
        child.start()
    gate.wait()
    started = time.perf_counter()
    for child in children:
        child.join()
    return time.perf_counter() - started


def _alone(work: Callable[[str, int], None], root: str, count: int) -> float:
    started = time.perf_counter()
    work(root, count)
    return time.perf_counter() - started


def _row(name: str, measure: Callable[[Callable[[str, int], None], str], float], *, prefill: int = 0) -> dict[str, Any]:
    ours, base = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as root:
            if prefill:
                emit(root, prefill)
            base.append(measure(bare, root))
            ours.append(measure(emit, root))
    ratio = statistics.median(ours) / statistics.median(base)
    return {
        "name": name,
        "ours": statistics.median(ours),
        "base": statistics.median(base),
        "ratio": ratio,
        "limit": LIMIT,
    }


def run() -> list[dict[str, Any]]:
    """One process on an empty log and on one of 10 MB, and 8 processes at once."""
    return [
        _row("emit, 1 process, 5000 events", lambda work, root: _alone(work, root, 5000)),
        _row("emit, 1 process, 5000 events after 10 MB", lambda work, root: _alone(work, root, 5000), prefill=25000),
        _row("emit, 8 processes, 1000 events each", lambda work, root: _together(work, root, 8, 1000)),
    ]
