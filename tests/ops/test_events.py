"""`events list` and `events tail` as operations."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from gr2.model.event.base import Context, Event
from gr2.model.event.lane import LaneArchived, LaneSwitched
from gr2.model.event.query import EventQuery
from gr2.model.event.sync import SyncCacheSeeded
from gr2.model.outcome import Status
from gr2.ops.events import events_list, events_schema, events_tail
from gr2.ops.mutation import open_outbox
from gr2.testing.world import World


def emit(world: World, event: Event, *, actor: str = "agent:ada", unit: str = "alpha", operation: str = "") -> None:
    context = Context(workspace="shop", actor=actor, owner_unit=unit, operation_id=operation or None)
    with open_outbox(world.session()) as outbox:
        outbox.emit(event, context)


def archived(number: int) -> LaneArchived:
    return LaneArchived(lane_name=f"lane-{number}", reason="")


@pytest.fixture
def busy(world: World) -> World:
    world.write_spec()
    for number in range(1, 9):
        emit(world, archived(number), operation=f"op_{number:012x}")
    emit(world, SyncCacheSeeded(repo="app", duration_ms=3), actor="human:eve", unit="")
    emit(world, LaneSwitched(from_lane="lane-1", to_lane="lane-2", stashed_repos=("app",), discarded_repos=()))
    return world


def seqs(events: Any) -> list[int]:
    return [event["seq"] for event in events]


def test_a_list_holds_every_event_oldest_first(busy: World) -> None:
    result = events_list(busy.session(), EventQuery())

    assert seqs(result.events) == list(range(1, 11))
    assert (result.status, result.unknown, result.skipped.junk) == (Status.OK, 0, 0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (EventQuery(since=7), [8, 9, 10]),
        (EventQuery(type="sync.*"), [9]),
        (EventQuery(lane="lane-1"), [1, 10]),
        (EventQuery(lane="alpha/lane-2"), [2, 10]),
        (EventQuery(repo="app"), [9]),
        (EventQuery(actor="human:eve"), [9]),
        (EventQuery(operation="op_000000000003"), [3]),
        (EventQuery(type="none.*"), []),
    ],
)
def test_a_list_can_be_narrowed(busy: World, query: EventQuery, expected: list[int]) -> None:
    assert seqs(events_list(busy.session(), query).events) == expected


def test_a_limit_keeps_the_newest(busy: World) -> None:
    assert seqs(events_list(busy.session(), EventQuery(), limit=3).events) == [8, 9, 10]
    assert seqs(events_list(busy.session(), EventQuery(lane="lane-1"), limit=1).events) == [10]
    assert seqs(events_list(busy.session(), EventQuery(since=9), limit=3).events) == [10]


def test_a_limit_looks_as_far_back_as_it_must(world: World) -> None:
    world.write_spec()
    emit(world, archived(0))
    with open_outbox(world.session()) as outbox:
        for _ in range(3000):
            outbox.emit(SyncCacheSeeded(repo="app", duration_ms=1), Context(workspace="shop", actor="system"))

    assert seqs(events_list(world.session(), EventQuery(type="lane.*"), limit=1).events) == [1]
    assert len(events_list(world.session(), EventQuery(), limit=400).events) == 400


def test_junk_is_counted_and_the_unknown_is_listed(busy: World) -> None:
    strange = {"version": 1, "event_id": "0123456789abcdef", "seq": 11, "type": "moon.landed"}
    strange["timestamp"] = "2026-01-01T00:00:00Z"
    with open(busy.session().layout.outbox, "ab") as file:
        file.write(b"junk\n" + json.dumps(strange).encode() + b"\n")

    result = events_list(busy.session(), EventQuery())

    assert result.events[-1] == strange
    assert (result.skipped.junk, result.unknown) == (1, 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, list(range(1, 11))),
        ({"number": 3}, [8, 9, 10]),
        ({"number": 0}, []),
        ({"since": 2}, list(range(3, 11))),
        ({"since": 2, "number": 2}, [9, 10]),
        ({"since": 99}, []),
    ],
)
def test_a_tail_shows_the_newest(busy: World, given: dict[str, int], expected: list[int]) -> None:
    shown: list[dict[str, Any]] = []

    result = events_tail(busy.session(), shown.append, **given)

    assert seqs(shown) == expected
    assert result.exit_code == 0


def test_a_followed_tail_shows_what_is_added_until_a_signal_comes(busy: World) -> None:
    session = busy.session()
    shown: list[dict[str, Any]] = []

    def show(event: dict[str, Any]) -> None:
        shown.append(event)
        if event["seq"] < 15:
            emit(busy, archived(0))
        else:
            session.runner.cancellation.trip(15)

    result = events_tail(session, show, number=1, follow=True)

    assert seqs(shown) == [10, 11, 12, 13, 14, 15]
    assert (result.status, result.exit_code) == (Status.INTERRUPTED, 143)


def test_the_schemas_of_all_types_are_given() -> None:
    assert "lane.created" in events_schema().events


def test_a_command_leaves_no_file_of_the_log_open(world: World) -> None:
    world.write_spec()
    world.call("lane", "create", "alpha/feat")
    before = sorted(os.listdir("/dev/fd"))

    world.call("lane", "enter", "alpha/feat")

    assert sorted(os.listdir("/dev/fd")) == before
