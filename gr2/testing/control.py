"""Time and identifiers that a test decides."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta

from gr2.edges.clock import Clock, Ids

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ControlledClock(Clock):
    """A clock that stands still until it is told. It begins at 2026-01-02 03:04:05 UTC."""

    def __init__(self) -> None:
        self._wall = START
        self._monotonic = 1000.0
        self._boot = 1

    def now(self) -> datetime:
        """The wall time, in UTC."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds that only `advance` and `sleep` move."""
        return self._monotonic

    def boot_id(self) -> str:
        """Changes with each `reboot`."""
        return f"boot-{self._boot}"

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds` without waiting for them (a moment is left to other threads and processes)."""
        self.advance(seconds)
        time.sleep(min(seconds, 0.002))

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wall time and monotonic time move together."""
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as a person or NTP would; `seconds` may be negative."""
        self._wall += timedelta(seconds=seconds)

    def reboot(self) -> None:
        """Another boot: the boot id changes and monotonic time begins anew; wall time stays."""
        self._boot += 1
        self._monotonic = 0.0


class SeededIds(Ids):
    """Identifiers that are the same in every run with the same `seed`, and never the same twice in one."""

    def __init__(self, seed: str = "gr2") -> None:
        self._seed = seed
        self._count = 0

    def hex(self, digits: int) -> str:
        """The next `digits` hexadecimal digits (at most 64)."""
        self._count += 1
        return hashlib.sha256(f"{self._seed}:{self._count}".encode()).hexdigest()[:digits]
