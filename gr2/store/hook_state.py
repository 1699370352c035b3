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


def note_run(layout: Layout, checkout: str, run_id: str, how: str) -> None:
    """Note that the run `run_id` of a hook in `checkout` is `how`: running, failed or ended."""
    with FileLock(layout.lock("hook_state"), wait=10.0):
        found = _read(layout, checkout)
        write_state(_path(layout, checkout), {**found, "last": f"{how} {run_id}"}, version=VERSION)


def note_completed(layout: Layout, checkout: str, run_id: str, *, stage: str, hook_name: str) -> None:
    """Record that the hook completed in its run `run_id`, both with one rename."""
    with FileLock(layout.lock("hook_state"), wait=10.0):
        found = _read(layout, checkout)
        entry = [stage, hook_name]
        done = found["completed"] if entry in found["completed"] else [*found["completed"], entry]
        written = {**found, "completed": done, "last": f"completed {run_id}"}
        write_state(_path(layout, checkout), written, version=VERSION)


def run_note(run_id: str, how: str) -> str:
    """The text that `state_path` holds while the last run is `run_id`, and `how` it stands."""
    return f'"last": "{how} {run_id}"'


def state_path(layout: Layout, checkout: str) -> str:
    """The state file of `checkout`."""
    return _path(layout, checkout)


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
    return {"checkout": checkout, "last": str(found.get("last", "")), **lists}


def _add(layout: Layout, checkout: str, name: str, entry: list[str]) -> None:
    with FileLock(layout.lock("hook_state"), wait=10.0):
        found = _read(layout, checkout)
        if entry not in found[name]:
            found[name].append(entry)
            write_state(_path(layout, checkout), found, version=VERSION)
