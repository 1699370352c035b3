"""`exec run` and `exec status`: one command in the checkouts of a lane, of a unit, or in the shared ones."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING

from gr2.edges.process import Command, Completed
from gr2.errors import Gr2Error, Interrupted, Invalid
from gr2.model.checkout import Checkout
from gr2.model.event.execution import ExecCompleted, ExecFailed, ExecStarted
from gr2.model.hints import quoted
from gr2.model.lane import REVIEW_KIND, Lane
from gr2.model.outcome import Issue, MutationResult, Operation, Result, Status, plan_status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import lane_checkouts, shared_checkouts, unit_checkouts
from gr2.ops.context import lane_of, select_repos, unit_of, unknown
from gr2.ops.environment import bare_environment, callers_environment, gr2_variables
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.mutation import Mutation, mutation
from gr2.ops.required_plugins import required_plugins
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.model.lease import Lease
    from gr2.ops.lease import Held

TAIL_CHARACTERS = 4000
_LINE_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ExecRequest:
    """What to run and where. `place` is "lane", "shared" or "unit"; `timeout` is in seconds for each checkout."""

    argv: tuple[str, ...] = ()
    lane: str = ""
    place: str = "lane"
    repos: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    jobs: int = 1
    fail_fast: bool = False
    timeout: float | None = None
    stream: bool = False


@dataclass(frozen=True, kw_only=True)
class ExecOutcome:
    """How the command ended in one checkout. 124 timed out, 127 not found, 128+n by signal n. Tails are of at most
    4,000 characters."""

    repo: str
    cwd: str
    exit_code: int
    duration_ms: int
    timed_out: bool
    stdout_tail: str
    stderr_tail: str


@dataclass(frozen=True, kw_only=True)
class ExecRunResult(MutationResult):
    """Results in declared order; `unaffected` are checkouts where the command was not started."""

    results: tuple[ExecOutcome, ...] = ()
    unaffected: tuple[Operation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExecStatusResult(Result):
    """What `exec run` would do, and what stands in its way."""

    operations: tuple[Operation, ...] = ()


@dataclass
class _Target:
    """Where a command runs."""

    checkouts: list[Checkout]
    unit: Unit | None = None
    lane: Lane | None = None
    issues: list[Issue] = field(default_factory=list)

    @property
    def unit_name(self) -> str:
        return self.unit.name if self.unit else ""

    @property
    def lane_name(self) -> str:
        return self.lane.name if self.lane else ""


def exec_status(session: Session, request: ExecRequest) -> ExecStatusResult:
    """The checkouts `exec run` would use, and everything that would block it. Writes nothing."""
    target = _target(session, request)
    issues = [*required_plugins(session), *target.issues]
    if target.lane is not None:
        try:
            _check(session, target)
        except Gr2Error as error:
            issues.append(Issue.from_error(error))
    operations = tuple(_operation(item) for item in target.checkouts)
    return ExecStatusResult(status=plan_status(issues), issues=tuple(issues), operations=operations)


def exec_run(session: Session, request: ExecRequest) -> ExecRunResult:
    """Run the command without a shell in each checkout, `jobs` at a time, under an exec lease on the lane.

    Its output goes to the session's progress as whole lines. All exit 0: success; some: partial_failure; all failed:
    failed. Raises Blocked `lane_frozen`, `lease_conflict`, Invalid `unknown_repo`.
    """
    if not request.argv:
        raise Invalid("usage", "nothing to run", hint="gr2 exec run -- CMD")
    target = _target(session, request)
    names = tuple(checkout.repo for checkout in target.checkouts)
    unit, lane = target.unit_name, target.lane_name
    with mutation(session, "exec.run", unit=unit, lane=lane, repos=names, lock=None, markers=False) as run:
        if target.issues:
            return ExecRunResult(status=Status.BLOCKED, issues=tuple(target.issues), operation_id=None)
        _check_frozen(target)
        return _Execution(run, request, target).result()


def _check(session: Session, target: _Target) -> None:
    from gr2.ops.lease import check

    _check_frozen(target)
    check(session, target.unit_name, target.lane_name, mode="exec")


def _check_frozen(target: _Target) -> None:
    if target.lane is not None:
        refuse_frozen(target.lane)


def _target(session: Session, request: ExecRequest) -> _Target:
    if request.place == "shared":
        found = _Target(shared_checkouts(session.spec.repos))
    elif request.place == "unit":
        unit = unit_of(session)
        found = _Target(unit_checkouts(unit), unit=unit)
    else:
        unit, lane = lane_of(session, request.lane)
        found = _Target(lane_checkouts(unit, lane), unit=unit, lane=lane)
    _select(session, request, found)
    for checkout in found.checkouts:
        if not _exists(session, checkout):
            found.issues.append(_missing(checkout))
    return found


def _select(session: Session, request: ExecRequest, found: _Target) -> None:
    if not request.repos and not request.groups:
        return
    chosen = {repo.name for repo in select_repos(session, request.repos, request.groups)}
    here = {checkout.repo for checkout in found.checkouts}
    for name in request.repos:
        if name not in here:
            raise unknown("repo", name, here, hint="gr2 exec status")
    found.checkouts = [checkout for checkout in found.checkouts if checkout.repo in chosen]


def _exists(session: Session, checkout: Checkout) -> bool:
    import os

    return os.path.isdir(session.layout.at(checkout.path))


def _missing(checkout: Checkout) -> Issue:
    return Issue(
        code="not_materialized",
        scope="repo",
        subject=checkout.repo,
        message=f"{checkout.path} is not there yet",
        hint="gr2 apply",
    )


def _operation(checkout: Checkout) -> Operation:
    return Operation(
        kind="exec.run",
        scope=checkout.scope,
        repo=checkout.repo,
        unit=checkout.unit,
        lane=checkout.lane,
        path=checkout.path,
    )


class _Execution:
    """One run of a command over several checkouts."""

    def __init__(self, run: Mutation, request: ExecRequest, target: _Target) -> None:
        self.run = run
        self.session = run.session
        self.request = request
        self.target = target
        self.done: dict[int, Completed] = {}
        self.held: Held | None = None
        self.lost = threading.Event()

    def result(self) -> ExecRunResult:
        """Hold the lease, run, tell."""
        signum = None
        with ExitStack() as stack:
            if self.target.lane is not None:
                from gr2.ops.lease import held

                where = (self.target.unit_name, self.target.lane_name)
                lease = held(self.session, self.run, *where, mode="exec", on_lost=self._lose)
                self.held = stack.enter_context(lease)
            started = self.session.clock.monotonic()
            names = tuple(checkout.repo for checkout in self.target.checkouts)
            event = ExecStarted(lane_name=self.target.lane_name, repos=names, command=self.request.argv)
            self.run.emit(event, unit=self.target.unit_name)
            try:
                self._run_all()
            except Interrupted as error:
                signum = error.signum
            self._tell(names, round((self.session.clock.monotonic() - started) * 1000))
        return self._result(None if self.lost.is_set() else signum)

    def _lose(self) -> None:
        self.lost.set()
        self.session.runner.cancellation.trip(signal.SIGTERM)

    def _run_all(self) -> None:
        outputs = [_Lines(self.session, checkout.repo) for checkout in self.target.checkouts]
        # Not through the door: the command is the user's own, in the user's own environment.
        runner = self.session.runner
        ended = runner.run_many(self._commands(outputs), jobs=self.request.jobs, to_the_end=True)
        for index, completed in ended:
            outputs[index].finish()
            self.done[index] = completed
            if completed.exit_code == 127 and not completed.stdout:
                self.session.progress.output(self.target.checkouts[index].repo, "stderr", completed.stderr)

    def _commands(self, outputs: list[_Lines]) -> Iterator[Command]:
        for checkout, output in zip(self.target.checkouts, outputs, strict=True):
            if self.request.fail_fast and any(completed.exit_code for completed in self.done.values()):
                return
            yield Command(
                argv=self.request.argv,
                cwd=self.session.layout.at(checkout.path),
                env=self._environment(checkout),
                timeout=self.request.timeout,
                head=0,
                tail=TAIL_CHARACTERS * 4,
                listener=output.add,
                tie=True,
            )

    def _environment(self, checkout: Checkout) -> dict[str, str]:
        lane = self.target.lane
        variables = gr2_variables(
            self.session,
            operation_id=self.run.operation_id,
            repo=checkout.repo,
            unit=checkout.unit,
            lane=checkout.lane,
            port_base=lane.port_base if lane else 0,
        )
        reviewing = lane is not None and lane.kind == REVIEW_KIND
        return (bare_environment if reviewing else callers_environment)(self.session, variables)

    def _tell(self, names: tuple[str, ...], duration_ms: int) -> None:
        checkouts = self.target.checkouts
        failed = tuple(checkouts[index].repo for index in sorted(self.done) if self.done[index].exit_code)
        event_type = ExecFailed if failed or len(self.done) < len(checkouts) else ExecCompleted
        event = event_type(lane_name=self.target.lane_name, repos=names, repos_failed=failed, duration_ms=duration_ms)
        self.run.emit(event, unit=self.target.unit_name)

    def _result(self, signum: int | None) -> ExecRunResult:
        checkouts = self.target.checkouts
        results = tuple(_outcome(checkouts[index], self.done[index]) for index in sorted(self.done))
        return ExecRunResult(
            status=self._status(signum),
            signum=signum,
            issues=self._issues(),
            operation_id=self.run.operation_id,
            results=results,
            unaffected=tuple(_operation(item) for index, item in enumerate(checkouts) if index not in self.done),
        )

    def _status(self, signum: int | None) -> Status:
        codes = [completed.exit_code for completed in self.done.values()]
        if self.lost.is_set():
            return Status.FAILED
        if signum is not None:
            return Status.INTERRUPTED
        if not any(codes) and len(codes) == len(self.target.checkouts):
            return Status.SUCCESS
        return Status.PARTIAL_FAILURE if 0 in codes else Status.FAILED

    def _issues(self) -> tuple[Issue, ...]:
        issues = []
        if self.lost.is_set() and self.held is not None:
            issues.append(_lease_lost(self.held.lease))
        for index, completed in sorted(self.done.items()):
            if completed.exit_code:
                issues.append(_failure(self.target.checkouts[index], completed, self.request))
        return tuple(issues)


def _lease_lost(lease: Lease) -> Issue:
    lane = f"{lease.owner_unit}/{lease.lane_name}"
    return Issue(
        code="lease_lost",
        scope="lease",
        subject=lane,
        message=f"the lease of {lane} was lost while the command ran; it was ended",
        hint=f"gr2 lane lease show {quoted(lane)}",
        details={"lease_id": lease.lease_id, "mode": lease.mode, "token": lease.token},
    )


def _failure(checkout: Checkout, completed: Completed, request: ExecRequest) -> Issue:
    code = completed.exit_code
    reason = f"ended with {code}"
    if completed.timed_out:
        reason = f"took longer than {request.timeout:g} s"
    elif code == 127:
        reason = "was not found"
    elif code > 128:
        reason = f"was ended by signal {code - 128}"
    return Issue(
        code="exec_failed",
        scope="repo",
        subject=checkout.repo,
        message=f"{request.argv[0]} {reason} in {checkout.repo}",
        details={"exit_code": code, "path": checkout.path},
    )


def _outcome(checkout: Checkout, completed: Completed) -> ExecOutcome:
    return ExecOutcome(
        repo=checkout.repo,
        cwd=checkout.path,
        exit_code=completed.exit_code,
        duration_ms=completed.duration_ms,
        timed_out=completed.timed_out,
        stdout_tail=_tail(completed.stdout),
        stderr_tail=_tail(completed.stderr),
    )


def _tail(data: bytes) -> str:
    return data.decode(errors="replace")[-TAIL_CHARACTERS:]


class _Lines:
    """Cuts a child's output into whole lines, so that lines of several children never mix."""

    def __init__(self, session: Session, subject: str) -> None:
        self._progress = session.progress
        self._subject = subject
        self._rest = {"stdout": b"", "stderr": b""}

    def add(self, stream: str, data: bytes) -> None:
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        for line in lines:
            self._progress.output(self._subject, stream, line)
        if len(rest) > _LINE_LIMIT:
            self._progress.output(self._subject, stream, rest)
            rest = b""
        self._rest[stream] = rest

    def finish(self) -> None:
        for stream, rest in self._rest.items():
            if rest:
                self._progress.output(self._subject, stream, rest)
