"""`sync status`: what `sync run` would find and do, as far as the disk tells. No network, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import ClassVar

from gr2.edges.clock import timestamp
from gr2.edges.git import MIRROR_MISSING
from gr2.errors import Gr2Error
from gr2.model.checkout import Checkout, RepoRow
from gr2.model.outcome import Issue, Operation, Result, plan_status
from gr2.model.records import dataclass
from gr2.model.sync import DEFAULT_DIRTY, DEFAULT_STRATEGY, UP_TO_DATE, Distance, Seen, Verdict, first_verdict
from gr2.ops.checkouts import inspect
from gr2.ops.sync_compare import Update, compare, submodules, surroundings, update_operation
from gr2.ops.sync_hooks import hooks_issues
from gr2.ops.sync_look import RepoLook, branch_issues, fetched_at, look_at_repo, mirror_operation, see
from gr2.ops.sync_select import Chosen, Selection, check_options, choose, obstacles
from gr2.session import Session

WOULD = {"stash": "stash it, update, and put it back", "discard": "discard it", "block": "refuse"}


@dataclass(frozen=True, kw_only=True)
class SyncRow(RepoRow):
    """A checkout, counted against its mirror's last fetch, which was at `fetched_at`."""

    fetched_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class SyncStatusResult(Result):
    """The state of every checkout, and what a run would do, as far as the last fetch tells."""

    shows_issues: ClassVar[bool] = False

    repos: tuple[SyncRow, ...]
    operations: tuple[Operation, ...]
    dirty: str
    strategy: str


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What was found about one checkout."""

    row: SyncRow
    issues: tuple[Issue, ...] = ()
    operation: Operation | None = None


def sync_status(
    session: Session, selection: Selection, *, dirty: str = DEFAULT_DIRTY, strategy: str = DEFAULT_STRATEGY
) -> SyncStatusResult:
    """Look at mirrors, checkouts, leases and failures. Raises Invalid for a selection or strategy that does not
    exist."""
    chosen = choose(session, selection)
    check_options(session, strategy=strategy, dirty=dirty)
    looks: list[RepoLook] = []
    rows, unreadable = inspect(session, _looked_at(session, chosen, looks))
    status = _Status(session, chosen, dirty=dirty, strategy=strategy)
    answers = status.answers(looks, rows)
    issues = [issue for look in looks for issue in (*look.issues, *(branch_issues(look) if _is_empty(look) else ()))]
    if chosen.whole:
        from gr2.ops.strays import not_in_spec

        issues += not_in_spec(session)
    issues += unreadable
    for answer in answers:
        issues += [issue for issue in answer.issues if issue not in issues and issue.code != MIRROR_MISSING]
    issues += hooks_issues(session, chosen)
    operations = [mirror_operation(look) for look in looks if not look.is_blocked]
    operations += [answer.operation for answer in answers if answer.operation is not None]
    return SyncStatusResult(
        status=plan_status(issues),
        issues=tuple(issues),
        repos=tuple(answer.row for answer in answers),
        operations=tuple(operations),
        dirty=dirty,
        strategy=strategy,
    )


def _looked_at(session: Session, chosen: Chosen, looks: list[RepoLook]) -> Iterator[Checkout]:
    """The checkouts, repo by repo, while the looks at the repos are collected."""
    for repo in chosen.repos:
        look = look_at_repo(session, repo, chosen)
        looks.append(look)
        yield from look.checkouts


def _is_empty(look: RepoLook) -> bool:
    """Whether the remote had no branch when it was last asked: no checkout can be made of it."""
    return not (look.is_blocked or look.is_missing or look.heads)


class _Status:
    def __init__(self, session: Session, chosen: Chosen, *, dirty: str, strategy: str) -> None:
        self._session = session
        self._chosen = chosen
        self._dirty = dirty
        self._strategy = strategy
        self._obstacles = obstacles(session, chosen)
        self._journals = _journals(session)

    def answers(self, looks: Sequence[RepoLook], rows: Sequence[RepoRow]) -> list[_Answer]:
        """About every checkout, in order."""
        found = []
        following = iter(rows)
        for look in looks:
            when = fetched_at(look.mirror) if not look.is_missing else None
            said = timestamp(datetime.fromtimestamp(when, UTC)) if when is not None else None
            for checkout in look.checkouts:
                row = next(following)
                values = {name: getattr(row, name) for name in _ROW_FIELDS}
                lane = self._chosen.lanes.get((checkout.unit, checkout.lane))
                try:
                    seen = see(self._session, look, checkout, lane)
                except Gr2Error as error:
                    found.append(_Answer(row=SyncRow(**values, fetched_at=said), issues=(Issue.from_error(error),)))
                    continue
                found.append(self._answer(look, seen, SyncRow(**values, fetched_at=said)))
        return found

    def _answer(self, look: RepoLook, seen: Seen, row: SyncRow) -> _Answer:
        issues: list[Issue] = []
        obstacle = self._obstacles.of(seen.checkout)
        verdict, distance = UP_TO_DATE, None
        try:
            verdict, distance = self._verdict(look, seen)
        except Gr2Error as error:
            issues.append(Issue.from_error(error, blocking=False))
        if seen.exists and seen.target is not None:
            row = self._counted(seen, row, distance)
        if obstacle is not None:
            issues.append(obstacle)
        elif verdict.issue is not None:
            issues.append(verdict.issue)
        issues += self._remarks(seen)
        operation = None
        if verdict.kind and obstacle is None and distance is not None:
            to = seen.pin or seen.target or ""
            operation = update_operation(Update(seen=seen, kind=verdict.kind, to=to, distance=distance))
        if row.dirty:
            issues.append(self._dirty_issue(seen, would_move=operation is not None))
        return _Answer(row=row, issues=tuple(issues), operation=operation)

    def _verdict(self, look: RepoLook, seen: Seen) -> tuple[Verdict, Distance | None]:
        if look.is_blocked or (look.is_missing and seen.exists) or (_is_empty(look) and not seen.exists):
            return UP_TO_DATE, None
        verdict = first_verdict(seen)
        if verdict.compare:
            return compare(self._session, seen, self._strategy, fresh=False)
        return verdict, None

    def _counted(self, seen: Seen, row: SyncRow, distance: Distance | None) -> SyncRow:
        """The row with its counts against the mirror, which may know more than the checkout."""
        if distance is None and seen.head == seen.target:
            return (
                row
                if row.ahead == row.behind == 0
                else replace(row, upstream=f"origin/{seen.branch}", ahead=0, behind=0)
            )
        if distance is None or seen.pin:
            return row
        return replace(row, upstream=f"origin/{seen.branch}", ahead=distance.ahead, behind=distance.behind)

    def _remarks(self, seen: Seen) -> list[Issue]:
        found: list[Issue] = []
        if seen.exists and submodules(self._session.layout.at(seen.checkout.path)):
            found += surroundings(self._session, seen, ())
        if self._journals:
            from gr2.store.journal import checkout_key

            if checkout_key(seen.checkout.path) in self._journals:
                message = "a gr2 that was killed, or is still at work, left it half-way"
                found.append(seen.issue("update_unfinished", message, hint="gr2 sync run"))
        return found

    def _dirty_issue(self, seen: Seen, *, would_move: bool) -> Issue:
        blocking = self._dirty == "block"
        would = "leave it alone"
        if would_move or blocking:
            would = WOULD.get(self._dirty, self._dirty)
        path = seen.checkout.path
        return seen.issue(
            f"dirty_{seen.checkout.scope}_repo",
            f"uncommitted work in {path}; as of the last fetch, a sync would {would}",
            hint=seen.git("status"),
            blocking=blocking,
            details={"would": would, "strategy": self._dirty},
        )


_ROW_FIELDS = tuple(field.name for field in fields(RepoRow))


def _journals(session: Session) -> set[str]:
    import os

    try:
        names = os.listdir(os.path.join(session.layout.state, "checkouts"))
    except FileNotFoundError:
        return set()
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}
