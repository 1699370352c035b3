"""`sync run`: fetch every mirror once, then bring checkouts up to date from the mirrors (contract, page 5).

look -> blocked? -> fetch -> plan -> blocked? -> update -> tell. See docs/how-a-command-flows.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from gr2.edges.clock import timestamp
from gr2.errors import Blocked, Gr2Error, Interrupted
from gr2.model.event.sync import SyncConflict
from gr2.model.hints import quoted
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.sync import DEFAULT_DIRTY, DEFAULT_JOBS, DEFAULT_STRATEGY, Seen
from gr2.ops.mutation import Mutation, mutation
from gr2.ops.ssh_share import shared_connections
from gr2.ops.steps import Outcome, each, run_steps
from gr2.ops.sync_compare import Update, update_operation
from gr2.ops.sync_fetch import Fetched, Fetching, SeedUnderLock, follow_head
from gr2.ops.sync_heads import Told, ask_platforms
from gr2.ops.sync_hooks import hooks_issues
from gr2.ops.sync_look import (
    RepoLook,
    fetch_operation,
    look_at_repo,
    mark_fetched,
    mirror_operation,
    repo_issue,
    tracks,
)
from gr2.ops.sync_plan import Plan, Wish, blocked_operation, make_plan
from gr2.ops.sync_record import Record, SyncRunResult
from gr2.ops.sync_select import Chosen, Obstacles, Selection, check_options, choose, obstacles
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.ops.lease import Fence
    from gr2.ops.sync_update import UpdateCheckout


@dataclass(frozen=True, kw_only=True)
class SyncOptions:
    """How to sync. wait: seconds to wait for another sync. offline: update from the mirrors as they are."""

    dirty: str = DEFAULT_DIRTY
    yes: bool = False
    strategy: str = DEFAULT_STRATEGY
    jobs: int = DEFAULT_JOBS
    keep_going: bool = False
    wait: float = 0.0
    offline: bool = False


def sync_run(session: Session, selection: Selection, options: SyncOptions) -> SyncRunResult:
    """Fetch the mirrors of the selected checkouts, and update the checkouts from them.

    Forward only: never switches a branch, never loses work. Raises Invalid for a selection or strategy that does not
    exist; everything else, another sync at work included, is told by the result.
    """
    chosen = choose(session, selection)
    check_options(session, strategy=options.strategy, dirty=options.dirty)
    names = tuple(repo.name for repo in chosen.repos)
    try:
        with mutation(session, "sync.run", repos=names, lock="sync", wait=options.wait) as run:
            return _Sync(run, chosen, selection, options).run()
    except Blocked as error:
        if error.code != "workspace_locked" or hasattr(error, "operation_id"):
            raise
        locked = error
    with mutation(session, "sync.run", repos=names, lock=None, constraints=False) as run:
        return _Sync(run, chosen, selection, options).refused(locked)


def command_line(selection: Selection, options: SyncOptions) -> str:
    """What to type for the same sync again."""
    words = ["gr2", "sync", "run"]
    for flag, names in (
        ("--lane", selection.lanes),
        ("--unit", selection.units),
        ("--repo", selection.repos),
        ("--group", selection.groups),
    ):
        for name in names:
            words += [flag, name]
    usual = SyncOptions()
    for flag, value, default in (
        ("--dirty", options.dirty, usual.dirty),
        ("--strategy", options.strategy, usual.strategy),
        ("--jobs", options.jobs, usual.jobs),
    ):
        words += [flag, str(value)] if value != default else []
    words += [flag for flag, is_on in (("--yes", options.yes), ("--keep-going", options.keep_going)) if is_on]
    words += ["--offline"] if options.offline else []
    words += ["--wait", f"{options.wait:g}"] if options.wait else []
    return " ".join(map(quoted, words))


@dataclass
class _Mirrors:
    """What the fetch phase gave: repos whose mirrors are what the remotes have, and those that moved."""

    current: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)


class _Sync:
    """One run, from its first event to its last."""

    def __init__(self, run: Mutation, chosen: Chosen, selection: Selection, options: SyncOptions) -> None:
        self._run = run
        self._session = run.session
        self._chosen = chosen
        self._options = options
        self._record = Record(run, partial(command_line, selection, options))

    def run(self) -> SyncRunResult:
        """Do it all. Whatever happens, `sync.completed` is written once."""
        record = self._record
        self._begin()
        try:
            self._session.git.require()
            self._phases()
        except Interrupted as error:
            record.signum = error.signum
        except Gr2Error as error:
            record.refuse(error, self._everything())
        except BaseException:
            record.crashed()
            raise
        return record.end()

    def refused(self, error: Blocked) -> SyncRunResult:
        """Another sync is at work: say so, in events too."""
        self._begin()
        self._run.emit(SyncConflict(reason="workspace_locked", holder=dict(error.details)))
        self._record.refuse(error, self._everything())
        return self._record.end()

    def _begin(self) -> None:
        names = [repo.name for repo in self._chosen.repos]
        self._record.begin(names, strategy=self._options.strategy, dirty=self._options.dirty)

    def _everything(self) -> list[Operation]:
        items = [item for repo in self._chosen.repos for item in self._chosen.checkouts[repo.name]]
        known = {
            (operation.kind, operation.path)
            for operations in (self._record.completed, self._record.failed, self._record.blocked)
            for operation in operations
        }
        return [one for one in map(blocked_operation, items) if (one.kind, one.path) not in known]

    def _phases(self) -> None:
        record, keep_going = self._record, self._options.keep_going
        looks = [look_at_repo(self._session, repo, self._chosen) for repo in self._chosen.repos]
        found = obstacles(self._session, self._chosen)
        for look in looks:
            record.add_issues(look.issues)
        record.lease_conflicts(found.lanes.values())
        usable = [look for look in looks if not look.is_blocked]
        if not keep_going and (found.is_blocking or len(usable) < len(looks)):
            self._stand_still(looks, found)
            return
        self._add_strays()
        self._recover(found)
        mirrors = self._fetch(usable)
        if mirrors is not None:
            ready = [look for look in looks if look.is_blocked or look.repo.name in mirrors.current]
            self._update(ready, found, mirrors)
            record.add_issues(hooks_issues(self._session, self._chosen))

    def _add_strays(self) -> None:
        if self._chosen.whole:
            from gr2.ops.strays import not_in_spec

            self._record.add_issues(not_in_spec(self._session))

    def _stand_still(self, looks: Sequence[RepoLook], found: Obstacles) -> None:
        """Something blocks that was known before the first change: nothing is done at all."""
        record = self._record
        for look in looks:
            for checkout in look.checkouts:
                obstacle = found.of(checkout)
                if obstacle is not None:
                    record.add_issues([obstacle])
                if look.is_blocked or (obstacle is not None and obstacle.blocking):
                    record.blocked.append(blocked_operation(checkout))
            (record.blocked if look.is_blocked else record.unaffected).append(mirror_operation(look))

    def _recover(self, found: Obstacles) -> None:
        """Undo what killed commands began in the checkouts that may be touched."""
        try:
            journals = os.listdir(os.path.join(self._session.layout.state, "checkouts"))
        except FileNotFoundError:
            return
        if journals:
            from gr2.ops.lane_leave import recover

            items = [item for group in self._chosen.checkouts.values() for item in group]
            free = [item for item in items if found.of(item) is None]
            self._record.add_issues(recover(self._session, free))

    def _fetch(self, looks: Sequence[RepoLook]) -> _Mirrors | None:
        """Bring the mirrors up to date; None when the run has to end here."""
        if self._options.offline:
            return self._offline(looks)
        missing = [look for look in looks if look.is_missing]
        there = [look for look in looks if not look.is_missing]
        told = ask_platforms(self._session, there)
        self._record.add_issues(told.issues)
        urls = [look.repo.url for look in looks if look.repo.name not in told.unmoved]
        with shared_connections(self._session, urls, temporary=self._run.temporary) as env:
            before = self._run.session
            self._run.session = before.with_git(before.git.with_environment(env))
            self._session.progress.start("fetch", len(looks))
            try:
                return self._fetch_all(missing, there, told)
            finally:
                self._session.progress.stop()
                self._run.session = before

    def _fetch_all(self, missing: Sequence[RepoLook], there: Sequence[RepoLook], told: Told) -> _Mirrors | None:
        mirrors = _Mirrors(current=set(told.unmoved))
        if not self._seed(missing, mirrors):
            self._record.unaffected += [fetch_operation(look) for look in there]
            return None
        for look in there:
            if look.repo.name in told.unmoved:
                mark_fetched(self._session, look.mirror)
                follow_head(self._session, look, told.defaults.get(look.repo.name, look.mirror.head() or ""))
        options = self._options
        fetching = Fetching(
            self._run, jobs=options.jobs, stop_at_failure=not options.keep_going, told_heads=told.defaults
        )
        fetched = fetching.fetch([look for look in there if look.repo.name not in told.unmoved])
        return mirrors if self._take(fetched, mirrors) else None

    def _take(self, fetched: Fetched, mirrors: _Mirrors) -> bool:
        """Note how the fetches ended; False when the run has to end here."""
        record = self._record
        record.completed += fetched.completed
        record.failed += fetched.failed
        record.unaffected += fetched.unaffected
        record.add_issues(fetched.issues)
        mirrors.current |= fetched.ok
        mirrors.moved |= fetched.moved
        record.signum = fetched.signum
        return fetched.signum is None and (self._options.keep_going or not record.failed)

    def _seed(self, missing: Sequence[RepoLook], mirrors: _Mirrors) -> bool:
        """Make mirrors that are missing; False when the run has to end here."""
        if not missing:
            return True
        chains = [[SeedUnderLock(look=look)] for look in missing]
        outcome = run_steps(
            self._run, chains, label="fetch", jobs=self._options.jobs, stop_at_failure=not self._options.keep_going
        )
        fetched = Fetched(
            completed=outcome.completed,
            failed=outcome.failed,
            unaffected=outcome.unaffected,
            issues=outcome.issues,
            ok={operation.repo for operation in outcome.completed},
            signum=outcome.signum,
        )
        return self._take(fetched, mirrors)

    def _offline(self, looks: Sequence[RepoLook]) -> _Mirrors:
        for look in looks:
            if look.is_missing:
                message = f"{look.repo.name} has no mirror yet, and --offline makes none"
                issue = repo_issue(look.repo, "not_materialized", message, hint="gr2 sync run", blocking=False)
                self._record.add_issues([issue])
        return _Mirrors(current={look.repo.name for look in looks if not look.is_missing})

    def _update(self, looks: Sequence[RepoLook], found: Obstacles, mirrors: _Mirrors) -> None:
        """Plan, and unless that is blocked, update the checkouts."""
        record, options = self._record, self._options
        wish = Wish(
            strategy=options.strategy,
            dirty=options.dirty,
            yes=options.yes,
            fresh=not options.offline,
            jobs=options.jobs,
            operation_id=self._run.operation_id,
        )
        known = set() if options.offline else mirrors.current
        plan = make_plan(self._session, self._chosen, looks, found, wish, known=known)
        record.add_issues(plan.issues)
        record.blocked += plan.blocked
        if plan.is_blocked and not options.keep_going:
            record.unaffected += [update_operation(update) for update in plan.updates]
            return
        record.went_on = any(not look.is_blocked for look in looks)
        record.leave(plan.left)
        if plan.updates:
            with ExitStack() as stack:
                steps = self._steps(plan, stack)
                outcome = run_steps(
                    self._run,
                    [[step] for step in steps],
                    label="update",
                    jobs=options.jobs,
                    stop_at_failure=not options.keep_going,
                )
                self._take_updates(steps, outcome)
        if record.signum is None and not options.offline:
            self._take_refs(plan.quiet, {look.repo.name: look for look in looks}, mirrors.moved)

    def _steps(self, plan: Plan, stack: ExitStack) -> list[UpdateCheckout]:
        """A step for each update; lanes that somebody took meanwhile are left out."""
        from gr2.ops.lease import guard

        fences: dict[tuple[str, str], Fence] = {}
        steps = []
        for update in plan.updates:
            checkout = update.seen.checkout
            key = (checkout.unit, checkout.lane)
            if checkout.lane and key not in fences:
                fences[key] = stack.enter_context(guard(self._session, *key))
            steps.append(self._step(update, fences.get(key) if checkout.lane else None))
        return steps

    def _step(self, update: Update, fence: Fence | None) -> UpdateCheckout:
        from gr2.ops.sync_update import Effects, UpdateCheckout

        return UpdateCheckout(
            update=update,
            strategy=self._options.strategy,
            dirty=self._options.dirty,
            fence=fence,
            prune=not self._options.offline,
            effects=Effects(),
            moved=self._record.moved,
        )

    def _take_updates(self, steps: Sequence[UpdateCheckout], outcome: Outcome) -> None:
        record = self._record
        effects = {step.operation.path: step.effects for step in steps}
        for operation in outcome.completed:
            found = effects[operation.path]
            record.completed += [one for one in (found.away, operation, found.back) if one is not None]
        for found in effects.values():
            record.add_issues(found.issues)
        record.failed += outcome.failed
        record.unaffected += outcome.unaffected
        record.add_issues(outcome.issues)
        record.signum = outcome.signum
        for operation in outcome.failed:
            self._mark(operation)
        for operation in outcome.completed:
            self._resolve(operation)

    def _mark(self, operation: Operation) -> None:
        """A checkout that could not be brought back to a whole state waits for a decision."""
        from gr2.store.failures import Marker, PartialState, write_marker
        from gr2.store.journal import needs_recovery

        if needs_recovery(self._session.layout, operation.path):
            marker = Marker(
                operation_id=self._run.operation_id,
                operation="sync.run",
                repo=operation.repo,
                owner_unit=operation.unit,
                lane_name=operation.lane,
                failed_at=timestamp(self._session.clock.now()),
                partial_state=PartialState(
                    repos_completed=tuple(sorted(self._record.tally.updated)), repos_failed=(operation.repo,)
                ),
            )
            write_marker(self._session.layout, marker)

    def _resolve(self, operation: Operation) -> None:
        """The success of a checkout that failed before."""
        if os.path.isdir(self._session.layout.failures):
            from gr2.ops.failures import resolve_retried

            resolve_retried(self._run, unit=operation.unit, lane=operation.lane, repos=[operation.repo])

    def _take_refs(self, quiet: Sequence[Seen], looks: dict[str, RepoLook], moved: set[str]) -> None:
        """Checkouts that stay where they are learn what the remote has now."""
        stale = []
        for seen in quiet:
            look = looks[seen.checkout.repo]
            doubtful = look.repo.name in moved or (seen.tracking is not None and seen.tracking != seen.target)
            if doubtful and not tracks(self._session, look, seen.checkout):
                stale.append((look.repo.name, seen.checkout.path))
        if not stale:
            return
        from gr2.ops.sync_update import TakeRefs

        steps = [TakeRefs(repo=repo, path=path) for repo, path in stale]
        found: list[Issue | None] = each(lambda item: item.run(self._run), steps, jobs=self._options.jobs)
        self._record.add_issues(issue for issue in found if issue is not None)
