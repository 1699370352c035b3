"""`gr2 verify`: whether the gates of a lane's repos let its work pass."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gr2.api import Change, GateRun, GatesRun, Invalid, Issue, MutationResult, Option, PluginCommand, Session, Status

_SHOWN_LINES = 15


@dataclass(frozen=True, kw_only=True)
class VerifyResult(MutationResult):
    """The gates, in the order of the lane's repos and of their hooks files."""

    gates: tuple[GateRun, ...] = ()


def verify(
    session: Session,
    mutation: Change,
    *,
    repo: tuple[str, ...],
    gate: tuple[str, ...],
    jobs: int,
    fail_fast: bool,
    keep_going: bool,
    trust_hooks: bool,
) -> VerifyResult:
    """Run the gates of the lane that the mutation is about. All passed: success; some: partial_failure; none: failed,
    or blocked when none could run. Raises what `Change.run_gates` does, and Invalid `usage`."""
    del session
    if jobs < 1:
        raise Invalid("usage", "--jobs is 1 or more", scope="gate", subject=str(jobs))
    if fail_fast and keep_going:
        raise Invalid("usage", "--fail-fast and --keep-going exclude each other", scope="gate")
    found = mutation.run_gates(repos=repo, gates=gate, jobs=jobs, fail_fast=fail_fast, trust_hooks=trust_hooks)
    issues = tuple(_with_hint(issue, found.lane, trust_hooks) for issue in found.issues)
    if not found.gates and not issues:
        issues = (_no_gates(found.lane),)
    return VerifyResult(
        status=_status(found),
        issues=issues,
        operation_id=mutation.operation_id,
        signum=found.signum,
        gates=found.gates,
    )


def _with_hint(issue: Issue, lane: str, trust_hooks: bool) -> Issue:
    if issue.code != "gate_failed":
        return issue
    repo, gate = str(issue.details["repo"]), str(issue.details["gate"])
    words = ["gr2", "verify", lane, "--repo", repo, "--gate", gate, *(["--trust-hooks"] if trust_hooks else [])]
    return replace(issue, hint=shlex.join(words))


def _no_gates(lane: str) -> Issue:
    return Issue(
        code="no_gates",
        scope="gate",
        subject=lane,
        message=f"nothing was verified: the hooks files of {lane} name no gates",
        hint="add [[gates]] to the .gr2/hooks.toml of a repo",
        blocking=False,
    )


def _status(found: GatesRun) -> Status:
    results = {row.result for row in found.gates}
    if found.signum:
        return Status.INTERRUPTED
    if any(issue.code == "lease_lost" for issue in found.issues):
        return Status.FAILED
    if any(issue.blocking for issue in found.issues):
        if "passed" in results:
            return Status.PARTIAL_FAILURE
        return Status.FAILED if "failed" in results else Status.BLOCKED
    return Status.SUCCESS if results else Status.ATTENTION


def _show(result: VerifyResult, screen: Any) -> None:
    if result.gates:
        screen.table(("REPO", "GATE", "RESULT", "TIME", ""), [_row(row) for row in result.gates])
    for row in result.gates:
        if row.result == "failed":
            screen.line()
            screen.line(f"{row.repo} {row.gate}: {row.command}")
            for line in _last_lines(row):
                screen.line(f"  {line}")
            if row.output_path:
                screen.line(f"  all of it: {row.output_path}.stdout and .stderr")


def _row(row: GateRun) -> tuple[str, ...]:
    time = f"{row.duration_ms / 1000:.1f} s" if row.exit_code is not None else ""
    return row.repo, row.gate, row.result, time, row.reason


def _last_lines(row: GateRun) -> Iterator[str]:
    for tail in (row.stdout_tail, row.stderr_tail):
        yield from tail.expandtabs().splitlines()[-_SHOWN_LINES:]


COMMAND = PluginCommand(
    name="verify",
    help="Run the gates of a lane's repos: the checks that their hooks files name.",
    run=verify,
    text=_show,
    params=(
        Option(name="repo", many=True, help="Only this repo's (repeatable)."),
        Option(name="gate", many=True, help="Only gates of this name (repeatable)."),
        Option(name="jobs", kind="integer", default=1, help="Repos at once [default: 1]."),
        Option(name="fail-fast", kind="flag", help="Start nothing after a failure."),
        Option(name="keep-going", kind="flag", help="Run all of them, whatever fails (the default)."),
        Option(name="trust-hooks", kind="flag", help="Approve the repos' hooks files for this run."),
    ),
    operation="verify",
    of_lane=True,
)
