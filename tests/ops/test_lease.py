"""Leases: who holds a lane, and what that means for everybody else's commands."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace

import pytest

from gr2.errors import Blocked, Gr2Error, Invalid
from gr2.model.lane import Lane, LaneState
from gr2.ops.lease import check, guard, held
from gr2.ops.lease_claim import lease_acquire, lease_release, lease_renew, lease_show
from gr2.ops.mutation import mutation
from gr2.session import Session
from gr2.store.lanes import write_lane
from gr2.store.leases import read_leases
from gr2.store.outbox import Outbox
from gr2.testing import World

A, B, C = "agent:a", "agent:b", "agent:c"
LANE = "alpha/feat"


def make_lane(world: World, name: str, unit: str = "alpha", **changes: object) -> Lane:
    """A lane without checkouts: leases look at none."""
    session = world.session()
    owner = session.spec.unit(unit)
    assert owner is not None
    lane = replace(Lane(name=name, unit=unit, port_base=20_000), **changes)  # type: ignore[arg-type]
    os.makedirs(session.layout.lane(owner.path, name), exist_ok=True)
    write_lane(session.layout, owner, lane)
    return lane


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app"])
    make_lane(world, "feat")
    return world


def session_of(world: World, actor: str = A) -> Session:
    return world.session(actor=actor)


def events(world: World) -> list[dict[str, object]]:
    path = world.path(".grip/events/outbox.jsonl")
    if not os.path.exists(path):
        return []
    return [json.loads(line) for line in world.read(path).splitlines()]


def types(world: World) -> list[object]:
    return [event["type"] for event in events(world)]


def refused(call: object, *args: object, **options: object) -> Gr2Error:
    with pytest.raises(Gr2Error) as caught:
        call(*args, **options)  # type: ignore[operator]
    return caught.value


def test_another_holder_is_refused_with_who_what_how_long_and_three_ways_on(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE, ttl=600)
    shop.clock.advance(60)

    error = refused(lease_acquire, session_of(shop), LANE)

    assert (error.code, error.status) == ("lease_conflict", "blocked")
    assert error.message == "agent:b holds the edit lease of alpha/feat for another 9 minutes"
    assert all(word in error.hint for word in ("--wait", "gr2 lane show", "--from alpha/feat"))
    assert (error.details["holder"], error.details["mode"], error.details["token"]) == (B, "edit", None)


def test_the_token_is_shown_to_its_holder_only(shop: World) -> None:
    lease_acquire(session_of(shop), LANE)

    assert [lease.token for lease in lease_show(session_of(shop), LANE).leases] == [1]
    assert [lease.token for lease in lease_show(session_of(shop, B), LANE).leases] == [None]


def test_the_lease_has_the_fields_of_the_contract(shop: World) -> None:
    found = shop.call("lane", "lease", "acquire", LANE, "--ttl", "60", "--json").json

    assert found["schema"] == "gr2.lane.lease.acquire/1"
    assert set(found["lease"]) == {
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
        "token",
    }
    assert (found["lease"]["holder"], found["lease"]["ttl_seconds"], found["lease"]["token"]) == (shop.actor, 60, 1)


def test_showing_leases_writes_nothing(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=10)
    shop.clock.advance(11)
    before = shop.read(session_of(shop).layout.lease_file("alpha", "feat"))

    shown = lease_show(session_of(shop, B), LANE)

    assert shown.leases == ()
    assert shop.read(session_of(shop).layout.lease_file("alpha", "feat")) == before
    assert types(shop) == ["lease.acquired"]


def test_waiting_gets_the_lease_when_the_other_one_runs_out(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE, ttl=30)

    result = lease_acquire(session_of(shop), LANE, wait=60)

    assert result.lease is not None
    assert result.lease.holder == A
    assert types(shop) == ["lease.acquired", "lease.expired", "lease.reclaimed", "lease.acquired"]


def test_waiting_ends_with_the_conflict(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE, ttl=300)

    assert refused(lease_acquire, session_of(shop), LANE, wait=60).code == "lease_conflict"


def test_breaking_needs_a_reason(shop: World) -> None:
    with pytest.raises(Invalid, match="reason_required"):
        lease_acquire(session_of(shop), LANE, force=True, reason="  ")


def test_breaking_tells_the_other_holder_why_when_it_acts_next(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE)
    lease_acquire(session_of(shop), LANE, force=True, reason="production is down")
    lease_release(session_of(shop), LANE)

    error = refused(check, session_of(shop, B), "alpha", "feat")

    assert error.code == "lease_lost"
    assert "agent:a: production is down" in error.message
    assert "gr2 lane lease acquire alpha/feat" in error.hint


def test_a_lost_lease_is_told_before_a_conflict(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE)
    lease_acquire(session_of(shop), LANE, force=True, reason="r")

    assert refused(check, session_of(shop, B), "alpha", "feat").code == "lease_lost"
    assert refused(check, session_of(shop, C), "alpha", "feat").code == "lease_conflict"


def test_a_lease_that_ran_out_is_lost_although_nobody_took_it(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=10)
    shop.clock.advance(10)

    assert refused(check, session_of(shop), "alpha", "feat").code == "lease_lost"
    check(session_of(shop, B), "alpha", "feat")


def test_acquiring_is_the_way_back(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=10)
    shop.clock.advance(10)

    lease_acquire(session_of(shop), LANE)

    check(session_of(shop), "alpha", "feat")


def test_releasing_a_lost_lease_says_so_once(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=10)
    shop.clock.advance(10)

    assert refused(lease_release, session_of(shop), LANE).code == "lease_lost"
    assert lease_release(session_of(shop), LANE).status == "success"
    check(session_of(shop), "alpha", "feat")
    assert types(shop) == ["lease.acquired"]


def test_releasing_and_renewing_without_a_lease_changes_nothing(shop: World) -> None:
    assert lease_release(session_of(shop), LANE).status == "success"
    assert lease_renew(session_of(shop), LANE).status == "success"
    assert events(shop) == []


def test_without_a_mode_all_of_the_callers_leases_are_meant(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, mode="edit")
    lease_acquire(session_of(shop), LANE, mode="review")

    assert len(lease_renew(session_of(shop), LANE).leases) == 2
    assert len(lease_release(session_of(shop), LANE, mode="review").leases) == 1
    assert [lease.mode for lease in lease_show(session_of(shop), LANE).leases] == ["edit"]


def test_renewing_keeps_the_ttl_unless_told(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=100)
    shop.clock.advance(50)

    assert lease_renew(session_of(shop), LANE).leases[0].seconds_left == 100
    assert lease_renew(session_of(shop), LANE, ttl=500).leases[0].seconds_left == 500


def test_a_frozen_lane_takes_no_lease_and_gives_back_what_there_is(shop: World) -> None:
    lease_acquire(session_of(shop), LANE)
    make_lane(shop, "feat", state=LaneState.FROZEN, reason="released")

    assert refused(lease_acquire, session_of(shop), LANE).code == "lane_frozen"
    assert refused(lease_renew, session_of(shop), LANE).code == "lane_frozen"
    assert len(lease_release(session_of(shop), LANE).leases) == 1


def capped(world: World, limit: int) -> None:
    world.write_spec(repos=["app"], extra=f"[workspace_constraints]\nmax_concurrent_edit_leases_global = {limit}\n")
    for unit, name in (("alpha", "feat"), ("alpha", "fix"), ("beta", "feat")):
        make_lane(world, name, unit)


def test_the_cap_counts_the_live_edit_leases_of_all_units(world: World) -> None:
    capped(world, 2)
    lease_acquire(session_of(world, A), "alpha/feat")
    lease_acquire(session_of(world, B), "beta/feat", ttl=10)

    error = refused(lease_acquire, session_of(world, C), "alpha/fix")
    lease_acquire(session_of(world, C), "alpha/fix", mode="exec")
    lease_release(session_of(world, C), "alpha/fix")
    world.clock.advance(10)
    lease_acquire(session_of(world, C), "alpha/fix")

    assert (error.code, error.details["limit"]) == ("lease_cap_reached", 2)
    assert {lease["holder"] for lease in error.details["leases"]} == {A, B}


def test_force_does_not_lift_the_cap_and_breaks_nothing_then(world: World) -> None:
    capped(world, 1)
    lease_acquire(session_of(world, A), "alpha/feat")
    lease_acquire(session_of(world, B), "beta/feat", mode="review")

    error = refused(lease_acquire, session_of(world, C), "beta/feat", force=True, reason="r")

    assert error.code == "lease_cap_reached"
    assert [lease.holder for lease in lease_show(session_of(world), "beta/feat").leases] == [B]
    assert types(world) == ["lease.acquired", "lease.acquired"]


def test_what_the_same_acquire_breaks_or_renews_is_not_counted(world: World) -> None:
    capped(world, 1)
    lease_acquire(session_of(world, A), "alpha/feat")

    lease_acquire(session_of(world, A), "alpha/feat")
    taken = lease_acquire(session_of(world, B), "alpha/feat", force=True, reason="r")

    assert taken.lease is not None
    assert taken.lease.holder == B


@pytest.mark.parametrize("seconds", [10 * 365 * 86_400, -10 * 365 * 86_400])
def test_a_clock_that_jumps_ten_years_steals_nothing_and_keeps_nothing_dead_alive(shop: World, seconds: int) -> None:
    lease_acquire(session_of(shop, B), LANE, ttl=60)

    shop.clock.jump(seconds)

    assert refused(check, session_of(shop), "alpha", "feat").code == "lease_conflict"
    shop.clock.advance(60)
    check(session_of(shop), "alpha", "feat")


def test_a_fence_notices_a_lease_that_was_broken_since(shop: World) -> None:
    lease_acquire(session_of(shop), LANE)
    fence = guard(session_of(shop), "alpha", "feat")
    fence.recheck()

    lease_acquire(session_of(shop, B), LANE, force=True, reason="r")
    lease_release(session_of(shop, B), LANE)

    assert refused(fence.recheck).code == "lease_lost"


def test_a_fence_without_a_lease_notices_one_that_another_took_since(shop: World) -> None:
    fence = guard(session_of(shop), "alpha", "feat")

    lease_acquire(session_of(shop, B), LANE)

    assert refused(fence.recheck).code == "lease_conflict"


def test_a_fence_is_down_when_the_lane_was_given_back_and_granted_to_another(shop: World) -> None:
    lease_acquire(session_of(shop), LANE)
    fence = guard(session_of(shop), "alpha", "feat")

    lease_release(session_of(shop), LANE)
    fence.recheck()
    lease_acquire(session_of(shop, B), LANE)
    lease_release(session_of(shop, B), LANE)

    assert refused(fence.recheck).code == "lease_lost"


def test_a_fence_renews_the_lease_of_a_command_that_takes_long(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=100)
    fence = guard(session_of(shop), "alpha", "feat")

    for _ in range(5):
        shop.clock.advance(60)
        fence.recheck()

    assert types(shop) == ["lease.acquired"], "silently"
    assert lease_show(session_of(shop), LANE).leases[0].token == 1


def test_a_short_command_leaves_the_lease_as_long_as_it_was(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=100)
    shop.clock.advance(60)

    with guard(session_of(shop), "alpha", "feat") as fence:
        fence.recheck()
    guard(session_of(shop), "alpha", "feat").recheck()

    assert lease_show(session_of(shop), LANE).leases[0].seconds_left == 40


def test_a_command_holds_its_lease_and_releases_it(shop: World) -> None:
    session = session_of(shop)
    with (
        mutation(session, "exec.run", unit="alpha", lane="feat", lock=None) as run,
        held(run.session, run, "alpha", "feat") as mine,
    ):
        assert refused(check, session_of(shop, B), "alpha", "feat").code == "lease_conflict"
        check(session_of(shop, B), "alpha", "feat", mode="exec")
        mine.recheck()

    check(session_of(shop, B), "alpha", "feat")
    assert types(shop) == ["lease.acquired", "lease.released"]


def test_two_commands_of_one_actor_share_a_lease_that_ends_with_the_last(shop: World) -> None:
    session = session_of(shop)
    with (
        mutation(session, "exec.run", unit="alpha", lane="feat", lock=None) as first,
        mutation(session, "exec.run", unit="alpha", lane="feat", lock=None) as second,
    ):
        outer = held(first.session, first, "alpha", "feat")
        inner = held(second.session, second, "alpha", "feat")
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        assert len(lease_show(session, LANE).leases) == 1
        inner.__exit__(None, None, None)

    assert lease_show(session, LANE).leases == ()
    assert types(shop) == ["lease.acquired", "lease.renewed", "lease.released"]


def test_a_command_leaves_the_lease_that_its_actor_had_asked_for(shop: World) -> None:
    session = session_of(shop)
    lease_acquire(session, LANE, mode="exec")

    with (
        mutation(session, "exec.run", unit="alpha", lane="feat", lock=None) as run,
        held(run.session, run, "alpha", "feat"),
    ):
        pass

    assert [lease.mode for lease in lease_show(session, LANE).leases] == ["exec"]


def test_a_command_is_told_within_five_seconds_that_its_lease_was_broken(shop: World) -> None:
    told = threading.Event()
    session = session_of(shop)
    with (
        mutation(session, "exec.run", unit="alpha", lane="feat", lock=None) as run,
        held(run.session, run, "alpha", "feat", on_lost=told.set) as mine,
    ):
        lease_acquire(session_of(shop, B), LANE, force=True, reason="r")
        assert told.wait(5)
        assert refused(mine.recheck).code == "lease_lost"

    lease_release(session_of(shop, B), LANE)
    check(session, "alpha", "feat")
    assert types(shop) == ["lease.acquired", "lease.force_broken", "lease.acquired", "lease.released"]


def test_a_command_of_an_actor_that_lost_its_lease_does_not_start(shop: World) -> None:
    lease_acquire(session_of(shop), LANE, ttl=10)
    shop.clock.advance(10)

    with (
        mutation(session_of(shop), "exec.run", unit="alpha", lane="feat", lock=None) as run,
        pytest.raises(Blocked, match="lease_lost"),
        held(run.session, run, "alpha", "feat"),
    ):
        pass


def test_tokens_are_never_used_again_for_a_lane_that_is_made_again(shop: World) -> None:
    from gr2.ops.lease import retire
    from gr2.ops.lease_grant import open_book

    lease_acquire(session_of(shop), LANE)
    with (
        mutation(session_of(shop), "lane.archive", unit="alpha", lane="feat") as run,
        open_book(run, "alpha", "feat") as book,
    ):
        retire(run, book)

    again = lease_acquire(session_of(shop, B), LANE)

    assert again.lease is not None
    assert again.lease.token == 2
    assert types(shop) == ["lease.acquired", "lease.released", "lease.acquired"]


class _Dies(BaseException):
    pass


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_events_of_a_grant_that_was_killed_are_told_by_any_next_command(
    shop: World, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    lease_acquire(session_of(shop, B), LANE, ttl=10)
    shop.clock.advance(11)
    emit, count = Outbox.emit, 0

    def emit_until_killed(self: Outbox, *args: object, **options: object) -> object:
        nonlocal count
        if count == survived:
            raise _Dies
        count += 1
        return emit(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "emit", emit_until_killed)
    with pytest.raises(_Dies):
        lease_acquire(session_of(shop), LANE)
    monkeypatch.setattr(Outbox, "emit", emit)

    with mutation(session_of(shop, C), "anything"):
        pass

    assert types(shop) == ["lease.acquired", "lease.expired", "lease.reclaimed", "lease.acquired"]
    assert [event["actor"] for event in events(shop)] == [B, A, A, A]
    assert os.listdir(shop.path(".grip/state/leases/.unsettled")) == []


def test_a_grant_that_was_killed_before_it_happened_has_no_event(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import gr2.store.leases as store

    def die(*args: object, **options: object) -> None:
        raise _Dies

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_state", die)
        with pytest.raises(_Dies):
            lease_acquire(session_of(shop), LANE)

    with mutation(session_of(shop, B), "anything"):
        pass

    assert events(shop) == []
    assert read_leases(session_of(shop).layout, "alpha", "feat").leases == ()


def test_a_log_that_cannot_be_written_refuses_the_grant(shop: World) -> None:
    os.makedirs(shop.path(".grip/events"))
    os.mkfifo(shop.path(".grip/events/outbox.jsonl"))

    assert refused(lease_acquire, session_of(shop), LANE).code == "outbox_unwritable"
    assert read_leases(session_of(shop).layout, "alpha", "feat").leases == ()


def test_damaged_leases_are_said_and_never_taken_for_none(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE)
    shop.write(session_of(shop).layout.lease_file("alpha", "feat"), '{"version": 1, "leases": [{"mode": 3}]}')

    assert refused(check, session_of(shop), "alpha", "feat").code == "state_unreadable"
    assert refused(lease_acquire, session_of(shop), LANE).code == "state_unreadable"


def test_leases_that_a_newer_gr2_wrote_are_read_and_not_changed(shop: World) -> None:
    lease_acquire(session_of(shop, B), LANE)
    path = session_of(shop).layout.lease_file("alpha", "feat")
    shop.write(path, shop.read(path).replace('"version": 1', '"version": 2, "more": true'))

    assert len(lease_show(session_of(shop), LANE).leases) == 1
    assert refused(lease_release, session_of(shop, B), LANE).code == "newer_version"


def test_lanes_with_folders_in_their_names_have_leases_of_their_own(shop: World) -> None:
    for name in ("a/b", "a/c", "x.leases.json/y"):
        make_lane(shop, name)
        lease_acquire(session_of(shop), f"alpha/{name}")

    assert len(lease_show(session_of(shop), "alpha/a/b").leases) == 1
    assert refused(check, session_of(shop, B), "alpha", "a/c").code == "lease_conflict"


@pytest.mark.parametrize(
    "args",
    [
        ["acquire", LANE, "--ttl", "0"],
        ["acquire", LANE, "--ttl", "86401"],
        ["acquire", LANE, "--ttl", "1.5"],
        ["acquire", LANE, "--mode", "write"],
        ["acquire", LANE, "--force"],
        ["renew", LANE, "--ttl", "0"],
        ["acquire", "alpha/none"],
    ],
)
def test_what_makes_no_sense_is_invalid_and_grants_nothing(shop: World, args: list[str]) -> None:
    ran = shop.call("lane", "lease", *args, "--json")

    assert (ran.exit_code, ran.json["status"]) == (2, "invalid")
    assert events(shop) == []
