"""Reading the log: order, what is passed over, what is junk, and following it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gr2.edges.clock import Clock, Ids
from gr2.errors import Blocked
from gr2.model.event import Context
from gr2.model.event.lane import LaneArchived
from gr2.store import outbox_read
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox
from gr2.store.outbox_read import EventLog, Follower, event_at, newest_event

PROJECT = Path(__file__).parents[2]


def emit(root: Path, count: int, *, max_bytes: int = 10_000_000) -> None:
    with Outbox(Layout(str(root)), clock=Clock(), ids=Ids(), max_bytes=max_bytes) as outbox:
        for number in range(count):
            event = LaneArchived(lane_name=f"lane-{number}", reason="")
            outbox.emit(event, Context(workspace="shop", actor="system"))


def read(root: Path, since: int = 0) -> list[int]:
    return [event["seq"] for event in EventLog(Layout(str(root)), since=since)]


def log(root: Path) -> Path:
    return root / ".grip/events/outbox.jsonl"


def test_a_workspace_without_a_log_has_no_events(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    assert newest_event(Layout(str(tmp_path))) is None


def test_archives_come_before_the_current_file(tmp_path: Path) -> None:
    emit(tmp_path, 50, max_bytes=2000)

    assert read(tmp_path) == list(range(1, 51))


@pytest.mark.parametrize("max_bytes", [2_000, 200_000, 10_000_000])
@pytest.mark.parametrize("since", [0, 1, 2, 1999, 2000, 2001, 3998, 3999, 4000, 9000])
def test_since_gives_exactly_what_came_after(tmp_path: Path, max_bytes: int, since: int) -> None:
    emit(tmp_path, 4000, max_bytes=max_bytes)

    assert read(tmp_path, since) == list(range(since + 1, 4001))


def test_since_is_exact_among_junk(tmp_path: Path) -> None:
    emit(tmp_path, 4000)
    lines = log(tmp_path).read_bytes().splitlines(keepends=True)
    junk = [b"x" * 2000 + b"\n", b"\n", b'{"seq":5}\n']
    log(tmp_path).write_bytes(b"".join(junk[number % 3] + line for number, line in enumerate(lines)))

    for since in (0, 1, 777, 2500, 3999, 4000):
        assert read(tmp_path, since) == list(range(since + 1, 4001))


def test_the_end_of_a_long_history_is_found_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emit(tmp_path, 20_000, max_bytes=500_000)
    parsed: list[bytes] = []

    def count(line: bytes) -> dict[str, object] | None:
        parsed.append(line)
        found = json.loads(line)
        return found if isinstance(found, dict) else None

    monkeypatch.setattr(outbox_read, "parse_line", count)

    assert read(tmp_path, 19_999) == [20_000]
    assert len(parsed) < 3000


@pytest.mark.parametrize(
    "line",
    [
        b"text",
        b"",
        b"[]",
        b"7",
        b"\0\0",
        b"\xff",
        b'{"a":"\xc3"}',
        b"[" * 200_000,
        b'{"version":1,"event_id":"0123456789abcdef","seq":NaN,"timestamp":"2026-01-01T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"yesterday","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"2026-01-01T00:00:00","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"2026-02-29T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"2026-04-31T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"0000-01-01T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789ABCDEF","seq":3,"timestamp":"2026-01-01T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":-3,"timestamp":"2026-01-01T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":true,"timestamp":"2026-01-01T00:00:00Z","type":"x"}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"2026-01-01T00:00:00Z","type":""}',
        b'{"version":1,"event_id":"0123456789abcdef","seq":3,"timestamp":"2026-01-01T00:00:00Z","type":"x"} more',
        b'{"version":1,"seq":' + b"9" * 5000 + b"}",
    ],
)
def test_a_line_that_is_no_envelope_is_junk(tmp_path: Path, line: bytes) -> None:
    emit(tmp_path, 1)
    with log(tmp_path).open("ab") as file:
        file.write(line + b"\n")
    emit(tmp_path, 1)

    reading = EventLog(Layout(str(tmp_path)))

    assert [event["seq"] for event in reading] == [1, 2]
    assert reading.junk == 1


def test_a_torn_last_line_is_junk_and_never_an_event(tmp_path: Path) -> None:
    emit(tmp_path, 2)
    log(tmp_path).write_bytes(log(tmp_path).read_bytes()[:-1])

    reading = EventLog(Layout(str(tmp_path)))

    assert [event["seq"] for event in reading] == [1]
    assert reading.junk == 1


def test_unknown_types_versions_and_fields_are_given_as_they_are(tmp_path: Path) -> None:
    emit(tmp_path, 1)
    strange = {
        "version": 9,
        "event_id": "0123456789abcdef",
        "seq": 2,
        "timestamp": "2026-01-01T00:00:00+02:00",
        "type": "moon.landed",
        "crew": [{"name": "é"}],
    }
    with log(tmp_path).open("ab") as file:
        file.write(json.dumps(strange).encode() + b"\n")

    assert list(EventLog(Layout(str(tmp_path)), since=1)) == [strange]


HUGE = """
import resource, sys
from gr2.store.layout import Layout
from gr2.store.outbox_read import EventLog
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reading = EventLog(Layout(sys.argv[1]))
print(*[event["seq"] for event in reading], reading.junk)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000)
"""


def test_a_huge_line_is_junk_and_never_in_memory(tmp_path: Path) -> None:
    emit(tmp_path, 1)
    with log(tmp_path).open("r+b") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    emit(tmp_path, 1)

    argv = [sys.executable, "-c", HUGE, tmp_path]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)

    assert done.stdout.split() == ["1", "2", "1", "True"]


def test_a_log_that_is_no_file_is_refused(tmp_path: Path) -> None:
    log(tmp_path).parent.mkdir(parents=True)
    os.mkfifo(log(tmp_path))

    with pytest.raises(Blocked, match="outbox_unwritable"):
        read(tmp_path)


def test_an_archive_that_is_no_file_is_passed_over(tmp_path: Path) -> None:
    emit(tmp_path, 2)
    os.mkfifo(log(tmp_path).parent / "outbox.20200101T000000.000000Z.jsonl")

    assert read(tmp_path) == [1, 2]


def test_a_rotation_in_the_middle_of_a_reading_loses_nothing(tmp_path: Path) -> None:
    emit(tmp_path, 100)
    events = iter(EventLog(Layout(str(tmp_path))))
    first = next(events)["seq"]
    emit(tmp_path, 1, max_bytes=1)

    assert [first, *(event["seq"] for event in events)] == list(range(1, 101))


def test_following_goes_on_over_rotations_and_damage(tmp_path: Path) -> None:
    follower = Follower(Layout(str(tmp_path)), since=0)
    seen = [event["seq"] for event in follower.poll()]
    for turn in range(10):
        emit(tmp_path, 7, max_bytes=1500)
        if turn % 3 == 0:
            with log(tmp_path).open("ab") as file:
                file.write(b'{"torn')
        seen += [event["seq"] for event in follower.poll()]

    assert seen == list(range(1, 71))


def test_following_from_a_seq_begins_after_it(tmp_path: Path) -> None:
    emit(tmp_path, 5)

    assert [event["seq"] for event in Follower(Layout(str(tmp_path)), since=3).poll()] == [4, 5]


def test_an_event_is_found_by_its_seq(tmp_path: Path) -> None:
    emit(tmp_path, 30, max_bytes=1500)

    found = event_at(Layout(str(tmp_path)), 17)

    assert found is not None
    assert found["lane_name"] == "lane-16"
    assert event_at(Layout(str(tmp_path)), 31) is None
    newest = newest_event(Layout(str(tmp_path)))
    assert newest is not None
    assert newest["seq"] == 30


def test_a_rotation_before_the_archives_are_listed_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(tmp_path, 3)
    real = outbox_read.archive_names

    def rotated_first(folder: str) -> list[str]:
        monkeypatch.setattr(outbox_read, "archive_names", real)
        emit(tmp_path, 1, max_bytes=1)
        return real(folder)

    monkeypatch.setattr(outbox_read, "archive_names", rotated_first)

    assert read(tmp_path) == [1, 2, 3]


def test_two_rotations_before_the_archives_are_listed_keep_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(tmp_path, 20, max_bytes=2000)
    real = outbox_read.archive_names

    def rotated_first(folder: str) -> list[str]:
        monkeypatch.setattr(outbox_read, "archive_names", real)
        emit(tmp_path, 40, max_bytes=2000)
        return real(folder)

    monkeypatch.setattr(outbox_read, "archive_names", rotated_first)

    found = read(tmp_path, since=1)

    assert found == list(range(2, len(found) + 2))
    assert len(found) > 20
