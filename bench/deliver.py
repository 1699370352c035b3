"""Delivering 100,000 events to a sink that does nothing, against reading the same file with json.loads."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.emit import emit
from gr2.edges.git import Git
from gr2.edges.process import Runner
from gr2.ops.deliver import events_deliver
from gr2.plugin.index import Plugin, Provided
from gr2.plugin.manager import Plugins
from gr2.plugin.protocols import Delivery
from gr2.session import Asked, Session
from gr2.store.settings import Settings

EVENTS = 100_000
ROUNDS = 3
LIMIT = 2.0


class Null:
    """Takes everything and forgets it."""

    batch_size = 500

    def __init__(self, ctx: object) -> None:
        pass

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Nothing is easier."""
        return Delivery(accepted=len(events))

    def close(self) -> None:
        """There is nothing to close."""


def session(root: str) -> Session:
    """A session whose only plugin is the null sink."""
    plugin = Plugin(
        name="null",
        target="bench.deliver",
        distribution="bench",
        version="1",
        state="ok",
        provides=(Provided(family="sink", name="null", path="bench.deliver:Null"),),
        settings={},
        api=1,
    )
    plugins = Plugins(installed=lambda: (plugin,), prefer={}, config={}, warn=lambda line: None)
    runner = Runner()
    return Session(
        root=root,
        actor="system",
        asked=Asked(cwd=root),
        settings=Settings(),
        runner=runner,
        git=Git(runner, dict(os.environ)),
        plugins=plugins,
    )


def _bare(root: str) -> float:
    started = time.perf_counter()
    with open(os.path.join(root, ".grip/events/outbox.jsonl"), "rb") as file:
        for line in file:
            json.loads(line)
    return time.perf_counter() - started


def _ours(root: str) -> float:
    started = time.perf_counter()
    result = events_deliver(session(root), ("null",), place="start")
    elapsed = time.perf_counter() - started
    assert result.sinks[0].delivered == EVENTS
    return elapsed


def run() -> list[dict[str, Any]]:
    """Both over one file of 100,000 events."""
    with tempfile.TemporaryDirectory() as root:
        emit(root, EVENTS)
        with open(os.path.join(root, ".grip/workspace_spec.toml"), "w", encoding="utf-8") as file:
            file.write('workspace_name = "bench"\n')
        pairs = [(_ours(root), _bare(root)) for _ in range(ROUNDS)]
    ours, base = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [{"name": "deliver, 100,000 events", "ours": ours, "base": base, "ratio": ours / base, "limit": LIMIT}]
