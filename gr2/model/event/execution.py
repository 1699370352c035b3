"""Events about `exec run`."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class ExecStarted(Event):
    """A command is about to run in the lane's checkouts. `command` is its argument vector."""

    TYPE: ClassVar[str] = "exec.started"

    lane_name: str
    repos: tuple[str, ...]
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExecCompleted(Event):
    """The command ended with exit code 0 in every repo."""

    TYPE: ClassVar[str] = "exec.completed"

    lane_name: str
    repos: tuple[str, ...]
    repos_failed: tuple[str, ...]
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class ExecFailed(Event):
    """The command failed in `repos_failed`, or was not started everywhere."""

    TYPE: ClassVar[str] = "exec.failed"

    lane_name: str
    repos: tuple[str, ...]
    repos_failed: tuple[str, ...]
    duration_ms: int
