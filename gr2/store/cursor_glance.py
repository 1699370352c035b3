"""A cheap look at the consumers: nearly always all of them have read the log to its end, and then neither the log nor
the code that reads it is needed to know that they fit."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from gr2.errors import Failed
from gr2.store.layout import Layout
from gr2.store.state_file import read_state

_TAIL = 1 << 14


def all_at_end(layout: Layout) -> bool:
    """Whether every cursor stands at the last event of the log. False also when a look at its last line cannot tell."""
    folder = os.path.join(layout.events, "cursors")
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
        cursors = {name.removesuffix(".json"): read_state(os.path.join(folder, name), version=1) for name in names}
        last = _last_line(layout.outbox) if cursors else {}
    except FileNotFoundError as error:
        return bool(error.filename == folder)
    except (Failed, OSError, ValueError, RecursionError):
        return False
    return all(
        isinstance(cursor, dict)
        and isinstance(last, dict)
        and cursor.get("consumer") == name
        and cursor.get("last_seq") == last.get("seq")
        and cursor.get("last_event_id") == last.get("event_id")
        for name, cursor in cursors.items()
    )


def _last_line(path: str) -> Any:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        tail = os.pread(descriptor, _TAIL, max(0, found.st_size - _TAIL))
    finally:
        os.close(descriptor)
    return json.loads(tail[tail.rfind(b"\n", 0, -1) + 1 :]) if tail.endswith(b"\n") else None
