"""Leases as values: who may claim a lane beside whom, until when, and what follows from each claim (contract, page 3).

Pure rules over one lane's `LeaseTable`. They return a `Change`: the table that follows and the events that tell of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gr2.model.event.base import Event
from gr2.model.event.lease import (
    LeaseAcquired,
    LeaseExpired,
    LeaseForceBroken,
    LeaseReclaimed,
    LeaseReleased,
    LeaseRenewed,
)
from gr2.model.lease_terms import EXEC
from gr2.model.records import dataclass

_TOGETHER = {(EXEC, EXEC)}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A point in time. `monotonic` counts seconds of the boot `boot_id`; `wall` is what people call the time."""

    wall: datetime
    monotonic: float
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """An actor's claim on a lane.

    token: grows with every grant on the lane. granted, deadline: monotonic seconds of the boot `boot_id`. explicit:
    somebody asked for it by `lane lease acquire`; else it belongs to the commands `operations` and ends with them.
    forgotten: its holder knows that it has run out.
    """

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
    token: int
    granted: float
    deadline: float
    boot_id: str
    explicit: bool = True
    operations: tuple[str, ...] = ()
    forgotten: bool = False

    def seconds_left(self, moment: Moment) -> float:
        """How long it still runs, 0 or less when it has run out.

        In the boot it was granted in the monotonic deadline decides. In another one the wall clock does, and a lease
        that would outlast its own ttl is over: the clock was turned back meanwhile.
        """
        same_boot = self.boot_id == moment.boot_id and moment.monotonic >= self.granted
        if same_boot:
            return self.deadline - moment.monotonic
        left = (datetime.fromisoformat(self.expires_at) - moment.wall).total_seconds()
        return left if left <= self.ttl_seconds else 0.0

    def is_live(self, moment: Moment) -> bool:
        """Whether it holds at `moment`."""
        return self.seconds_left(moment) > 0


@dataclass(frozen=True, kw_only=True)
class LostGrant:
    """A lease that was taken from its holder, who has not noticed yet. `why` is "expired" or "broken"; `by` took it."""

    lease_id: str
    holder: str
    mode: str
    token: int
    why: str
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LeaseTable:
    """Every lease of one lane. `last_token` outlives the lane: a lane made again under the name goes on counting."""

    owner_unit: str
    lane_name: str
    last_token: int = 0
    leases: tuple[Lease, ...] = ()
    lost: tuple[LostGrant, ...] = ()

    def live(self, moment: Moment) -> tuple[Lease, ...]:
        """The leases that hold at `moment`."""
        return tuple(lease for lease in self.leases if lease.is_live(moment))

    def held(self, holder: str, moment: Moment, mode: str = "") -> tuple[Lease, ...]:
        """The live leases of `holder`, in `mode` or in all."""
        return tuple(
            lease for lease in self.live(moment) if lease.holder == holder and (not mode or lease.mode == mode)
        )

    def conflicting(self, holder: str, mode: str, moment: Moment) -> tuple[Lease, ...]:
        """The live leases of others beside which `holder` cannot act in `mode`."""
        return tuple(lease for lease in self.live(moment) if lease.holder != holder and conflict(mode, lease.mode))

    def losses(self, holder: str, moment: Moment, mode: str = "") -> tuple[LostGrant, ...]:
        """What `holder` lost and neither released nor acquired again, the newest first."""
        found = [grant for grant in self.lost if grant.holder == holder and (not mode or grant.mode == mode)]
        found += [
            _loss(lease, "expired")
            for lease in self.leases
            if lease.holder == holder
            and lease.explicit
            and not lease.forgotten
            and (not mode or lease.mode == mode)
            and not lease.is_live(moment)
        ]
        return tuple(sorted(found, key=lambda grant: -grant.token))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a holder asks for. lease_id: of a new grant. operation: the command it is for, "" if asked for outright."""

    holder: str
    mode: str
    ttl_seconds: int
    lease_id: str
    agent_id: str | None = None
    operation: str = ""
    force_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The table that follows, the events that tell of it in order, and the leases it was about."""

    table: LeaseTable
    events: tuple[Event, ...] = ()
    leases: tuple[Lease, ...] = ()


def conflict(mode: str, other: str) -> bool:
    """Whether two holders cannot have these modes on one lane at once."""
    return (mode, other) not in _TOGETHER


def acquire(table: LeaseTable, claim: Claim, moment: Moment) -> Change:
    """Grant `claim`, or renew what its holder has. Expired leases are reclaimed, live ones in the way are broken.

    Whether anything in the way may be broken is the caller's to decide before.
    """
    mine = table.held(claim.holder, moment, claim.mode)
    broken = table.conflicting(claim.holder, claim.mode, moment)
    events: list[Event] = []
    for lease in table.leases:
        if not lease.is_live(moment):
            events += _reclaimed(lease, claim.holder)
    events += [_force_broken(lease, claim) for lease in broken]
    kept = [lease for lease in table.live(moment) if lease not in broken]
    gone = [_loss(lease, "expired", claim.holder) for lease in table.leases if _is_remembered(lease, moment)]
    gone += [_loss(lease, "broken", claim.holder, claim.force_reason) for lease in broken if lease.explicit]
    lost = [*_without(table.lost, gone), *gone]
    lost = [grant for grant in lost if (grant.holder, grant.mode) != (claim.holder, claim.mode)]
    if claim.operation == "":
        # Asking outright is the way back from every loss, whatever its mode.
        lost = [grant for grant in lost if grant.holder != claim.holder]
    if mine:
        lease = _renewed(mine[0], claim, moment)
        kept[kept.index(mine[0])] = lease
        told: Event = LeaseRenewed(
            lane_name=table.lane_name, mode=lease.mode, ttl_seconds=lease.ttl_seconds, lease_id=lease.lease_id
        )
        token = table.last_token
    else:
        token = table.last_token + 1
        lease = _granted(table, claim, moment, token)
        kept.append(lease)
        told = LeaseAcquired(
            lane_name=table.lane_name, mode=lease.mode, ttl_seconds=lease.ttl_seconds, lease_id=lease.lease_id
        )
    after = replace(table, last_token=token, leases=tuple(kept), lost=tuple(lost))
    return Change(table=after, events=(*events, told), leases=(lease,))


def renew(table: LeaseTable, leases: Sequence[Lease], moment: Moment, *, ttl: int | None = None) -> Change:
    """Let the live `leases` run anew, for `ttl` seconds or each for its own."""
    fresh = {lease.lease_id: _extended(lease, ttl or lease.ttl_seconds, moment) for lease in leases}
    events = tuple(
        LeaseRenewed(lane_name=table.lane_name, mode=lease.mode, ttl_seconds=lease.ttl_seconds, lease_id=lease.lease_id)
        for lease in fresh.values()
    )
    after = tuple(fresh.get(lease.lease_id, lease) for lease in table.leases)
    return Change(table=replace(table, leases=after), events=events, leases=tuple(fresh.values()))


def release(table: LeaseTable, leases: Sequence[Lease]) -> Change:
    """Give the live `leases` back."""
    events = tuple(LeaseReleased(lane_name=table.lane_name, lease_id=lease.lease_id) for lease in leases)
    after = tuple(lease for lease in table.leases if lease not in leases)
    return Change(table=replace(table, leases=after), events=events, leases=tuple(leases))


def forget(table: LeaseTable, holder: str, moment: Moment, mode: str = "") -> LeaseTable:
    """The holder knows now what it lost. An expired lease stays until the next acquire reclaims it."""

    def theirs(item: Lease | LostGrant) -> bool:
        return item.holder == holder and (not mode or item.mode == mode)

    leases = tuple(
        replace(lease, forgotten=True) if theirs(lease) and not lease.is_live(moment) else lease
        for lease in table.leases
    )
    return replace(table, leases=leases, lost=tuple(grant for grant in table.lost if not theirs(grant)))


def retire(table: LeaseTable, moment: Moment) -> Change:
    """The lane goes away: its leases end, nobody's loss is remembered, the count of tokens goes on."""
    events: list[Event] = []
    for lease in table.leases:
        if lease.is_live(moment):
            events.append(LeaseReleased(lane_name=table.lane_name, lease_id=lease.lease_id))
        else:
            events.append(LeaseExpired(lane_name=table.lane_name, lease_id=lease.lease_id, expired_at=lease.expires_at))
    return Change(table=replace(table, leases=(), lost=()), events=tuple(events), leases=table.leases)


def _is_remembered(lease: Lease, moment: Moment) -> bool:
    return lease.explicit and not lease.forgotten and not lease.is_live(moment)


def _loss(lease: Lease, why: str, by: str = "", reason: str = "") -> LostGrant:
    return LostGrant(
        lease_id=lease.lease_id, holder=lease.holder, mode=lease.mode, token=lease.token, why=why, by=by, reason=reason
    )


def _without(lost: Sequence[LostGrant], newer: Sequence[LostGrant]) -> list[LostGrant]:
    replaced = {(grant.holder, grant.mode) for grant in newer}
    return [grant for grant in lost if (grant.holder, grant.mode) not in replaced]


def _reclaimed(lease: Lease, by: str) -> list[Event]:
    return [
        LeaseExpired(lane_name=lease.lane_name, lease_id=lease.lease_id, expired_at=lease.expires_at),
        LeaseReclaimed(
            lane_name=lease.lane_name,
            lease_id=lease.lease_id,
            previous_holder=lease.holder,
            expired_at=lease.expires_at,
            reclaimed_by=by,
        ),
    ]


def _force_broken(lease: Lease, claim: Claim) -> Event:
    return LeaseForceBroken(
        lane_name=lease.lane_name,
        lease_id=lease.lease_id,
        previous_holder=lease.holder,
        broken_by=claim.holder,
        reason=claim.force_reason,
    )


def _granted(table: LeaseTable, claim: Claim, moment: Moment, token: int) -> Lease:
    now = moment.wall.isoformat(timespec="microseconds")
    return Lease(
        lease_id=claim.lease_id,
        lane_name=table.lane_name,
        owner_unit=table.owner_unit,
        mode=claim.mode,
        holder=claim.holder,
        agent_id=claim.agent_id,
        acquired_at=now,
        renewed_at=now,
        expires_at=_ahead(moment, claim.ttl_seconds),
        ttl_seconds=claim.ttl_seconds,
        token=token,
        granted=moment.monotonic,
        deadline=moment.monotonic + claim.ttl_seconds,
        boot_id=moment.boot_id,
        explicit=claim.operation == "",
        operations=(claim.operation,) if claim.operation else (),
    )


def _renewed(lease: Lease, claim: Claim, moment: Moment) -> Lease:
    """The lease its holder asked for again. A command never shortens one."""
    ttl = claim.ttl_seconds if not claim.operation else max(lease.ttl_seconds, claim.ttl_seconds)
    operations = (*lease.operations, claim.operation) if claim.operation else lease.operations
    return replace(
        _extended(lease, ttl, moment), explicit=lease.explicit or claim.operation == "", operations=operations
    )


def _extended(lease: Lease, ttl: int, moment: Moment) -> Lease:
    return replace(
        lease,
        ttl_seconds=ttl,
        renewed_at=moment.wall.isoformat(timespec="microseconds"),
        expires_at=_ahead(moment, ttl),
        granted=moment.monotonic,
        deadline=moment.monotonic + ttl,
        boot_id=moment.boot_id,
    )


def _ahead(moment: Moment, seconds: int) -> str:
    try:
        return (moment.wall + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    except OverflowError:
        return moment.wall.isoformat(timespec="microseconds")
