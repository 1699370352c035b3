"""Events about lifecycle hooks."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class HookStarted(Event):
    """A hook is about to run. Its output is kept under this event's id."""

    TYPE: ClassVar[str] = "hook.started"

    stage: str
    hook_name: str
    repo: str
    command: str
    cwd: str


@dataclass(frozen=True, kw_only=True)
class HookCompleted(Event):
    """A hook ended with exit code 0."""

    TYPE: ClassVar[str] = "hook.completed"

    stage: str
    hook_name: str
    repo: str
    duration_ms: int
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class HookFailed(Event):
    """A hook failed; `on_failure` says what that meant. `stderr_tail` is at most 500 bytes."""

    TYPE: ClassVar[str] = "hook.failed"

    stage: str
    hook_name: str
    repo: str
    duration_ms: int
    exit_code: int
    on_failure: str
    stderr_tail: str


@dataclass(frozen=True, kw_only=True)
class HookSkipped(Event):
    """A hook that could have run did not, for `reason`."""

    TYPE: ClassVar[str] = "hook.skipped"

    stage: str
    hook_name: str
    repo: str
    reason: str
