"""One loop that runs steps: several repositories at once, each one's in order, and an outcome for every step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol, TypeVar

from gr2.errors import Gr2Error, Interrupted
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.ops.mutation import Mutation

T = TypeVar("T")
R = TypeVar("R")


class Step(Protocol):
    """Something to do to one place. It knows how to describe itself and how to run."""

    @property
    def operation(self) -> Operation:
        """What this step would do."""

    @property
    def needs(self) -> Step | None:
        """A step of the same chain that has to succeed first."""

    @property
    def doing(self) -> str:
        """The step in one word, for a person who waits: "cloning"."""

    def run(self, run: Mutation) -> Mapping[str, Any]:
        """Do it, and return what to add to the operation's details. Raises Gr2Error when it did not work."""


class NotApplicable(Gr2Error):
    """A step found that there is nothing for it to do, for a reason a person should know."""


@dataclass
class Outcome:
    """How the steps of a run ended. The lists are disjoint and in the order of the plan."""

    completed: list[Operation] = field(default_factory=list)
    failed: list[Operation] = field(default_factory=list)
    unaffected: list[Operation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    signum: int | None = None


def run_steps(
    run: Mutation, chains: Sequence[Sequence[Step]], *, label: str, jobs: int, stop_at_failure: bool = False
) -> Outcome:
    """Run each chain's steps in order, at most `jobs` chains at once.

    A step whose prerequisite failed, and everything after Ctrl-C (or, with `stop_at_failure`, after a failure), does
    not start. Never raises for what a step did: its Gr2Error becomes an issue, Interrupted becomes `signum`.
    """
    loop = _Loop(run, stop_at_failure)
    run.session.progress.start(label, sum(map(len, chains)))
    try:
        loop.run_all(chains, jobs)
    finally:
        run.session.progress.stop()
    return loop.outcome(chains)


class _Loop:
    def __init__(self, run: Mutation, stop_at_failure: bool) -> None:
        self._run = run
        self._stop_at_failure = stop_at_failure
        self._ended: dict[int, tuple[str, Operation]] = {}
        self._issues: dict[int, Issue] = {}
        self._lock = threading.Lock()
        self._signum: int | None = None
        self._stopped = False

    def run_all(self, chains: Sequence[Sequence[Step]], jobs: int) -> None:
        if jobs <= 1 or len(chains) <= 1:
            for chain in chains:
                self._chain(chain)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=min(jobs, len(chains))) as pool:
            for future in [pool.submit(self._chain, chain) for chain in chains]:
                future.result()

    def _chain(self, chain: Sequence[Step]) -> None:
        for step in chain:
            needs = step.needs
            ready = needs is None or self._ended.get(id(needs), ("", None))[0] == "completed"
            if self._stopped or not ready:
                continue
            self._step(step)

    def _step(self, step: Step) -> None:
        operation = step.operation
        subject = place_of(operation)
        progress = self._run.session.progress
        progress.begin(subject, step.doing)
        try:
            self._run.session.runner.cancellation.check()
            done = operation.with_details(**step.run(self._run))
        except Interrupted as error:
            self._signum, self._stopped = error.signum, True
            return
        except NotApplicable as error:
            self._note(step, error, blocking=False)
            progress.end(subject, error.message)
            return
        except Gr2Error as error:
            self._fail(step, operation, error)
            progress.end(subject, f"failed: {error.message}")
            return
        with self._lock:
            self._ended[id(step)] = ("completed", done)
        progress.end(subject, operation.kind)

    def _fail(self, step: Step, operation: Operation, error: Gr2Error) -> None:
        error.subject = error.subject or operation.repo or operation.unit
        self._note(step, error, blocking=True)
        with self._lock:
            self._ended[id(step)] = ("failed", operation)
            # A hook's failure that blocks ends the whole operation.
            self._stopped = self._stopped or self._stop_at_failure or getattr(error, "stops_all", False)

    def _note(self, step: Step, error: Gr2Error, *, blocking: bool) -> None:
        with self._lock:
            self._issues[id(step)] = Issue.from_error(error, blocking=blocking)

    def outcome(self, chains: Sequence[Sequence[Step]]) -> Outcome:
        result = Outcome(signum=self._signum)
        for step in (step for chain in chains for step in chain):
            how, operation = self._ended.get(id(step), ("unaffected", step.operation))
            getattr(result, how).append(operation)
            issue = self._issues.get(id(step))
            if issue is not None and issue not in result.issues:
                result.issues.append(issue)
        return result


class Placed(Protocol):
    """Something about a repo, unit or lane: an operation, a row."""

    @property
    def repo(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def lane(self) -> str | None: ...


def place_of(operation: Placed) -> str:
    """What to call the place of an operation or row in a line of progress: "app", "app (alpha)", "app (alpha/feat)"."""
    owner = "/".join(part for part in (operation.unit, operation.lane) if part)
    if not operation.repo:
        return owner
    return f"{operation.repo} ({owner})" if owner else operation.repo


def each(function: Callable[[T], R], items: Sequence[T], *, jobs: int) -> list[R]:
    """`function` of every item, several at once, in order."""
    if len(items) < 2 or jobs < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(jobs, len(items))) as pool:
        return list(pool.map(function, items))
