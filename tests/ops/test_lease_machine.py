"""Lanes and leases against a model in plain Python, through clock jumps, reboots and crashes."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import gr2.store.leases as lease_store
from gr2.errors import Gr2Error
from gr2.model.lane import Lane
from gr2.ops.lane_archive import lane_archive
from gr2.ops.lane_state import lane_freeze, lane_unfreeze
from gr2.ops.lease import guard
from gr2.ops.lease_claim import lease_acquire, lease_release, lease_renew, lease_show
from gr2.ops.mutation import mutation
from gr2.store.lanes import write_lane
from gr2.store.outbox import Outbox
from gr2.testing import World

ACTORS = ("agent:a", "agent:b", "agent:c")
LANES = ("alpha/one", "alpha/two", "beta/one")
CAP = 2
TTLS = (1, 10, 100)

actors, lanes = st.sampled_from(ACTORS), st.sampled_from(LANES)
modes = st.sampled_from(("edit", "exec", "review"))


class _Dies(BaseException):
    """What happens to a process that is killed."""


@dataclass
class Fuse:
    """Kills a command at its `at`-th step of writing leases and events."""

    at: int
    committed: bool = False
    burnt: bool = False

    def _step(self) -> None:
        if self.at == 0:
            self.burnt = True
            raise _Dies
        self.at -= 1

    @contextlib.contextmanager
    def lit(self) -> Iterator[None]:
        """Count the steps of the body."""
        write, emit, unlink = lease_store.write_state, Outbox.emit, os.unlink

        def write_state(*args: Any, **options: Any) -> None:
            self._step()
            write(*args, **options)
            self.committed = True
            self._step()

        def emitting(outbox: Outbox, *args: Any, **options: Any) -> Any:
            self._step()
            return emit(outbox, *args, **options)

        def unlinking(path: str, **options: Any) -> None:
            if ".unsettled" in path:
                self._step()
            unlink(path, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lease_store, "write_state", write_state)
            patch.setattr(Outbox, "emit", emitting)
            patch.setattr(lease_store.os, "unlink", unlinking)
            with contextlib.suppress(_Dies):
                yield


@dataclass
class ModelLease:
    holder: str
    mode: str
    ttl: int
    token: int
    boot: str
    deadline: float
    expires: datetime
    forgotten: bool = False


@dataclass
class ModelLane:
    last_token: int = 0
    frozen: bool = False
    leases: list[ModelLease] = field(default_factory=list)
    lost: set[tuple[str, str]] = field(default_factory=set)


class Refused(Exception):
    """What the model says no with."""


class Model:
    """The contract in plain Python."""

    def __init__(self, world: World) -> None:
        self.clock = world.clock
        self.lanes = {name: ModelLane() for name in LANES}
        self.events: list[tuple[str, str, str]] = []

    def is_live(self, lease: ModelLease) -> bool:
        if lease.boot == self.clock.boot_id():
            return self.clock.monotonic() < lease.deadline
        left = (lease.expires - self.clock.now()).total_seconds()
        return 0 < left <= lease.ttl

    def live(self, lane: str) -> list[ModelLease]:
        return [lease for lease in self.lanes[lane].leases if self.is_live(lease)]

    def mine(self, lane: str, actor: str, mode: str = "") -> list[ModelLease]:
        return [one for one in self.live(lane) if one.holder == actor and (not mode or one.mode == mode)]

    def in_the_way(self, lane: str, actor: str, mode: str) -> list[ModelLease]:
        return [one for one in self.live(lane) if one.holder != actor and not (mode == "exec" and one.mode == "exec")]

    def losses(self, lane: str, actor: str, mode: str = "") -> set[tuple[str, str]]:
        found = set(self.lanes[lane].lost)
        found |= {
            (one.holder, one.mode) for one in self.lanes[lane].leases if not self.is_live(one) and not one.forgotten
        }
        return {(holder, what) for holder, what in found if holder == actor and (not mode or what == mode)}

    def edits(self, *, without: str = "") -> int:
        return sum(one.mode == "edit" for name in LANES if name != without for one in self.live(name))

    def extend(self, lease: ModelLease, ttl: int) -> None:
        from datetime import timedelta

        lease.ttl, lease.boot = ttl, self.clock.boot_id()
        lease.deadline = self.clock.monotonic() + ttl
        lease.expires = self.clock.now() + timedelta(seconds=ttl)

    def acquire(self, lane: str, actor: str, mode: str, ttl: int, force: bool) -> None:
        found = self.lanes[lane]
        mine, rivals = self.mine(lane, actor, mode), self.in_the_way(lane, actor, mode)
        if found.frozen:
            raise Refused("lane_frozen")
        if rivals and not force:
            raise Refused("lease_conflict")
        if mode == "edit" and not mine and self.edits(without=lane) >= CAP:
            raise Refused("lease_cap_reached")
        for one in found.leases:
            if not self.is_live(one):
                self.events += [("lease.expired", lane, one.holder), ("lease.reclaimed", lane, one.holder)]
                if not one.forgotten:
                    found.lost.add((one.holder, one.mode))
        for one in rivals:
            self.events.append(("lease.force_broken", lane, one.holder))
            found.lost.add((one.holder, one.mode))
        found.leases = [one for one in found.leases if self.is_live(one) and one not in rivals]
        found.lost = {loss for loss in found.lost if loss[0] != actor}
        if mine:
            self.extend(mine[0], ttl)
            self.events.append(("lease.renewed", lane, actor))
            return
        found.last_token += 1
        lease = ModelLease(actor, mode, ttl, found.last_token, "", 0.0, self.clock.now())
        self.extend(lease, ttl)
        found.leases.append(lease)
        self.events.append(("lease.acquired", lane, actor))

    def renew(self, lane: str, actor: str) -> None:
        if self.lanes[lane].frozen:
            raise Refused("lane_frozen")
        mine = self.mine(lane, actor)
        if not mine and self.losses(lane, actor):
            raise Refused("lease_lost")
        for one in mine:
            self.extend(one, one.ttl)
            self.events.append(("lease.renewed", lane, actor))

    def release(self, lane: str, actor: str) -> None:
        found, mine, lost = self.lanes[lane], self.mine(lane, actor), self.losses(lane, actor)
        for one in found.leases:
            one.forgotten = one.forgotten or (one.holder == actor and not self.is_live(one))
        found.lost = {loss for loss in found.lost if loss[0] != actor}
        found.leases = [one for one in found.leases if one not in mine]
        self.events += [("lease.released", lane, actor) for _ in mine]
        if lost and not mine:
            raise Refused("lease_lost")

    def check(self, lane: str, actor: str, mode: str) -> None:
        if self.losses(lane, actor):
            raise Refused("lease_lost")
        if self.in_the_way(lane, actor, mode):
            raise Refused("lease_conflict")

    def retire(self, lane: str, actor: str) -> None:
        self.check(lane, actor, "edit")
        found = self.lanes[lane]
        for one in found.leases:
            kind = "lease.released" if self.is_live(one) else "lease.expired"
            self.events.append((kind, lane, actor if kind == "lease.released" else one.holder))
        self.lanes[lane] = ModelLane(last_token=found.last_token)


class Machine(RuleBasedStateMachine):
    """Everything that several actors may do to leases, in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(os.path.join(self.folder.name, "world"), templates=os.path.join(self.folder.name, "made"))
        extra = f"[workspace_constraints]\nmax_concurrent_edit_leases_global = {CAP}\n"
        self.world.write_spec(repos={"app": {"url": "/nowhere.git"}}, extra=extra)
        self.model = Model(self.world)
        self.tokens: dict[str, list[int]] = {name: [] for name in LANES}
        self.holder_of: dict[str, str] = {}
        self.settled = True
        for name in LANES:
            self.make(name)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def make(self, name: str) -> None:
        session = self.world.session()
        unit_name, _, lane = name.partition("/")
        unit = session.spec.unit(unit_name)
        assert unit is not None
        os.makedirs(session.layout.lane(unit.path, lane))
        write_lane(session.layout, unit, Lane(name=lane, unit=unit_name))

    def both(self, real: Callable[[], Any], model: Callable[[], None], fuse: Fuse | None = None) -> Any:
        """Do the same to both, and want the same answer. With a fuse the model follows only what was committed."""
        before, told = json.dumps(_plain(self.model.lanes)), list(self.model.events)
        refusal = said = found = None
        try:
            model()
        except Refused as error:
            refusal = str(error)
        try:
            if fuse is None:
                found = real()
            else:
                with fuse.lit():
                    found = real()
        except Gr2Error as error:
            said = error.code
        if fuse is not None and fuse.burnt:
            if not fuse.committed:
                self.model.lanes, self.model.events = _restored(before), told
            self.settled = False
            return None
        assert said == refusal
        self.settled = True
        return found

    @rule(actor=actors, lane=lanes, mode=modes, ttl=st.sampled_from(TTLS), force=st.booleans(), fuse=st.integers(-8, 4))
    def acquire(self, actor: str, lane: str, mode: str, ttl: int, force: bool, fuse: int) -> None:
        session = self.world.session(actor=actor)
        options: dict[str, Any] = {"mode": mode, "ttl": ttl, "force": force, "reason": "r"}
        had = self.model.mine(lane, actor, mode)
        result = self.both(
            lambda: lease_acquire(session, lane, **options),
            lambda: self.model.acquire(lane, actor, mode, ttl, force),
            Fuse(fuse) if fuse >= 0 else None,
        )
        if result is not None and not had:
            assert result.lease.token > max(self.tokens[lane], default=0), "a token was used twice"
            self.tokens[lane].append(result.lease.token)

    @rule(actor=actors, lane=lanes, fuse=st.integers(-4, 3))
    def renew(self, actor: str, lane: str, fuse: int) -> None:
        session = self.world.session(actor=actor)
        lit = Fuse(fuse) if fuse >= 0 else None
        self.both(lambda: lease_renew(session, lane), lambda: self.model.renew(lane, actor), lit)

    @rule(actor=actors, lane=lanes, fuse=st.integers(-4, 3))
    def release(self, actor: str, lane: str, fuse: int) -> None:
        session = self.world.session(actor=actor)
        lit = Fuse(fuse) if fuse >= 0 else None
        self.both(lambda: lease_release(session, lane), lambda: self.model.release(lane, actor), lit)

    @rule(actor=actors, lane=lanes, mode=st.sampled_from(("edit", "exec")))
    def ask(self, actor: str, lane: str, mode: str) -> None:
        settled = self.settled
        session = self.world.session(actor=actor)
        unit, _, name = lane.partition("/")
        self.both(lambda: guard(session, unit, name, mode=mode).recheck(), lambda: self.model.check(lane, actor, mode))
        self.settled = settled  # asking writes nothing

    @rule(seconds=st.sampled_from((0.5, 1, 9, 10, 50, 100)))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(seconds=st.sampled_from((-10 * 365 * 86_400, -60, 60, 10 * 365 * 86_400)))
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.world.clock.jump(seconds)

    @rule(seconds=st.sampled_from((0, 5, 1000)))
    def the_machine_restarts(self, seconds: float) -> None:
        self.world.clock.jump(seconds)
        self.world.clock.reboot()

    @rule(actor=actors, lane=lanes)
    def freeze(self, actor: str, lane: str) -> None:
        def model() -> None:
            if not self.model.lanes[lane].frozen:
                self.model.check(lane, actor, "edit")
                self.model.lanes[lane].frozen = True
                self.model.events.append(("lane.frozen", lane, actor))

        session = self.world.session(actor=actor)
        self.both(lambda: lane_freeze(session, lane, reason="r"), model)

    @precondition(lambda self: any(lane.frozen for lane in self.model.lanes.values()))
    @rule(actor=actors)
    def unfreeze(self, actor: str) -> None:
        lane = next(name for name, found in self.model.lanes.items() if found.frozen)

        def model() -> None:
            self.model.lanes[lane].frozen = False
            self.model.events.append(("lane.unfrozen", lane, actor))

        self.both(lambda: lane_unfreeze(self.world.session(actor=actor), lane), model)

    @rule(actor=actors, lane=lanes)
    def archive_and_make_again(self, actor: str, lane: str) -> None:
        def model() -> None:
            self.model.retire(lane, actor)
            self.model.events.append(("lane.archived", lane, actor))

        session = self.world.session(actor=actor)
        if self.both(lambda: lane_archive(session, lane), model) is not None:
            self.make(lane)

    @rule()
    def any_other_command(self) -> None:
        with mutation(self.world.session(), "anything"):
            self.settled = True

    @invariant()
    def every_lease_is_as_the_model_has_it(self) -> None:
        session = self.world.session()
        for lane in LANES:
            real = lease_show(session, lane).leases
            wanted = self.model.live(lane)
            assert sorted((one.holder, one.mode, one.ttl_seconds) for one in real) == sorted(
                (one.holder, one.mode, one.ttl) for one in wanted
            )
            holders = {one.holder for one in real}
            exclusive = [one for one in real if one.mode != "exec"]
            assert not exclusive or len(holders) == 1, "two holders where there may be one"
        edits = [one for lane in LANES for one in lease_show(session, lane).leases if one.mode == "edit"]
        assert len(edits) <= CAP

    @invariant()
    def every_event_is_of_something_that_happened_and_none_is_missing(self) -> None:
        if self.settled:
            assert self.told() == self.model.events

    def told(self) -> list[tuple[str, str, str]]:
        path = self.world.path(".grip/events/outbox.jsonl")
        if not os.path.exists(path):
            return []
        found = []
        for line in self.world.read(path).splitlines():
            event = json.loads(line)
            lane = f"{event['owner_unit']}/{event['lane_name']}"
            if event["type"] in {"lease.acquired", "lease.renewed"}:
                self.holder_of[event["lease_id"]] = event["actor"]
            about = event.get("previous_holder") or event["actor"]
            if event["type"] == "lease.expired":
                about = self.holder_of[event["lease_id"]]
            found.append((event["type"], lane, about))
        return found


def _plain(lanes: dict[str, ModelLane]) -> Any:
    return {
        name: {
            **vars(lane),
            "leases": [{**vars(one), "expires": one.expires.isoformat()} for one in lane.leases],
            "lost": sorted(lane.lost),
        }
        for name, lane in lanes.items()
    }


def _restored(text: str) -> dict[str, ModelLane]:
    found = {}
    for name, lane in json.loads(text).items():
        leases = [
            replace(ModelLease(**{**one, "expires": datetime.fromisoformat(one["expires"])})) for one in lane["leases"]
        ]
        lost = {(holder, mode) for holder, mode in lane["lost"]}
        found[name] = ModelLane(**{**lane, "leases": leases, "lost": lost})
    return found


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )


class TestLeases(Machine.TestCase):
    """A sample."""

    settings = _settings(12, 40)


@pytest.mark.full
@pytest.mark.timeout(3600)
class TestLeasesInFull(Machine.TestCase):
    """Many more."""

    settings = _settings(1500, 60)
