"""The books of one sync: its operations, issues and numbers, its first and its last event, and the status they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import ClassVar

from gr2.errors import Gr2Error
from gr2.model.event.sync import SyncCompleted, SyncConflict, SyncRepoSkipped, SyncStarted
from gr2.model.outcome import Issue, MutationResult, Operation, Status
from gr2.model.records import dataclass
from gr2.model.sync import Tally
from gr2.ops.mutation import Mutation
from gr2.ops.sync_plan import Left


@dataclass(frozen=True, kw_only=True)
class SyncRunResult(MutationResult):
    """What a sync did. The four lists are disjoint; each repo counts once in the three numbers: failed before updated
    before skipped, and one that was up to date nowhere. retry: the command that continues, and is safe to run again; ""
    when there is nothing left to do."""

    shows_issues: ClassVar[bool] = False

    completed: tuple[Operation, ...] = ()
    blocked: tuple[Operation, ...] = ()
    failed: tuple[Operation, ...] = ()
    unaffected: tuple[Operation, ...] = ()
    repos_updated: int = 0
    repos_skipped: int = 0
    repos_failed: int = 0
    duration_ms: int = 0
    retry: str = ""


@dataclass
class Record:
    """Everything that came of a sync so far. command: gives what was typed. went_on: something was done in spite of
    what was blocked."""

    run: Mutation
    command: Callable[[], str]
    completed: list[Operation] = field(default_factory=list)
    blocked: list[Operation] = field(default_factory=list)
    failed: list[Operation] = field(default_factory=list)
    unaffected: list[Operation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    signum: int | None = None
    went_on: bool = False

    def __post_init__(self) -> None:
        self._started = self.run.session.clock.monotonic()
        self._last_event = self.run.session.ids.event()

    def begin(self, repos: Sequence[str], *, strategy: str, dirty: str) -> None:
        """Write `sync.started`, and see to it that `sync.completed` follows even if gr2 is killed."""
        self._promise()
        self.run.emit(SyncStarted(repos=tuple(repos), strategy=strategy, dirty=dirty))

    def moved(self, repo: str) -> None:
        """A checkout of the repo was moved."""
        self.tally.updated.add(repo)
        self._promise()

    def _promise(self) -> None:
        path = self.run.session.layout.spec
        self.run.promise(self._event(Status.INTERRUPTED), self._last_event, path=path, text="")

    def _event(self, status: Status) -> SyncCompleted:
        updated, skipped, failed = self.tally.counts()
        return SyncCompleted(
            status=status.value,
            repos_updated=updated,
            repos_skipped=skipped,
            repos_failed=failed,
            duration_ms=self._duration_ms(),
        )

    def _duration_ms(self) -> int:
        return round((self.run.session.clock.monotonic() - self._started) * 1000)

    def add_issues(self, issues: Iterable[Issue]) -> None:
        """Take issues over, each once."""
        for issue in issues:
            if issue not in self.issues:
                self.issues.append(issue)

    def refuse(self, error: Gr2Error, operations: Iterable[Operation]) -> None:
        """The sync as a whole ends with `error`; `operations` are what was meant to be done."""
        self.add_issues([Issue.from_error(error)])
        (self.blocked if error.status in {"blocked", "invalid"} else self.failed).extend(operations)

    def lease_conflicts(self, issues: Iterable[Issue]) -> None:
        """Write the events about lanes that others hold."""
        for issue in issues:
            if issue.code == "lease_conflict":
                lane, unit = str(issue.details.get("lane_name", "")), str(issue.details.get("owner_unit", ""))
                event = SyncConflict(reason="lease_conflict", lane_name=lane, lease=dict(issue.details))
                self.run.emit(event, unit=unit)

    def leave(self, left: Iterable[Left]) -> None:
        """Write the events about checkouts that are left alone."""
        for item in left:
            checkout = item.checkout
            self.tally.skipped.add(checkout.repo)
            event = SyncRepoSkipped(
                repo=checkout.repo, scope=checkout.scope, lane_name=checkout.lane, reason=item.reason
            )
            self.run.emit(event, unit=checkout.unit)

    def crashed(self) -> None:
        """Write the last event for a sync that met with a bug."""
        self.run.tell(self._event(Status.INTERNAL_ERROR), self._last_event)

    def end(self) -> SyncRunResult:
        """Write the last event, and give the result."""
        self.tally.failed |= {operation.repo for operation in self.failed if operation.repo}
        if self.went_on:
            self.tally.failed |= {operation.repo for operation in self.blocked if operation.repo}
        status = self._status()
        event = self._event(status)
        self.run.tell(event, self._last_event)
        return SyncRunResult(
            status=status,
            signum=self.signum,
            issues=tuple(self.issues),
            operation_id=self.run.operation_id,
            completed=tuple(self.completed),
            blocked=tuple(self.blocked),
            failed=tuple(self.failed),
            unaffected=tuple(self.unaffected),
            repos_updated=event.repos_updated,
            repos_skipped=event.repos_skipped,
            repos_failed=event.repos_failed,
            duration_ms=event.duration_ms,
            retry="" if status in {Status.SUCCESS, Status.ATTENTION} else self.command(),
        )

    def _status(self) -> Status:
        if self.signum is not None:
            return Status.INTERRUPTED
        blocking = any(issue.blocking for issue in self.issues)
        if self.failed or self.blocked or blocking:
            if self.tally.updated:
                return Status.PARTIAL_FAILURE
            if self.failed:
                return Status.FAILED
            return Status.PARTIAL_FAILURE if self.went_on else Status.BLOCKED
        return Status.ATTENTION if self.issues else Status.SUCCESS
