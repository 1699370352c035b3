"""Keeps an eye on leases while a command runs: renews them when half their time is gone, notices when they are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from gr2.errors import Gr2Error
from gr2.model import lease as rules
from gr2.model.event.base import Context
from gr2.model.lease import LeaseTable, LostGrant, Moment
from gr2.ops.mutation import open_outbox
from gr2.session import Session
from gr2.store.leases import lease_book, read_leases

NOTICE_SECONDS = 1.0
_RENEW_WAIT_SECONDS = 5.0

OnLost = Callable[["LostGrant | None"], object]


class Watch:
    """The leases with these `tokens` on one lane. `on_lost` is called once, with what is known of the loss."""

    def __init__(
        self, session: Session, unit: str, lane: str, tokens: Sequence[int], *, on_lost: OnLost | None = None
    ) -> None:
        self._session = session
        self._unit = unit
        self._lane = lane
        self._tokens = tuple(tokens)
        self._on_lost = on_lost
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._loop, name="gr2-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> bool:
        """Look once; False when a lease is lost. Renewing is silent, and one that fails is tried again at the next
        look."""
        table, moment = self._now()
        mine = [lease for lease in table.live(moment) if lease.token in self._tokens]
        if len(mine) < len(self._tokens):
            return False
        if any(lease.seconds_left(moment) < lease.ttl_seconds / 2 for lease in mine):
            self._renew()
        return True

    def _now(self) -> tuple[LeaseTable, Moment]:
        clock = self._session.clock
        table = read_leases(self._session.layout, self._unit, self._lane)
        return table, Moment(wall=clock.now(), monotonic=clock.monotonic(), boot_id=clock.boot_id())

    def _renew(self) -> None:
        session = self._session
        with (
            open_outbox(session) as outbox,
            lease_book(session.layout, self._unit, self._lane, outbox=outbox, wait=_RENEW_WAIT_SECONDS) as book,
        ):
            _, moment = self._now()
            mine = [lease for lease in book.table.live(moment) if lease.token in self._tokens]
            change = rules.renew(book.table, mine, moment)
            # No event tells of it, so nobody's context is needed.
            book.commit(change.table, (), Context(workspace="", actor=session.actor), note="")

    def _loop(self) -> None:
        while not self._ended.wait(NOTICE_SECONDS):
            try:
                if self.look():
                    continue
            except Gr2Error:
                continue
            if self._on_lost is not None and not self._ended.is_set():
                self._on_lost(self._loss())
            return

    def _loss(self) -> LostGrant | None:
        table, moment = self._now()
        losses = table.losses(self._session.actor, moment)
        return next((grant for grant in losses if grant.token in self._tokens), None)
