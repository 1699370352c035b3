"""What every operation is made of and answers with: issues, operations, results, and their exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, ClassVar

from gr2.errors import Gr2Error
from gr2.model.records import dataclass


class Status(StrEnum):
    """The status of a command's document (contract, page 1)."""

    OK = "ok"
    SUCCESS = "success"
    READY = "ready"
    ATTENTION = "attention"
    FAILED = "failed"
    INVALID = "invalid"
    BLOCKED = "blocked"
    PARTIAL_FAILURE = "partial_failure"
    PENDING = "pending"
    INTERRUPTED = "interrupted"
    INTERNAL_ERROR = "internal_error"


EXIT_CODES: Mapping[Status, int] = {
    Status.OK: 0,
    Status.SUCCESS: 0,
    Status.READY: 0,
    Status.ATTENTION: 0,
    Status.FAILED: 1,
    Status.INVALID: 2,
    Status.BLOCKED: 3,
    Status.PARTIAL_FAILURE: 4,
    Status.PENDING: 8,
    Status.INTERRUPTED: 130,
    Status.INTERNAL_ERROR: 70,
}


class Scope(StrEnum):
    """What an issue is about."""

    WORKSPACE = "workspace"
    REPO = "repo"
    UNIT = "unit"
    LANE = "lane"
    LEASE = "lease"
    PLATFORM = "platform"
    PLUGIN = "plugin"
    HOOK = "hook"
    EVENT = "event"
    GATE = "gate"


@dataclass(frozen=True, kw_only=True)
class Issue:
    """Something planning or running found. `message` is one lower-case sentence without a final period;
    `hint` is what to type next, or "" if nothing helps."""

    code: str
    scope: str
    subject: str
    message: str
    hint: str = ""
    blocking: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_error(cls, error: Gr2Error, *, blocking: bool = True) -> Issue:
        """The issue that tells the same facts as `error`."""
        return cls(
            code=error.code,
            scope=error.scope,
            subject=error.subject,
            message=error.message,
            hint=error.hint,
            blocking=blocking,
            details=error.details,
        )


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing done, or to be done, to one place. `path` is relative to the workspace, "" when it has none."""

    kind: str
    scope: str = "shared"
    repo: str = ""
    unit: str = ""
    lane: str = ""
    path: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def with_details(self, **details: Any) -> Operation:
        """The same operation, with `details` added to its own."""
        return replace(self, details={**self.details, **details})


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an op returns. A subclass adds fields; JSON shows them under their own names.

    shows_issues: its text tells its issues itself, so that they need not be repeated.
    """

    shows_issues: ClassVar[bool] = False

    status: Status
    issues: tuple[Issue, ...] = ()

    @property
    def exit_code(self) -> int:
        """The process exit code of the contract for this status."""
        return EXIT_CODES[self.status]


@dataclass(frozen=True, kw_only=True)
class MutationResult(Result):
    """The result of a command that may change something. `operation_id` is None when it was refused before starting;
    `signum` is the signal that interrupted it."""

    operation_id: str | None = None
    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the signal for an interrupted command, else the status's code."""
        if self.status is Status.INTERRUPTED and self.signum:
            return 128 + self.signum
        return EXIT_CODES[self.status]


@dataclass(frozen=True, kw_only=True)
class Refusal(MutationResult):
    """A command that was refused or failed before it had a result of its own."""


def read_status(issues: Iterable[Issue]) -> Status:
    """The status of a read: `attention` when a person should look at something, else `ok`."""
    return Status.ATTENTION if any(True for _ in issues) else Status.OK


def plan_status(issues: Iterable[Issue]) -> Status:
    """The status of a plan: `blocked` by any blocking issue, `attention` for others, else `ready`."""
    found = tuple(issues)
    if any(issue.blocking for issue in found):
        return Status.BLOCKED
    return Status.ATTENTION if found else Status.READY


def run_status(*, completed: int, failed: int, blocked: int, issues: Iterable[Issue]) -> Status:
    """The status of a run over several repositories, from how many operations ended which way."""
    if failed or blocked:
        if completed:
            return Status.PARTIAL_FAILURE
        return Status.FAILED if failed else Status.BLOCKED
    return Status.ATTENTION if any(True for _ in issues) else Status.SUCCESS


@dataclass(frozen=True, kw_only=True)
class StreamedResult(Result):
    """The end of a stream, whose lines were printed as they came: nothing more belongs on stdout."""
