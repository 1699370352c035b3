"""Which lifecycle hooks completed in which checkout, so that "the first time" survives crashes.

One small state file a checkout, under `.grip/state/hooks/`; the checkout's path names it.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from gr2.edges.locks import FileLock
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

VERSION = 1


def completed(layout: Layout, checkout: str, *, stage: str, hook_name: str) -> bool:
    """Whether the hook completed (or was counted as completed) in the workspace-relative `checkout`."""
    return [stage, hook_name] in _read(layout, checkout)["completed"]


def mark_completed(layout: Layout, checkout: str, *, stage: str, hook_name: str) -> None:
    """Record that the hook completed in the workspace-relative `checkout`. Doing it again changes nothing."""
    _add(layout, checkout, "completed", [stage, hook_name])


def count_once(layout: Layout, checkout: str, *, stage: str, hook_name: str) -> None:
    """Count the hook as completed one time: it is `completed`, and its next run is passed over by `take_pass`."""
    mark_completed(layout, checkout, stage=stage, hook_name=hook_name)
    _add(layout, checkout, "passes", [stage, hook_name])


def take_pass(layout: Layout, checkout: str, *, stage: str, hook_name: str) -> bool:
    """Whether this run of the hook is to be passed over; it says so once for each `count_once`."""
    entry = [stage, hook_name]
    if entry not in _read(layout, checkout)["passes"]:
        return False
    with FileLock(layout.lock("hook_state"), wait=10.0):
        found = _read(layout, checkout)
        if entry not in found["passes"]:
            return False
        found["passes"].remove(entry)
        write_state(_path(layout, checkout), found, version=VERSION)
    return True


def forget(layout: Layout, checkout: str) -> None:
    """Forget what completed in `checkout`, for when it is made anew. Nothing known is fine."""
    try:
        os.unlink(_path(layout, checkout))
    except FileNotFoundError:
        return


def _path(layout: Layout, checkout: str) -> str:
    digest = hashlib.sha256(os.fsencode(checkout)).hexdigest()[:32]
    return os.path.join(layout.state, "hooks", f"{digest}.json")


def _read(layout: Layout, checkout: str) -> dict[str, Any]:
    found = read_state(_path(layout, checkout), version=VERSION) or {}
    lists = {name: [list(entry) for entry in found.get(name, [])] for name in ("completed", "passes")}
    return {"checkout": checkout, **lists}


def _add(layout: Layout, checkout: str, name: str, entry: list[str]) -> None:
    with FileLock(layout.lock("hook_state"), wait=10.0):
        found = _read(layout, checkout)
        if entry not in found[name]:
            found[name].append(entry)
            write_state(_path(layout, checkout), found, version=VERSION)
