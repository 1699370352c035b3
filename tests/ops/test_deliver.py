"""Feeding sinks: in order, at least once, whatever the sink, the cursor or the log do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gr2.edges.clock import Clock as RealClock
from gr2.errors import Gr2Error, Invalid
from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.model.outcome import Status
from gr2.ops import feed
from gr2.ops.deliver import EventsDeliverResult, deliver_pending, events_deliver, feed_for_reader
from gr2.ops.enabled_sinks import enabled_sinks
from gr2.ops.events_gc import events_gc
from gr2.ops.mutation import open_outbox
from gr2.plugin.index import Plugin, Provided
from gr2.plugin.manager import Plugins
from gr2.session import Session
from gr2.store.cursors import Cursor, cursor_path, read_cursor, write_cursor
from gr2.store.sink_state import dead_letters, read_sink_state
from gr2.testing.world import World

SINKS = ("rec", "other")


def plugins(*, default_on: bool = False) -> Plugins:
    provides = tuple(
        Provided(family="sink", name=name, path="tests.ops.recording_sink:Recording", default_on=default_on)
        for name in SINKS
    )
    plugin = Plugin(
        name="test", target="x", distribution="gr2-test", version="1", state="ok", provides=provides, settings={}, api=1
    )
    return Plugins(installed=lambda: (plugin,), prefer={}, config={}, warn=lambda line: None)


def session_of(world: World, *, on: tuple[str, ...] = (), default_on: bool = False) -> Session:
    session = world.session(plugins=plugins(default_on=default_on), wait_seconds=0.1)
    return replace(session, settings=replace(session.settings, event_sinks=on))


def emit(world: World, count: int, *, max_bytes: int | None = None) -> list[str]:
    session = world.session()
    if max_bytes is not None:
        session = replace(session, settings=replace(session.settings, outbox_max_bytes=max_bytes))
    with open_outbox(session) as outbox:
        context = Context(workspace="shop", actor="system")
        return [outbox.emit(LaneArchived(lane_name=str(n), reason=""), context).event_id for n in range(count)]


def received(world: World) -> list[int]:
    if not os.path.exists(world.path("received.jsonl")):
        return []
    return [json.loads(line)["seq"] for line in world.read("received.jsonl").splitlines()]


def event_id(world: World, index: int) -> str:
    return str(json.loads(world.read(".grip/events/outbox.jsonl").splitlines()[index])["event_id"])


def receiver(world: World, **wanted: Any) -> None:
    world.write("receiver.json", json.dumps(wanted))


def deliver(world: World, **options: Any) -> EventsDeliverResult:
    return events_deliver(session_of(world), ("rec",), **options)


@pytest.fixture
def busy(world: World) -> World:
    world.write_spec()
    emit(world, 10)
    return world


def test_everything_is_delivered_in_order_and_once(busy: World) -> None:
    result = deliver(busy)

    assert received(busy) == list(range(1, 11))
    (row,) = result.sinks
    assert (row.sink, row.delivered, row.pending, row.dead_lettered) == ("rec", 10, 0, 0)
    assert (row.last_error, row.next_attempt_at, result.status) == (None, None, Status.SUCCESS)


def test_the_cursor_holds_the_contracts_fields(busy: World) -> None:
    deliver(busy)

    with open(cursor_path(busy.session().layout, "rec"), encoding="utf-8") as file:
        said = json.load(file)

    assert list(said) == ["version", "consumer", "last_seq", "last_event_id", "last_read"]
    assert (said["consumer"], said["last_seq"]) == ("rec", 10)


def test_a_second_run_goes_on_where_the_first_ended(busy: World) -> None:
    deliver(busy)
    emit(busy, 3)

    result = deliver(busy)

    assert received(busy) == list(range(1, 14))
    assert result.sinks[0].delivered == 3


def test_a_run_with_nothing_to_do_does_not_make_the_sink(busy: World) -> None:
    deliver(busy)
    receiver(busy, unmakeable=True)

    assert deliver(busy).status is Status.SUCCESS


def test_a_log_without_events_is_success(world: World) -> None:
    world.write_spec()

    result = deliver(world)

    assert (result.status, result.sinks[0].pending) == (Status.SUCCESS, 0)


def test_rotations_are_followed(world: World) -> None:
    world.write_spec()
    for _ in range(5):
        emit(world, 7, max_bytes=900)
        deliver(world)

    assert received(world) == list(range(1, 36))


def test_a_sink_may_take_a_part_of_each_batch(busy: World) -> None:
    receiver(busy, take=3, batch=5)

    deliver(busy)

    assert received(busy) == list(range(1, 11))


def test_junk_and_unknown_types_do_not_stop_delivery(busy: World) -> None:
    strange = {
        "version": 9,
        "event_id": "0" * 16,
        "seq": 11,
        "timestamp": "2026-01-01T00:00:00Z",
        "type": "moon.landed",
    }
    with open(busy.session().layout.outbox, "ab") as file:
        file.write(b"junk\n" + json.dumps(strange).encode() + b"\n{torn")

    result = deliver(busy)

    assert received(busy) == list(range(1, 12))
    assert json.loads(busy.read("received.jsonl").splitlines()[-1]) == strange
    assert result.status is Status.SUCCESS


def test_an_unavailable_sink_keeps_events_pending_and_backs_off(busy: World) -> None:
    receiver(busy, unavailable="gone fishing")
    waits = []
    for _ in range(11):
        result = deliver(busy)
        (row,) = result.sinks
        state = read_sink_state(busy.session().layout, "rec")
        assert state.next_attempt_at is not None
        waits.append(int(state.next_attempt_at[17:19]) + 60 * int(state.next_attempt_at[14:16]) - 245)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert (row.pending, row.delivered, row.last_error) == (10, 0, "gone fishing")
    assert result.status is Status.ATTENTION
    assert received(busy) == []


def test_success_ends_the_back_off(busy: World) -> None:
    receiver(busy, unavailable="gone")
    deliver(busy)
    receiver(busy)

    result = deliver(busy)

    assert result.sinks[0].next_attempt_at is None
    assert read_sink_state(busy.session().layout, "rec").failures == 0


def test_a_sink_may_ask_for_a_longer_wait_but_not_for_ever(busy: World) -> None:
    receiver(busy, unavailable="busy", retry_after=100_000)

    result = deliver(busy)

    assert result.sinks[0].next_attempt_at == "2026-01-02T03:09:05.000000+00:00"


def test_an_event_is_dead_after_five_rejections_and_the_rest_goes_on(busy: World) -> None:
    bad = event_id(busy, 4)
    receiver(busy, reject=[bad])

    results = [deliver(busy) for _ in range(5)]

    assert [result.sinks[0].pending for result in results] == [6, 6, 6, 6, 0]
    assert received(busy) == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert results[-1].sinks[0].dead_lettered == 1
    assert results[-1].status is Status.ATTENTION
    (row,) = dead_letters(busy.session().layout, "rec")
    assert (row["event"]["seq"], row["attempts"], row["reason"]) == (5, 5, "no, thank you")


def test_unavailability_does_not_count_as_a_rejection(busy: World) -> None:
    receiver(busy, unavailable="gone")
    for _ in range(9):
        deliver(busy)

    assert list(dead_letters(busy.session().layout, "rec")) == []
    assert deliver(busy).sinks[0].pending == 10


def bury_first(world: World) -> str:
    bad = event_id(world, 0)
    receiver(world, reject=[bad])
    for _ in range(5):
        deliver(world)
    return bad


def test_dead_letters_can_be_tried_again(busy: World) -> None:
    bury_first(busy)
    receiver(busy)

    result = deliver(busy, retry_dead=True)

    assert received(busy)[-1] == 1
    assert (result.sinks[0].dead_lettered, result.sinks[0].delivered) == (0, 1)
    assert result.status is Status.SUCCESS


def test_a_dead_letter_that_is_rejected_again_stays(busy: World) -> None:
    bury_first(busy)

    result = deliver(busy, retry_dead=True)

    (row,) = dead_letters(busy.session().layout, "rec")
    assert row["attempts"] == 6
    assert result.sinks[0].dead_lettered == 1


def test_dead_letters_stay_when_the_sink_is_away(busy: World) -> None:
    bury_first(busy)
    receiver(busy, unavailable="gone")

    assert deliver(busy, retry_dead=True).sinks[0].dead_lettered == 1


def test_damage_among_the_dead_letters_is_passed_over(busy: World) -> None:
    bury_first(busy)
    path = busy.path(".grip/events/dead/rec.jsonl")
    with open(path, "ab") as file:
        file.write(b'junk\n[]\n{"event": 1}\n{"torn')

    assert deliver(busy).sinks[0].dead_lettered == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {"raises": True},
        {"unmakeable": True},
        {"answer": None},
        {"answer": {"accepted": 3}},
        {"batch": "many"},
    ],
)
def test_a_named_sink_that_breaks_is_a_failed_plugin(busy: World, wanted: dict[str, Any]) -> None:
    receiver(busy, **wanted)

    result = deliver(busy)

    assert (result.status, result.exit_code) == (Status.FAILED, 1)
    assert [issue.code for issue in result.issues] == ["plugin_failed"]
    assert result.sinks[0].pending == 10
    assert result.sinks[0].next_attempt_at is not None


def spoil(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    change(said)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(said, file)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(last_seq=-1),
        lambda said: said.update(last_seq=10**30),
        lambda said: said.update(last_seq=11),
        lambda said: said.update(last_seq=True),
        lambda said: said.update(last_seq="10"),
        lambda said: said.update(last_event_id="0" * 16),
        lambda said: said.update(last_event_id=None),
        lambda said: said.update(last_event_id=7),
        lambda said: said.update(last_seq=9),
        lambda said: said.update(last_seq=0),
        lambda said: said.update(consumer="another"),
        lambda said: said.pop("last_seq"),
        lambda said: said.pop("version"),
    ],
)
def test_a_cursor_that_does_not_fit_stops_its_consumer(busy: World, change: Callable[[dict[str, Any]], object]) -> None:
    deliver(busy)
    path = cursor_path(busy.session().layout, "rec")
    spoil(path, change)
    before = busy.read(path)
    emit(busy, 2)

    result = deliver(busy)

    assert [issue.code for issue in result.issues] == ["cursor_invalid"]
    assert (result.status, result.exit_code) == (Status.BLOCKED, 3)
    assert "--from" in result.issues[0].hint
    assert received(busy) == list(range(1, 11))
    assert busy.read(path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "\0", '"x"'])
def test_a_cursor_that_cannot_be_read_stops_its_consumer(busy: World, content: str) -> None:
    busy.write(cursor_path(busy.session().layout, "rec"), content)

    assert [issue.code for issue in deliver(busy).issues] == ["cursor_invalid"]


def test_a_log_put_back_from_a_backup_is_found_out(busy: World) -> None:
    backup = busy.read(".grip/events/outbox.jsonl")
    emit(busy, 5)
    deliver(busy)
    busy.write(".grip/events/outbox.jsonl", backup)

    assert [issue.code for issue in deliver(busy).issues] == ["cursor_invalid"]
    emit(busy, 5)
    assert [issue.code for issue in deliver(busy).issues] == ["cursor_invalid"]


def test_a_log_that_lost_events_behind_the_cursor_says_so(busy: World) -> None:
    deliver(busy)
    emit(busy, 5)
    lines = busy.read(".grip/events/outbox.jsonl").splitlines(keepends=True)
    busy.write(".grip/events/outbox.jsonl", "".join(lines[:11] + lines[13:]))

    result = deliver(busy)

    (issue,) = result.issues
    assert (issue.code, issue.blocking, issue.details) == ("events_missing", False, {"first": 12, "last": 13})
    assert received(busy)[10:] == [11, 14, 15]


@pytest.mark.parametrize(
    ("place", "expected"),
    [("start", list(range(1, 11))), ("end", []), ("8", [8, 9, 10]), ("11", []), ("1", list(range(1, 11)))],
)
def test_a_person_may_set_the_cursor(busy: World, place: str, expected: list[int]) -> None:
    busy.write(cursor_path(busy.session().layout, "rec"), "broken")

    result = deliver(busy, place=place)

    assert received(busy) == expected
    assert result.status is Status.SUCCESS
    assert deliver(busy).status is Status.SUCCESS


@pytest.mark.parametrize("place", ["12", "0", "-1", "x", "99999999999999999999", "1.5", "²"])
def test_a_place_that_the_log_does_not_have_is_invalid(busy: World, place: str) -> None:
    result = deliver(busy, place=place)

    assert ([issue.code for issue in result.issues], result.status) == (["invalid_seq"], Status.INVALID)


def test_a_place_needs_one_sink(busy: World) -> None:
    for sinks in ((), ("rec", "other")):
        with pytest.raises(Invalid, match="usage"):
            events_deliver(session_of(busy), sinks, place="start")


@pytest.mark.parametrize("name", ["../../x", "nowhere", "REC", ""])
def test_an_unknown_sink_is_invalid(busy: World, name: str) -> None:
    with pytest.raises(Gr2Error) as caught:
        events_deliver(session_of(busy), (name,))

    assert caught.value.code == "unknown_plugin"


def test_without_names_the_sinks_that_are_on_are_fed(busy: World) -> None:
    session = session_of(busy, on=("other", "stdout"))

    result = events_deliver(session)

    assert [row.sink for row in result.sinks] == ["other"]
    assert enabled_sinks(session_of(busy, default_on=True)) == ("other", "rec")
    assert events_deliver(session_of(busy)).sinks == ()


def test_one_broken_sink_does_not_keep_events_from_another(busy: World) -> None:
    busy.write(cursor_path(busy.session().layout, "other"), "broken")

    result = events_deliver(session_of(busy), ("other", "rec"))

    assert received(busy) == list(range(1, 11))
    assert result.status is Status.PARTIAL_FAILURE


def test_following_delivers_what_is_added_until_a_signal_comes(busy: World) -> None:
    session = session_of(busy)
    real, turns = session.clock.sleep, [0]

    class Clock(type(session.clock)):  # type: ignore[misc]
        def sleep(self, seconds: float) -> None:
            turns[0] += 1
            if turns[0] == 1:
                emit(busy, 3)
            if turns[0] == 5:
                session.runner.cancellation.trip(2)
            real(seconds)

    result = events_deliver(replace(session, clock=Clock()), ("rec",), follow=True)

    assert received(busy) == list(range(1, 14))
    assert (result.status, result.exit_code) == (Status.INTERRUPTED, 130)
    assert result.sinks[0].delivered == 13


def test_a_signal_ends_a_delivery_that_does_not_come_back(busy: World) -> None:
    receiver(busy, seconds=30)
    session = replace(session_of(busy), clock=RealClock())
    timer = threading.Timer(0.5, session.runner.cancellation.trip, (15,))
    timer.start()

    result = events_deliver(session, ("rec",))

    timer.join()
    assert (result.status, result.exit_code, result.sinks[0].pending) == (Status.INTERRUPTED, 143, 10)


def test_a_sink_that_does_not_come_back_is_left_behind(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BATCH_SECONDS", 0.1)
    monkeypatch.setattr(feed, "OVERDUE_SECONDS", 0.1)
    receiver(busy, seconds=30)
    session = replace(session_of(busy), clock=RealClock())
    started = time.monotonic()

    result = events_deliver(session, ("rec",))

    assert time.monotonic() - started < 20
    assert (result.status, [issue.code for issue in result.issues]) == (Status.FAILED, ["plugin_failed"])
    assert read_sink_state(session.layout, "rec").failures == 1
    assert [issue.code for issue in events_deliver(session_of(busy), ("rec",)).issues] == ["sink_busy"]


def test_a_sink_that_failed_may_take_its_time_to_close(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BATCH_SECONDS", 0.1)
    monkeypatch.setattr(feed, "OVERDUE_SECONDS", 0.1)
    receiver(busy, raises=True, close_seconds=0.5)
    session = replace(session_of(busy), clock=RealClock())

    result = events_deliver(session, ("rec",))

    assert (result.status, read_sink_state(session.layout, "rec").failures) == (Status.FAILED, 1)


def test_the_attempt_after_a_command_feeds_what_is_on(busy: World) -> None:
    deliver_pending(session_of(busy, on=("rec",)))

    assert received(busy) == list(range(1, 11))


def test_the_attempt_after_a_command_respects_back_off(busy: World) -> None:
    receiver(busy, unavailable="gone")
    session = session_of(busy, on=("rec",))
    deliver_pending(session)
    receiver(busy)

    deliver_pending(session)
    assert received(busy) == []
    busy.clock.advance(1.5)
    deliver_pending(session)
    assert received(busy) == list(range(1, 11))


@pytest.mark.parametrize("wanted", [{"raises": True}, {"unmakeable": True}, {"answer": 3}])
def test_the_attempt_after_a_command_never_raises(busy: World, wanted: dict[str, Any]) -> None:
    receiver(busy, **wanted)

    deliver_pending(session_of(busy, on=("rec", "nowhere", "../../x")))

    assert read_sink_state(busy.session().layout, "rec").failures == 1


def test_the_attempt_after_a_command_leaves_a_slow_sink_behind(busy: World) -> None:
    receiver(busy, seconds=5)
    session = session_of(busy, on=("rec",))
    started = time.monotonic()

    deliver_pending(session, budget=0.2)
    deliver_pending(session, budget=0.2)

    assert time.monotonic() - started < 4
    assert read_sink_state(busy.session().layout, "rec").failures == 1


def test_only_one_process_feeds_a_sink(busy: World) -> None:
    from gr2.edges.locks import FileLock

    with FileLock(busy.session().layout.lock("sink.rec")):
        result = deliver(busy)

    assert [issue.code for issue in result.issues] == ["sink_busy"]
    assert (result.status, result.sinks[0].pending) == (Status.ATTENTION, 10)


def test_a_reader_gets_the_sink_fed_before(busy: World) -> None:
    assert feed_for_reader(session_of(busy), "rec") == ()
    assert received(busy) == list(range(1, 11))
    emit(busy, 2)
    assert feed_for_reader(session_of(busy), "rec") == ()
    assert received(busy) == list(range(1, 13))


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        ({"unmakeable": True}, "plugin_failed", "cannot be made"),
        ({"raises": True}, "plugin_failed", "went wrong"),
        ({"unavailable": "gone"}, "events_pending", "10 events wait to be delivered to rec: gone"),
    ],
)
def test_a_reader_is_told_what_kept_the_sink_from_being_fed(
    busy: World, wanted: dict[str, Any], code: str, message: str
) -> None:
    receiver(busy, **wanted)

    (issue,) = feed_for_reader(session_of(busy), "rec")

    assert (issue.code, issue.blocking) == (code, False)
    assert message in issue.message


def test_a_reader_does_not_wait_for_a_long_backlog(busy: World) -> None:
    (issue,) = feed_for_reader(session_of(busy), "rec", seconds=0)

    assert (issue.code, issue.hint) == ("events_pending", "gr2 events deliver --sink rec")
    assert issue.message == "10 events wait to be delivered to rec"
    assert received(busy) == []


def archives(world: World) -> list[str]:
    return sorted(name for name in os.listdir(world.path(".grip/events")) if name.startswith("outbox.2"))


@pytest.fixture
def old(world: World) -> World:
    """Four archives of three events and one of the current file, all older than a week."""
    world.write_spec()
    for _ in range(4):
        emit(world, 3)
        world.clock.advance(1)
        emit(world, 1, max_bytes=1)
    world.clock.advance(8 * 86400)
    return world


def test_old_archives_that_nobody_reads_are_removed(old: World) -> None:
    before = archives(old)

    result = events_gc(session_of(old))

    assert archives(old) == []
    assert list(result.removed) == [f".grip/events/{name}" for name in before]
    assert emit(old, 1)
    assert deliver(old).sinks[0].pending == 0


def test_archives_younger_than_a_week_stay(old: World) -> None:
    old.clock.advance(-2 * 86400)

    events_gc(session_of(old))

    assert len(archives(old)) == 4


def test_an_archive_a_cursor_has_not_passed_stays(old: World) -> None:
    deliver(old, place="start")
    event = json.loads(old.read("received.jsonl").splitlines()[6])
    cursor = Cursor(consumer="rec", last_seq=event["seq"], last_event_id=event["event_id"], last_read="")
    write_cursor(old.session().layout, cursor)

    events_gc(session_of(old))

    assert len(archives(old)) == 3
    result = deliver(old)
    assert result.status is Status.SUCCESS
    assert received(old)[-1] == 16


def test_a_cursor_at_the_end_of_an_archive_can_still_be_checked(old: World) -> None:
    deliver(old)

    events_gc(session_of(old))

    assert deliver(old).status is Status.SUCCESS


def test_a_sink_that_is_on_and_has_not_begun_keeps_everything(old: World) -> None:
    events_gc(session_of(old, on=("rec",)))

    assert len(archives(old)) == 4


def test_a_dead_consumer_can_be_forgotten(old: World) -> None:
    write_cursor(old.session().layout, Cursor(consumer="gone"))

    assert events_gc(session_of(old)).removed == ()
    result = events_gc(session_of(old), forget=("gone",))

    assert (result.forgotten, archives(old)) == (("gone",), [])


@pytest.mark.parametrize("name", ["nobody", "../../workspace_spec"])
def test_a_consumer_without_a_cursor_cannot_be_forgotten(old: World, name: str) -> None:
    with pytest.raises(Invalid):
        events_gc(session_of(old), forget=(name,))


def test_the_newest_archive_stays_while_the_current_file_is_empty(old: World) -> None:
    os.unlink(old.path(".grip/events/outbox.jsonl"))
    newest = archives(old)[-1]

    events_gc(session_of(old))

    assert archives(old) == [newest]
    emit(old, 1)
    assert read_cursor(old.session().layout, "rec").last_seq == 0


def test_a_broken_cursor_keeps_everything_and_is_said(old: World) -> None:
    old.write(cursor_path(old.session().layout, "rec"), "broken")

    result = events_gc(session_of(old))

    assert len(archives(old)) == 4
    assert [issue.code for issue in result.issues] == ["cursor_invalid"]
