"""Granting leases, and refusing them: under the lane's lock, in the order of page 3 of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from gr2.errors import Blocked, Gr2Error
from gr2.model import lease as rules
from gr2.model.duration import spoken
from gr2.model.hints import quoted
from gr2.model.lease import Change, Claim, Lease, LeaseTable, LostGrant, Moment
from gr2.model.lease_terms import EDIT
from gr2.ops.context import unknown
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.mutation import Mutation
from gr2.session import Session
from gr2.store.lanes import lane_names, read_lane
from gr2.store.leases import LeaseBook, all_leases, cap_lock, lease_book

_PAUSE_SECONDS = (0.05, 0.5)
LEASE_FIELDS = (
    "lease_id",
    "lane_name",
    "owner_unit",
    "mode",
    "holder",
    "agent_id",
    "acquired_at",
    "renewed_at",
    "expires_at",
    "ttl_seconds",
)
"""What everybody may see of a lease."""


def moment_of(session: Session) -> Moment:
    """Now."""
    clock = session.clock
    return Moment(wall=clock.now(), monotonic=clock.monotonic(), boot_id=clock.boot_id())


def claim_of(run: Mutation, unit: str, mode: str, ttl: int, *, operation: str = "", force_reason: str = "") -> Claim:
    """What the caller asks for; `operation` when a command asks for as long as it runs."""
    session = run.session
    return Claim(
        holder=session.actor,
        mode=mode,
        ttl_seconds=ttl,
        lease_id=f"ls_{session.ids.hex(12)}",
        agent_id=session.agent_id(unit),
        operation=operation,
        force_reason=force_reason,
    )


def patiently(
    run: Mutation, wait: float, attempt: Callable[[], tuple[Change, Gr2Error | None]]
) -> tuple[Change, Gr2Error | None]:
    """Try until another's lease is out of the way, for at most `wait` seconds."""
    clock = run.session.clock
    deadline = clock.monotonic() + wait
    pause, longest = _PAUSE_SECONDS
    while True:
        try:
            return attempt()
        except Blocked as error:
            left = deadline - clock.monotonic()
            if error.code != "lease_conflict" or left <= 0:
                raise
        run.session.runner.cancellation.check()
        clock.sleep(min(pause, left))
        pause = min(pause * 1.3, longest)


def grant(run: Mutation, unit: str, lane: str, claim: Claim, *, force: bool) -> tuple[Change, Gr2Error | None]:
    """Grant `claim` and say so. The error, if any, is why the events could not be written; the grant stands.

    Raises Blocked `lane_frozen`, `lease_lost` (for a command's claim), `lease_conflict`, `lease_cap_reached`.
    """
    session = run.session
    cap = session.spec.workspace_constraints.max_concurrent_edit_leases_global
    counted = cap is not None and claim.mode == EDIT
    with ExitStack() as stack:
        if counted:
            stack.enter_context(cap_lock(session.layout, wait=session.wait_seconds))
        book = stack.enter_context(open_book(run, unit, lane))
        refuse_unusable(session, unit, lane)
        table, moment = book.table, moment_of(session)
        if claim.operation:
            refuse_lost(session, table, "")
        blocking = table.conflicting(claim.holder, claim.mode, moment)
        if blocking and not force:
            raise conflict_error(session, blocking[0])
        if counted and cap is not None and not table.held(claim.holder, moment, EDIT):
            _refuse_above_cap(session, unit, lane, cap)
        change = rules.acquire(table, claim, moment)
        return change, commit(run, book, change)


@contextmanager
def open_book(run: Mutation, unit: str, lane: str) -> Iterator[LeaseBook]:
    """The lane's leases, locked while the body runs."""
    session = run.session
    holder = {"actor": session.actor, "operation_id": run.operation_id}
    with lease_book(session.layout, unit, lane, outbox=run.outbox, wait=session.wait_seconds, holder=holder) as book:
        yield book


def commit(run: Mutation, book: LeaseBook, change: Change) -> Gr2Error | None:
    """Make `change` the state and write its events; see `LeaseBook.commit`."""
    note = f"{run.operation_id}.{run.session.ids.hex(4)}"
    return book.commit(change.table, change.events, run.context(change.table.owner_unit), note=note)


def _refuse_above_cap(session: Session, unit: str, lane: str, cap: int) -> None:
    moment = moment_of(session)
    found = [
        lease
        for table in all_leases(session.layout)
        if (table.owner_unit, table.lane_name) != (unit, lane)
        for lease in table.live(moment)
        if lease.mode == EDIT
    ]
    if len(found) >= cap:
        names = ", ".join(f"{lease.owner_unit}/{lease.lane_name} ({lease.holder})" for lease in found)
        raise Blocked(
            "lease_cap_reached",
            f"the workspace allows {cap} edit {'lease' if cap == 1 else 'leases'} at once, and there are: {names}",
            scope="workspace",
            subject=f"{unit}/{lane}",
            hint=f"gr2 lane lease release {quoted(f'{found[0].owner_unit}/{found[0].lane_name}')}, by {found[0].holder}"
            if found
            else "change max_concurrent_edit_leases_global in .grip/workspace_spec.toml",
            details={"limit": cap, "leases": [shown(lease) for lease in found]},
        )


def refuse(session: Session, table: LeaseTable, mode: str) -> None:
    """Raise Blocked `lease_lost` or `lease_conflict` unless the caller may act in `mode`."""
    refuse_lost(session, table, "")
    found = table.conflicting(session.actor, mode, moment_of(session))
    if found:
        raise conflict_error(session, found[0])


def refuse_lost(session: Session, table: LeaseTable, mode: str) -> None:
    """Raise Blocked `lease_lost` when the caller lost a lease (of `mode`, if given) and does not know."""
    lost = table.losses(session.actor, moment_of(session), mode)
    if lost:
        raise lost_error(table.owner_unit, table.lane_name, lost[0])


def conflict_error(session: Session, lease: Lease) -> Blocked:
    """The refusal because of another's `lease`: who, what for, how long, and the three ways on."""
    lane = f"{lease.owner_unit}/{lease.lane_name}"
    left = spoken(lease.seconds_left(moment_of(session)))
    return Blocked(
        "lease_conflict",
        f"{lease.holder} holds the {lease.mode} lease of {lane} for another {left}",
        scope="lease",
        subject=lane,
        hint=f"wait: gr2 lane lease acquire {quoted(lane)} --wait 300; look: gr2 lane show {quoted(lane)}; "
        f"branch off: gr2 lane create NAME --from {quoted(lane)}",
        details=shown(lease),
    )


def lost_error(unit: str, lane: str, loss: LostGrant, also: str = "") -> Blocked:
    """The refusal for a holder whose lease was taken from it."""
    how = f"was broken by {loss.by}: {loss.reason}" if loss.why == "broken" else "ran out"
    if loss.why == "expired" and loss.by:
        how += f" and {loss.by} reclaimed it"
    mode = "" if loss.mode == EDIT else f" --mode {loss.mode}"
    return Blocked(
        "lease_lost",
        f"your {loss.mode} lease of {unit}/{lane} {how}" + (f"; {also}" if also else ""),
        scope="lease",
        subject=f"{unit}/{lane}",
        hint="" if also else f"gr2 lane lease acquire {quoted(f'{unit}/{lane}')}" + mode,
        details={"lease_id": loss.lease_id, "mode": loss.mode, "token": loss.token, "why": loss.why, "by": loss.by},
    )


def refuse_unusable(session: Session, unit: str, lane: str) -> None:
    """Raise Blocked `lane_frozen`, or Invalid `unknown_lane` when the lane went away."""
    owner = session.spec.unit(unit)
    found = read_lane(session.layout, owner, lane) if owner is not None else None
    if owner is None or found is None:
        known = lane_names(session.layout, owner) if owner is not None else ()
        raise unknown("lane", lane, known, hint="gr2 lane list")
    refuse_frozen(found)


def as_lost(lease: Lease) -> LostGrant:
    """The loss of `lease`, when nothing more is known of it."""
    return LostGrant(lease_id=lease.lease_id, holder=lease.holder, mode=lease.mode, token=lease.token, why="expired")


def shown(lease: Lease) -> dict[str, object]:
    """Another's lease, its token left out."""
    return {**{name: getattr(lease, name) for name in LEASE_FIELDS}, "token": None}
