"""Events about verification commands."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class GatePassed(Event):
    """A gate ended with exit code 0."""

    TYPE: ClassVar[str] = "gate.passed"

    lane_name: str
    repo: str
    gate: str
    command: str
    exit_code: int
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class GateFailed(Event):
    """A gate did not pass."""

    TYPE: ClassVar[str] = "gate.failed"

    lane_name: str
    repo: str
    gate: str
    command: str
    exit_code: int
    duration_ms: int
