"""Leases as other commands need them: `check` asks once, `guard` keeps asking while a command runs, `held` has one for
as long as a command runs (contract, page 3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gr2.errors import Blocked, Gr2Error
from gr2.model.lease_terms import DEFAULT_TTL, EDIT, EXEC
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.model.lease import Lease, LeaseTable, LostGrant
    from gr2.ops.lease_watch import Watch
    from gr2.ops.mutation import Mutation
    from gr2.store.leases import LeaseBook


def _leases(session: Session, unit: str, lane: str) -> LeaseTable | None:
    """The leases of the lane; None, and nothing imported, when it never had one."""
    if not os.path.lexists(session.layout.lease_file(unit, lane)):
        return None
    from gr2.store.leases import read_leases

    return read_leases(session.layout, unit, lane)


def check(session: Session, unit: str, lane: str, mode: str = EDIT) -> None:
    """Raise Blocked `lease_lost` or `lease_conflict` unless the caller may act on the lane in `mode`."""
    table = _leases(session, unit, lane)
    if table is not None:
        from gr2.ops.lease_grant import refuse

        refuse(session, table, mode)


class Fence:
    """The caller's right to change a lane, asked again before each change.

    In a `with` statement it also renews the caller's leases on the lane while the body runs.
    """

    def __init__(self, session: Session, unit: str, lane: str, mode: str) -> None:
        self._session = session
        self._unit = unit
        self._lane = lane
        self._mode = mode
        self._watch: Watch | None = None
        self._last_token = 0
        self._mine: list[Lease] = []
        self._began = session.clock.monotonic()
        table = _leases(session, unit, lane)
        if table is not None:
            from gr2.ops.lease_grant import moment_of, refuse

            refuse(session, table, mode)
            self._last_token = table.last_token
            # One that belongs to a command is that command's to keep up.
            self._mine = [lease for lease in table.held(session.actor, moment_of(session)) if lease.explicit]

    def recheck(self) -> None:
        """Raise Blocked `lease_lost` or `lease_conflict` when the right is gone. Call it immediately before the first
        change, and before each repo's."""
        table = _leases(self._session, self._unit, self._lane)
        if table is None:
            return
        from gr2.ops.lease_grant import as_lost, lost_error, refuse

        refuse(self._session, table, self._mode)
        tokens = {lease.token for lease in table.leases}
        gone = [lease for lease in self._mine if lease.token not in tokens]
        if gone and table.last_token != self._last_token:
            # Given back by another process of this actor, and granted to somebody since.
            raise lost_error(self._unit, self._lane, as_lost(gone[0]))
        if self._mine and self._watch is None and self._takes_long():
            self._new_watch().look()

    def _takes_long(self) -> bool:
        from gr2.ops.lease_watch import NOTICE_SECONDS

        return self._session.clock.monotonic() - self._began >= NOTICE_SECONDS

    def _new_watch(self) -> Watch:
        from gr2.ops.lease_watch import Watch

        return Watch(self._session, self._unit, self._lane, [lease.token for lease in self._mine])

    def __enter__(self) -> Fence:
        if self._mine:
            self._watch = self._new_watch()
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None


def guard(session: Session, unit: str, lane: str, *, mode: str = EDIT) -> Fence:
    """The right to change the lane, or Blocked `lease_lost`, `lease_conflict`. Needs no lease of the caller's own."""
    return Fence(session, unit, lane, mode)


class Held:
    """A lease that lasts as long as a command. `lost` tells why it ended before, None while it holds."""

    def __init__(self, unit: str, lane: str, lease: Lease) -> None:
        self._unit = unit
        self._lane = lane
        self.lease = lease
        self.lost: Blocked | None = None

    def broken(self, loss: LostGrant | None) -> None:
        """Note that it is gone."""
        from gr2.ops.lease_grant import as_lost, lost_error

        self.lost = lost_error(self._unit, self._lane, loss or as_lost(self.lease))

    def recheck(self) -> None:
        """Raise Blocked `lease_lost` when it is gone."""
        if self.lost is not None:
            raise self.lost


@contextmanager
def held(
    session: Session,
    run: Mutation,
    unit: str,
    lane: str,
    mode: str = EXEC,
    *,
    ttl: int = DEFAULT_TTL,
    wait: float = 0.0,
    on_lost: Callable[[], object] | None = None,
) -> Iterator[Held]:
    """Hold a lease while the body runs: `lease.acquired` at its start, silent renewals, `lease.released` at its end.

    `on_lost` is called from another thread, within 5 s, when somebody breaks it. Raises what `lease_acquire` does, and
    Blocked `lease_lost`.
    """
    from gr2.ops.lease_grant import claim_of, grant, patiently
    from gr2.ops.lease_watch import Watch

    claim = claim_of(run, unit, mode, ttl, operation=run.operation_id)
    change, error = patiently(run, wait, lambda: grant(run, unit, lane, claim, force=False))
    if error is not None:
        session.progress.note(f"{error.message}; the next command writes it")
    found = Held(unit, lane, change.leases[0])

    def lost(loss: LostGrant | None) -> None:
        found.broken(loss)
        if on_lost is not None:
            on_lost()

    watch = Watch(session, unit, lane, [found.lease.token], on_lost=lost)
    watch.start()
    try:
        yield found
    finally:
        watch.stop()
        _let_go(run, unit, lane, found.lease)


def retire(run: Mutation, book: LeaseBook) -> None:
    """The lane goes away, and its leases with it. The count of tokens stays."""
    from gr2.model import lease as rules
    from gr2.ops.lease_grant import commit, moment_of

    change = rules.retire(book.table, moment_of(run.session))
    if change.table != book.table:
        commit(run, book, change)


def _let_go(run: Mutation, unit: str, lane: str, lease: Lease) -> None:
    """End this command's part in a lease; the lease itself ends with the last command that uses it."""
    from dataclasses import replace

    from gr2.model import lease as rules
    from gr2.ops.lease_grant import commit, moment_of, open_book
    from gr2.store.operations import is_running

    session = run.session
    try:
        with open_book(run, unit, lane) as book:
            table = book.table
            mine = next((found for found in table.leases if found.token == lease.token), None)
            if mine is None or not mine.is_live(moment_of(session)):
                return
            others = tuple(
                operation
                for operation in mine.operations
                if operation != run.operation_id and is_running(session.layout, operation)
            )
            if mine.explicit or others:
                after = tuple(
                    replace(found, operations=others) if found.token == mine.token else found for found in table.leases
                )
                book.commit(replace(table, leases=after), (), run.context(unit), note="")
            else:
                commit(run, book, rules.release(table, (mine,)))
    except Gr2Error as error:
        session.progress.note(f"cannot release the lease of {unit}/{lane}, it runs out by itself: {error.message}")
