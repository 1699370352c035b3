"""Leaving a lane: what happens to its uncommitted work, repository by repository (contract, page 3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.checkout import Checkout, RepoRow
from gr2.model.lane import Lane
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.lease import Fence
from gr2.ops.mutation import Mutation
from gr2.session import Session
from gr2.store.lanes import read_unit_state, write_unit_state

if TYPE_CHECKING:
    from gr2.plugin.protocols import DirtyCheckout, DirtyStrategy
    from gr2.store.saved import Saved

DEFAULT_STRATEGY = "stash"
_ALWAYS_THERE = ("stash", "block", "discard")


@dataclass(frozen=True, kw_only=True)
class SavedRow:
    """Work of one repo that was put away, or back."""

    repo: str
    files: tuple[str, ...]
    saved_id: str


@dataclass
class Left:
    """What became of a lane's work. `failure` is why the rest of it is still there, `issues` what else to know."""

    stashed: list[SavedRow] = field(default_factory=list)
    discarded: list[SavedRow] = field(default_factory=list)
    failure: Gr2Error | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def stashed_repos(self) -> tuple[str, ...]:
        """Names, as events have them."""
        return tuple(row.repo for row in self.stashed)

    @property
    def discarded_repos(self) -> tuple[str, ...]:
        """Names, as events have them."""
        return tuple(row.repo for row in self.discarded)


def strategy_of(session: Session, name: str) -> DirtyStrategy:
    """The dirty strategy called `name`. Raises Invalid `unknown_plugin`, and what its plugin does."""
    plugins = session.plugins
    if plugins is None:
        from gr2.plugin.manager import open_plugins

        plugins = open_plugins(session.settings, session.asked.environ)
    made: DirtyStrategy = plugins.make("strategy", name, session)
    return made


def refuse_unknown_strategy(session: Session, name: str) -> None:
    """Raise Invalid `unknown_plugin` for a `--dirty` that is none, also when there is nothing to put away."""
    if name not in _ALWAYS_THERE:
        strategy_of(session, name)


class Leaving:
    """The uncommitted work of one lane, on its way to where the strategy `dirty` puts it."""

    def __init__(self, run: Mutation, unit: Unit, lane: Lane, *, dirty: str, yes: bool, fence: Fence) -> None:
        self._run = run
        self._session = run.session
        self._unit = unit
        self._lane = lane
        self._dirty = dirty
        self._yes = yes
        self._fence = fence
        self._strategy: DirtyStrategy | None = None
        if dirty not in _ALWAYS_THERE:
            self._strategy = strategy_of(self._session, dirty)
        self.rows: list[RepoRow] = []

    def plan(self) -> None:
        """Look at every checkout. Raises Blocked, with all reasons as `issues`, when work is in the way of leaving."""
        checkouts = lane_checkouts(self._unit, self._lane)
        recover(self._session, checkouts)
        self.rows, unreadable = inspect(self._session, checkouts)
        if unreadable:
            raise failed(unreadable)
        issues = [issue for row in self.rows for issue in self._refusals(row)]
        if issues:
            raise blocked(issues)

    def _refusals(self, row: RepoRow) -> Sequence[Issue]:
        if row.in_progress is not None:
            from gr2.store.saved_work import in_progress_issue

            return (in_progress_issue(self._session.root, row.path, row.in_progress),)
        if not row.dirty:
            return ()
        return [issue for issue in self._with_strategy().plan(self._checkout(row)) if issue.blocking]

    def put_away(self) -> Left:
        """Let the strategy have the work of each dirty checkout, in order, until one fails."""
        left = self._before()
        dirty = [row for row in self.rows if row.dirty]
        if not dirty:
            return left
        note_leaving(self._session, self._unit, self._lane, self._run.operation_id, self._fence)
        for row in dirty:
            try:
                self._fence.recheck()
                done = self._with_strategy().put_away(self._checkout(row))
            except Gr2Error as error:
                if not left.stashed and not left.discarded:
                    raise
                left.failure = error
                break
            rows = left.stashed if done.kind == "stash" else left.discarded
            if done.saved_id or done.files:
                rows.append(SavedRow(repo=row.repo, files=done.files, saved_id=done.saved_id))
        return left

    def _before(self) -> Left:
        """What commands that were killed here put away."""
        left = Left()
        noted = read_unit_state(self._session.layout, self._unit.name).get("leaving") or {}
        if noted.get("lane") != self._lane.name:
            return left
        for saved in _saved_by(self._session, self._unit, self._lane, noted.get("operations", ())):
            rows = left.stashed if saved.kind == "stash" else left.discarded
            rows.append(SavedRow(repo=saved.repo, files=saved.files, saved_id=saved.id))
        return left

    def _with_strategy(self) -> DirtyStrategy:
        if self._strategy is None:
            self._strategy = strategy_of(self._session, self._dirty)
        return self._strategy

    def _checkout(self, row: RepoRow) -> DirtyCheckout:
        from gr2.edges.git import Place
        from gr2.edges.git.work import find_work
        from gr2.plugin.protocols import DirtyCheckout

        path = self._session.layout.at(row.path)
        work = find_work(self._session.git, Place.checkout(path))
        return DirtyCheckout(
            path=path,
            scope="lane",
            repo=row.repo,
            unit=self._unit.name,
            lane=self._lane.name,
            files=tuple(sorted({*work.files, *work.nested})),
            message=f"gr2 auto-stash: exiting {self._lane.id}",
            operation_id=self._run.operation_id,
            confirmed=self._yes,
        )


def note_leaving(session: Session, unit: Unit, lane: Lane, operation_id: str, fence: Fence) -> None:
    """Remember that work is being put away, so that a second run can tell all of it."""
    state = read_unit_state(session.layout, unit.name)
    noted = state.get("leaving") or {}
    earlier: list[str] = noted.get("operations", []) if noted.get("lane") == lane.name else []
    fence.recheck()
    leaving = {"lane": lane.name, "operations": [*earlier, operation_id]}
    write_unit_state(session.layout, unit.name, {**state, "leaving": leaving})


def _saved_by(session: Session, unit: Unit, lane: Lane, operations: Sequence[str]) -> list[Saved]:
    from gr2.store.saved import SavedKind, live_saved

    return [
        saved
        for saved in live_saved(session.layout, SavedKind.STASH, SavedKind.DISCARD)
        if saved.operation_id in operations and (saved.unit, saved.lane) == (unit.name, lane.name)
    ]


def recover(session: Session, checkouts: Sequence[Checkout]) -> tuple[Issue, ...]:
    """Undo what killed commands began in these checkouts."""
    issues: list[Issue] = []
    journals = os.path.join(session.layout.state, "checkouts")
    if not os.path.isdir(journals) or not os.listdir(journals):
        return ()
    from gr2.store.journal import needs_recovery

    for checkout in checkouts:
        if needs_recovery(session.layout, checkout.path):
            from gr2.store.saved_work import SavedWork

            issues += SavedWork(session).recover(checkout.path)
    return tuple(issues)


def blocked(issues: Sequence[Issue]) -> Gr2Error:
    """The refusal for all of `issues`."""
    return _error(Blocked, issues)


def failed(issues: Sequence[Issue]) -> Gr2Error:
    """The failure because of all of `issues`."""
    return _error(Failed, issues)


def _error(kind: type[Gr2Error], issues: Sequence[Issue]) -> Gr2Error:
    from dataclasses import replace

    blocking: list[Any] = [replace(issue, blocking=True) for issue in issues]
    first = blocking[0]
    error = kind(
        first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint, details=first.details
    )
    error.__dict__["issues"] = tuple(blocking)
    return error
