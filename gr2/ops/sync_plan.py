"""Decides, from what was seen, what a sync does with every checkout: update it, leave it for a reason, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace

from gr2.errors import Gr2Error
from gr2.model.checkout import Checkout
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.sync import Seen, first_verdict
from gr2.ops.steps import each
from gr2.ops.sync_compare import Closer, Update, look_closer, submodules, surroundings, update_operation
from gr2.ops.sync_look import RepoLook, branch_issues, see
from gr2.ops.sync_select import Chosen, Obstacles
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class Left:
    """A checkout that is left alone. `reason` is what the event says."""

    checkout: Checkout
    reason: str


@dataclass
class Plan:
    """What to do with the checkouts.

    blocked: updates that may not be made, because of a blocking issue. quiet: checkouts that stay, and could be told of
    the remote's branches.
    """

    updates: list[Update] = field(default_factory=list)
    blocked: list[Operation] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    quiet: list[Seen] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    @property
    def is_blocked(self) -> bool:
        """Whether something may not be done that should be."""
        return any(issue.blocking for issue in self.issues)

    def leave(self, checkout: Checkout, issue: Issue, reason: str = "") -> None:
        """Leave a checkout alone, and say why, once."""
        if issue not in self.issues:
            self.issues.append(issue)
        if issue.blocking:
            self.block(checkout)
        else:
            self.left.append(Left(checkout=checkout, reason=reason or issue.code))

    def block(self, checkout: Checkout) -> None:
        """Note an update that may not be made."""
        self.blocked.append(blocked_operation(checkout))


def blocked_operation(checkout: Checkout) -> Operation:
    """The update of a checkout that was not even planned."""
    return Operation(
        kind="checkout.update",
        scope=checkout.scope,
        repo=checkout.repo,
        unit=checkout.unit,
        lane=checkout.lane,
        path=checkout.path,
    )


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How the person wants checkouts updated. fresh: the mirrors were just fetched. jobs: looked at at once."""

    strategy: str
    dirty: str
    yes: bool = False
    fresh: bool = True
    jobs: int = 8
    operation_id: str = ""


def make_plan(
    session: Session, chosen: Chosen, looks: Iterable[RepoLook], obstacles: Obstacles, wish: Wish, *, known: set[str]
) -> Plan:
    """Look at every checkout of the repos whose mirrors can be used. `known`: those whose mirror is what the remote has
    (of the others nothing is said about missing branches)."""
    plan = Plan()
    closer: list[Seen] = []
    for look in looks:
        if look.is_blocked:
            for checkout in look.checkouts:
                plan.block(checkout)
            continue
        found = branch_issues(look) if look.repo.name in known else []
        if not any(checkout.scope == "shared" for checkout in look.checkouts):
            found = [replace(issue, blocking=False) for issue in found]
        plan.issues += found
        if not look.heads:
            continue
        for checkout in look.checkouts:
            if any(issue.blocking for issue in found) and checkout.scope == "shared":
                plan.block(checkout)
                continue
            seen = _first_look(session, chosen, look, checkout, obstacles, plan)
            if seen is not None:
                closer.append(seen)
    _look_closer(session, closer, wish, plan)
    return plan


def _first_look(
    session: Session, chosen: Chosen, look: RepoLook, checkout: Checkout, obstacles: Obstacles, plan: Plan
) -> Seen | None:
    """Decide from files; gives what git has to be asked about."""
    obstacle = obstacles.of(checkout)
    if obstacle is not None:
        plan.leave(checkout, obstacle, "leased" if obstacle.code == "lease_conflict" else "")
        return None
    try:
        seen = see(session, look, checkout, chosen.lanes.get((checkout.unit, checkout.lane)))
    except Gr2Error as error:
        plan.leave(checkout, Issue.from_error(error))
        return None
    verdict = first_verdict(seen)
    if verdict.compare:
        return seen
    if verdict.issue is not None:
        plan.leave(checkout, verdict.issue)
    if seen.exists and seen.link is None and seen.busy is None:
        plan.quiet.append(seen)
    if seen.exists and submodules(session.layout.at(checkout.path)):
        plan.issues += surroundings(session, seen, ())
    return None


def _look_closer(session: Session, seen: Sequence[Seen], wish: Wish, plan: Plan) -> None:
    def ask(item: Seen) -> Closer | Gr2Error:
        try:
            return look_closer(
                session,
                item,
                wish.strategy,
                fresh=wish.fresh,
                operation_id=wish.operation_id,
                confirmed=wish.yes,
            )
        except Gr2Error as error:
            session.runner.cancellation.check()
            return error

    for item, found in zip(seen, each(ask, seen, jobs=wish.jobs), strict=True):
        if isinstance(found, Gr2Error):
            found.subject = found.subject or item.place
            plan.leave(item.checkout, Issue.from_error(found))
            continue
        plan.issues += found.notes
        if found.issue is not None:
            plan.leave(item.checkout, found.issue)
        if found.update is not None:
            _add_update(session, found.update, wish, plan)
        else:
            plan.quiet.append(item)


def _add_update(session: Session, update: Update, wish: Wish, plan: Plan) -> None:
    """Let the dirty strategy say whether it can put the work away."""
    found: Sequence[Issue] = ()
    if update.dirty is not None:
        from gr2.ops.lane_leave import strategy_of

        found = strategy_of(session, wish.dirty).plan(update.dirty)
    plan.issues += [replace(issue, subject=update.seen.place) for issue in found]
    if any(issue.blocking for issue in found):
        plan.blocked.append(update_operation(update))
    else:
        plan.updates.append(update)
