"""What is known of gates that ran: the answer of `mutation.run_gates` in a plugin's command."""

from __future__ import annotations

from typing import Literal

from gr2.model.outcome import Issue
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class GateRun:
    """How one gate of a repo ended.

    exit_code: None when it did not run; 124 timed out, 127 not found, 128+n by signal n. reason: why it did not run
    (untrusted, not_started, interrupted, lease_lost), or how it failed, as the rest of a sentence. All that was kept
    of its output is in the files `output_path` + `.stdout` and `.stderr` ("" when there is none); the tails are of at
    most 4,000 characters.
    """

    repo: str
    gate: str
    command: str
    exit_code: int | None = None
    duration_ms: int = 0
    result: Literal["passed", "failed", "skipped"] = "skipped"
    reason: str = ""
    output_path: str = ""
    stdout_tail: str = ""
    stderr_tail: str = ""


@dataclass(frozen=True, kw_only=True)
class GatesRun:
    """The gates of a lane, in the order of its repos and of their hooks files.

    lane: "unit/lane". issues: `gate_failed` for each gate that did not pass (without a hint), and what kept others from
    running: `untrusted_hooks`, `invalid_hooks`, `not_materialized`, `lease_lost`. signum: of the signal that
    interrupted it.
    """

    lane: str
    gates: tuple[GateRun, ...] = ()
    issues: tuple[Issue, ...] = ()
    signum: int | None = None
