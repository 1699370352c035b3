"""Events that a blocking hook failure keeps back: they are told when the same work succeeds.

`.grip/state/withheld.json` maps a key ("apply", "lane:<unit>/<lane>") to announced events.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gr2.edges.locks import FileLock
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

VERSION = 1


def withhold(layout: Layout, key: str, entries: Sequence[dict[str, Any]]) -> None:
    """Keep `entries` (each with an `event_id`) under `key`, beside those kept there before."""
    with FileLock(layout.lock("withheld"), wait=10.0):
        found = _read(layout)
        known = {entry["event_id"] for entry in found.get(key, ())}
        found[key] = [*found.get(key, ()), *(entry for entry in entries if entry["event_id"] not in known)]
        write_state(_path(layout), {"events": found}, version=VERSION)


def withheld(layout: Layout, key: str) -> list[dict[str, Any]]:
    """What is kept under `key`."""
    return _read(layout).get(key, [])


def withheld_ids(layout: Layout) -> frozenset[str]:
    """The ids of all events that are kept back."""
    if not os.path.exists(_path(layout)):
        return frozenset()
    return frozenset(entry["event_id"] for entries in _read(layout).values() for entry in entries)


def forget_withheld(layout: Layout, key: str) -> None:
    """Forget what is kept under `key`: it was told."""
    if not os.path.exists(_path(layout)):
        return
    with FileLock(layout.lock("withheld"), wait=10.0):
        found = _read(layout)
        if found.pop(key, None) is not None:
            write_state(_path(layout), {"events": found}, version=VERSION)


def _path(layout: Layout) -> str:
    return os.path.join(layout.state, "withheld.json")


def _read(layout: Layout) -> dict[str, list[dict[str, Any]]]:
    found = (read_state(_path(layout), version=VERSION) or {}).get("events", {})
    return {str(key): list(entries) for key, entries in found.items()}
