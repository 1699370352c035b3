"""The rules of leases, without any file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gr2.model import lease as rules
from gr2.model.lease import Claim, LeaseTable, Moment
from gr2.model.lease_terms import MODES

NOW = Moment(wall=datetime(2026, 1, 2, tzinfo=UTC), monotonic=100.0, boot_id="one")
EMPTY = LeaseTable(owner_unit="alpha", lane_name="feat")


def later(seconds: float, *, wall: float | None = None, boot: str = "one") -> Moment:
    moved = timedelta(seconds=seconds if wall is None else wall)
    return Moment(wall=NOW.wall + moved, monotonic=NOW.monotonic + seconds, boot_id=boot)


def claim(holder: str = "agent:a", mode: str = "edit", ttl: int = 60, **extra: str) -> Claim:
    return Claim(holder=holder, mode=mode, ttl_seconds=ttl, lease_id=extra.pop("lease_id", f"ls_{holder}"), **extra)


def kinds(change: rules.Change) -> list[str]:
    return [event.TYPE for event in change.events]


@pytest.mark.parametrize(
    ("mine", "theirs", "together"),
    [
        ("edit", "edit", False),
        ("edit", "exec", False),
        ("edit", "review", False),
        ("review", "edit", False),
        ("review", "exec", False),
        ("review", "review", False),
        ("exec", "edit", False),
        ("exec", "review", False),
        ("exec", "exec", True),
    ],
)
def test_only_exec_goes_beside_anothers_lease(mine: str, theirs: str, together: bool) -> None:
    table = rules.acquire(EMPTY, claim("agent:b", theirs), NOW).table

    found = table.conflicting("agent:a", mine, NOW)

    assert (not found) is together


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("other", MODES)
def test_a_holder_never_conflicts_with_itself(mode: str, other: str) -> None:
    table = rules.acquire(EMPTY, claim(mode=mode), NOW).table

    assert table.conflicting("agent:a", other, NOW) == ()


def test_acquiring_again_renews_with_the_same_id_and_token() -> None:
    first = rules.acquire(EMPTY, claim(ttl=60), NOW)

    again = rules.acquire(first.table, claim(ttl=100, lease_id="ls_other"), later(30))

    assert kinds(again) == ["lease.renewed"]
    assert (again.leases[0].lease_id, again.leases[0].token) == ("ls_agent:a", 1)
    assert again.leases[0].seconds_left(later(30)) == 100
    assert len(again.table.leases) == 1


def test_an_expired_lease_is_reclaimed_by_the_next_acquire_and_its_holder_told_when_it_acts() -> None:
    table = rules.acquire(EMPTY, claim(ttl=10), NOW).table

    change = rules.acquire(table, claim("agent:b"), later(11))

    assert kinds(change) == ["lease.expired", "lease.reclaimed", "lease.acquired"]
    assert [lease.holder for lease in change.table.leases] == ["agent:b"]
    assert [loss.why for loss in change.table.losses("agent:a", later(11))] == ["expired"]
    assert change.leases[0].token == 2


def test_force_breaks_every_live_lease_in_the_way_and_each_has_an_event() -> None:
    table = rules.acquire(EMPTY, claim("agent:a", "exec"), NOW).table
    table = rules.acquire(table, claim("agent:b", "exec"), NOW).table

    change = rules.acquire(table, claim("agent:c", "edit", force_reason="urgent"), NOW)

    assert kinds(change) == ["lease.force_broken", "lease.force_broken", "lease.acquired"]
    assert change.table.losses("agent:a", NOW)[0].reason == "urgent"
    assert change.table.losses("agent:b", NOW)[0].by == "agent:c"


@pytest.mark.parametrize("years", [-10, 10])
def test_a_jump_of_the_wall_clock_neither_kills_a_live_lease_nor_keeps_a_dead_one(years: int) -> None:
    lease = rules.acquire(EMPTY, claim(ttl=60), NOW).leases[0]
    jump = years * 365 * 86_400.0

    assert lease.is_live(later(59, wall=jump))
    assert not lease.is_live(later(60, wall=jump))


def test_in_another_boot_the_wall_clock_decides() -> None:
    lease = rules.acquire(EMPTY, claim(ttl=60), NOW).leases[0]

    assert lease.is_live(later(-100, wall=59, boot="two"))
    assert not lease.is_live(later(-100, wall=60, boot="two"))
    assert not lease.is_live(later(-100, wall=-86_400, boot="two")), "a clock turned back keeps nothing alive"


def test_a_system_without_boot_ids_notices_that_its_clock_began_anew() -> None:
    lease = rules.acquire(EMPTY, claim(ttl=60), replace(NOW, boot_id="")).leases[0]

    assert lease.is_live(later(59, boot=""))
    assert not lease.is_live(Moment(wall=NOW.wall + timedelta(days=1), monotonic=5.0, boot_id=""))


def test_what_was_lost_is_remembered_until_it_is_forgotten() -> None:
    table = rules.acquire(EMPTY, claim(ttl=10), NOW).table

    known = rules.forget(table, "agent:a", later(11))

    assert known.losses("agent:a", later(11)) == ()
    assert kinds(rules.acquire(known, claim("agent:b"), later(11)))[0] == "lease.expired", "and still reclaimed"
    assert rules.acquire(known, claim("agent:b"), later(11)).table.losses("agent:a", later(12)) == ()


def test_acquiring_outright_is_the_way_back_from_every_loss() -> None:
    table = rules.acquire(EMPTY, claim(mode="exec", ttl=10), NOW).table
    table = rules.acquire(table, claim("agent:b", "edit", force_reason="r"), NOW).table
    table = rules.release(table, table.leases).table

    back = rules.acquire(table, claim(mode="edit"), NOW).table

    assert back.losses("agent:a", NOW) == ()


def test_a_lease_that_a_command_took_is_nobodys_to_remember() -> None:
    table = rules.acquire(EMPTY, claim(mode="exec", ttl=10, operation="op_1"), NOW).table

    assert table.losses("agent:a", later(11)) == ()
    assert rules.acquire(table, claim("agent:b"), later(11)).table.losses("agent:a", later(11)) == ()


def test_a_command_never_shortens_the_lease_its_actor_asked_for() -> None:
    table = rules.acquire(EMPTY, claim(mode="exec", ttl=1000), NOW).table

    change = rules.acquire(table, claim(mode="exec", ttl=900, operation="op_1"), NOW)

    assert change.leases[0].ttl_seconds == 1000
    assert change.leases[0].explicit
    assert change.leases[0].operations == ("op_1",)


def test_tokens_go_on_when_the_lane_went_away() -> None:
    table = rules.acquire(EMPTY, claim(), NOW).table

    change = rules.retire(table, NOW)

    assert kinds(change) == ["lease.released"]
    assert change.table.leases == ()
    assert rules.acquire(change.table, claim("agent:b"), NOW).leases[0].token == 2


def test_an_expiry_beyond_the_end_of_the_calendar_does_not_crash() -> None:
    moment = replace(NOW, wall=datetime.max.replace(tzinfo=UTC))

    assert rules.acquire(EMPTY, claim(ttl=86_400), moment).leases[0].is_live(moment)
