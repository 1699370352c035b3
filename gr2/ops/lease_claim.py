"""`lane lease acquire|renew|release|show`: an actor's time-limited claim on a lane (contract, page 3)."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.errors import Gr2Error, Invalid
from gr2.model import lease as rules
from gr2.model.lease import Lease
from gr2.model.lease_terms import DEFAULT_TTL, EDIT
from gr2.model.outcome import Issue, MutationResult, Result, Status
from gr2.model.records import dataclass
from gr2.ops.context import lane_named
from gr2.ops.lease_grant import (
    LEASE_FIELDS,
    claim_of,
    commit,
    grant,
    lost_error,
    moment_of,
    open_book,
    patiently,
    refuse_lost,
    refuse_unusable,
)
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.leases import read_leases


@dataclass(frozen=True, kw_only=True)
class LeaseView:
    """A lease as commands show it. `token` is for its holder only; `seconds_left` is not in JSON."""

    lease_id: str
    lane_name: str
    owner_unit: str
    mode: str
    holder: str
    agent_id: str | None
    acquired_at: str
    renewed_at: str
    expires_at: str
    ttl_seconds: int
    token: int | None
    seconds_left: float = 0.0

    def json_fields(self) -> dict[str, object]:
        """The contract's fields."""
        return {name: value for name, value in vars(self).items() if name != "seconds_left"}


@dataclass(frozen=True, kw_only=True)
class LeaseResult(MutationResult):
    """The leases that a command was about; `lease` is the first of them."""

    lane_name: str
    owner_unit: str
    lease: LeaseView | None = None
    leases: tuple[LeaseView, ...] = ()


class LeaseAcquireResult(LeaseResult):
    """The lease that the caller holds now."""


class LeaseRenewResult(LeaseResult):
    """The leases that run anew."""


class LeaseReleaseResult(LeaseResult):
    """The leases that were given back, as they were."""


@dataclass(frozen=True, kw_only=True)
class LeaseShowResult(Result):
    """The live leases of a lane."""

    lane_name: str
    owner_unit: str
    leases: tuple[LeaseView, ...] = ()


def lease_acquire(
    session: Session,
    lane: str = "",
    *,
    mode: str = EDIT,
    ttl: int = DEFAULT_TTL,
    wait: float = 0.0,
    force: bool = False,
    reason: str = "",
) -> LeaseResult:
    """Claim the lane for `ttl` seconds, or renew the claim. `wait`: seconds to wait for another's lease to end.
    `force` breaks what is in the way, and needs a `reason`.

    Raises Blocked `lease_conflict`, `lease_cap_reached`, `lane_frozen`; Invalid `reason_required`.
    """
    if force and not reason.strip():
        raise Invalid(
            "reason_required",
            "breaking another's lease needs a reason",
            scope="lease",
            hint='--force --reason "why": the other holder is told',
        )
    unit, name = lane_named(session, lane)
    with mutation(session, "lane.lease.acquire", unit=unit.name, lane=name, lock=None, markers=False) as run:
        claim = claim_of(run, unit.name, mode, ttl, force_reason=reason if force else "")
        change, error = patiently(run, wait, lambda: grant(run, unit.name, name, claim, force=force))
        return _result(LeaseAcquireResult, run, (unit.name, name), change.leases, error)


def lease_renew(session: Session, lane: str = "", *, mode: str = "", ttl: int | None = None) -> LeaseResult:
    """Let the caller's leases on the lane (the one of `mode`, if given) run anew. Raises Blocked `lease_lost`."""
    unit, name = lane_named(session, lane)
    error = None
    leases: Sequence[Lease] = ()
    with mutation(session, "lane.lease.renew", unit=unit.name, lane=name, lock=None, markers=False) as run:
        with open_book(run, unit.name, name) as book:
            refuse_unusable(session, unit.name, name)
            moment = moment_of(session)
            mine = book.table.held(session.actor, moment, mode)
            if mine:
                change = rules.renew(book.table, mine, moment, ttl=ttl)
                leases, error = change.leases, commit(run, book, change)
            else:
                refuse_lost(session, book.table, mode)
        return _result(LeaseRenewResult, run, (unit.name, name), leases, error)


def lease_release(session: Session, lane: str = "", *, mode: str = "") -> LeaseResult:
    """Give the caller's leases on the lane (the one of `mode`, if given) back.

    Raises Blocked `lease_lost`, once, when it holds none because it lost it: then that is forgotten.
    """
    unit, name = lane_named(session, lane)
    error = None
    with mutation(session, "lane.lease.release", unit=unit.name, lane=name, lock=None, markers=False) as run:
        with open_book(run, unit.name, name) as book:
            moment = moment_of(session)
            mine = book.table.held(session.actor, moment, mode)
            lost = book.table.losses(session.actor, moment, mode)
            if mine or lost:
                known = rules.forget(book.table, session.actor, moment, mode)
                error = commit(run, book, rules.release(known, mine))
        if lost and not mine:
            raise lost_error(unit.name, name, lost[0], "it is forgotten now")
        return _result(LeaseReleaseResult, run, (unit.name, name), mine, error)


def lease_show(session: Session, lane: str = "") -> LeaseShowResult:
    """The live leases of the lane. Writes nothing."""
    unit, name = lane_named(session, lane)
    leases = views_of(session, read_leases(session.layout, unit.name, name).live(moment_of(session)))
    return LeaseShowResult(status=Status.OK, lane_name=name, owner_unit=unit.name, leases=leases)


def views_of(session: Session, leases: Sequence[Lease]) -> tuple[LeaseView, ...]:
    """The leases as the caller may see them: the token of its own only."""
    moment = moment_of(session)
    return tuple(
        LeaseView(
            **{name: getattr(lease, name) for name in LEASE_FIELDS},
            token=lease.token if lease.holder == session.actor else None,
            seconds_left=lease.seconds_left(moment),
        )
        for lease in leases
    )


def _result(
    kind: type[LeaseResult],
    run: Mutation,
    lane: tuple[str, str],
    leases: Sequence[Lease],
    error: Gr2Error | None,
) -> LeaseResult:
    views = views_of(run.session, leases)
    issues = (Issue.from_error(error, blocking=False),) if error is not None else ()
    return kind(
        status=Status.ATTENTION if issues else Status.SUCCESS,
        issues=issues,
        operation_id=run.operation_id,
        owner_unit=lane[0],
        lane_name=lane[1],
        lease=views[0] if views else None,
        leases=views,
    )
