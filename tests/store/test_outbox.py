"""Appending to the log: numbers, damage, rotation, and what refuses to be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from gr2.edges.clock import Clock, Ids
from gr2.errors import Blocked, Invalid
from gr2.model.event import Context, Event
from gr2.model.event.failure import FailureResolved
from gr2.model.event.lane import LaneArchived
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox

PROJECT = Path(__file__).parents[2]
CONTEXT = Context(workspace="shop", actor="agent:ada", owner_unit="alpha")


def archived(name: str = "feat", reason: str = "") -> LaneArchived:
    return LaneArchived(lane_name=name, reason=reason)


def open_outbox(root: Path, *, max_bytes: int = 10_000_000, clock: Clock | None = None) -> Outbox:
    return Outbox(Layout(str(root)), clock=clock or Clock(), ids=Ids(), max_bytes=max_bytes)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with open_outbox(tmp_path) as found:
        yield found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / ".grip/events/outbox.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def run(script: str, root: Path) -> list[str]:
    """The words that `script` prints in a process of its own."""
    whole = "import sys\nfrom tests.store.test_outbox import *\n" + script
    done = subprocess.run(
        [sys.executable, "-c", whole, root], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()


def files(log: Path) -> list[Path]:
    return [*sorted(log.parent.glob("outbox.2*.jsonl")), log]


def test_a_line_is_envelope_context_and_fields_in_the_contracts_order(outbox: Outbox, log: Path) -> None:
    outbox.emit(
        archived(), Context(workspace="shop", actor="system", agent_id="a1", owner_unit="u", operation_id="op_1")
    )

    text = log.read_text(encoding="ascii")

    keys = ["version", "event_id", "seq", "timestamp", "type", "workspace", "actor", "agent_id", "owner_unit"]
    assert list(json.loads(text)) == [*keys, "operation_id", "lane_name", "reason"]
    assert text.endswith("}\n")


def test_what_is_not_known_is_left_out(outbox: Outbox, log: Path) -> None:
    outbox.emit(archived(), CONTEXT)

    assert {"agent_id", "operation_id"}.isdisjoint(lines(log)[0])


def test_text_that_is_not_ascii_is_escaped(outbox: Outbox, log: Path) -> None:
    outbox.emit(archived(reason="zu Ende – \u202e\x1b\udc80"), CONTEXT)

    assert log.read_bytes().isascii()
    assert lines(log)[0]["reason"] == "zu Ende – \u202e\x1b\udc80"


def test_the_resolved_failure_names_the_operation_that_failed(outbox: Outbox, log: Path) -> None:
    event = FailureResolved(operation_id="op_old", resolved_by="human:eve", resolution="skip", lane_name="")

    outbox.emit(event, Context(workspace="shop", actor="human:eve", operation_id="op_new"))

    assert lines(log)[0]["operation_id"] == "op_old"


def test_an_event_with_a_reserved_field_is_refused(outbox: Outbox, log: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Bad(Event):
        TYPE: ClassVar[str] = "bad.event"
        actor: str

    with pytest.raises(Invalid, match="invalid_event"):
        outbox.emit(Bad(actor="me"), CONTEXT)
    assert not log.exists()


def test_a_value_json_cannot_hold_is_refused(outbox: Outbox, log: Path) -> None:
    with pytest.raises(Invalid, match="invalid_event"):
        outbox.emit(LaneArchived(lane_name="x", reason=float("nan")), CONTEXT)  # type: ignore[arg-type]
    assert not log.exists()


def test_seq_grows_by_one_over_processes_and_instances(tmp_path: Path, outbox: Outbox) -> None:
    with open_outbox(tmp_path) as other:
        seqs = [box.emit(archived(), CONTEXT).seq for box in (outbox, other, other, outbox, other)]

    assert seqs == [1, 2, 3, 4, 5]


def test_files_are_private_whatever_the_umask(outbox: Outbox, log: Path) -> None:
    before = os.umask(0)
    try:
        outbox.emit(archived(), CONTEXT)
    finally:
        os.umask(before)

    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_a_reserved_id_is_the_events_id(outbox: Outbox) -> None:
    event_id = outbox.reserve_id()
    assert not outbox.contains(event_id)

    emitted = outbox.emit(archived(), CONTEXT, event_id=event_id)

    assert emitted.event_id == event_id
    assert outbox.contains(event_id)
    assert not outbox.contains(event_id, after=emitted.seq)


def test_an_id_in_an_archive_is_contained(tmp_path: Path) -> None:
    with open_outbox(tmp_path, max_bytes=1) as outbox:
        first = outbox.emit(archived(), CONTEXT)
        outbox.emit(archived(), CONTEXT)

        assert outbox.contains(first.event_id)


SYNCED = """
box, real = open_outbox(Path(sys.argv[1])), os.fsync
os.fsync = lambda descriptor: (print("fsync"), real(descriptor))
for _ in range(5):
    box.emit(archived(), CONTEXT)
box.sync()
box.sync()
"""


def test_one_sync_makes_all_events_of_a_command_durable(outbox: Outbox, tmp_path: Path) -> None:
    # The file, and the directory that got a new name.
    assert run(SYNCED, tmp_path) == ["fsync", "fsync"]


@pytest.mark.parametrize(
    "tail",
    [b'{"version":1,"event_id":"00', b"\0" * 5000, '{"a":"é'.encode()[:-1], b"x" * 300_000],
    ids=["torn", "nul", "half-utf8", "long"],
)
def test_a_torn_last_line_is_moved_aside_and_its_seq_used(outbox: Outbox, log: Path, tail: bytes) -> None:
    outbox.emit(archived(), CONTEXT)
    with log.open("ab") as file:
        file.write(tail)

    emitted = outbox.emit(archived(), CONTEXT)

    assert emitted.seq == 2
    assert [event["seq"] for event in lines(log)] == [1, 2]
    (kept,) = log.parent.glob("outbox.torn-*")
    assert kept.read_bytes() == tail
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_whole_event_without_its_line_feed_is_torn(outbox: Outbox, log: Path) -> None:
    outbox.emit(archived("one"), CONTEXT)
    outbox.emit(archived("two"), CONTEXT)
    log.write_bytes(log.read_bytes()[:-1])

    emitted = outbox.emit(archived("three"), CONTEXT)

    assert emitted.seq == 2
    assert [event["lane_name"] for event in lines(log)] == ["one", "three"]


@pytest.mark.parametrize(
    "junk",
    [
        b"hello\n",
        b"\n\n\n",
        b"\0\0\0\n",
        b'{"seq":900}\n',
        b'{"version":1,"event_id":"0123456789abcdef","seq":900,broken\n',
        b"[" * 100_000 + b"\n",
        b"y" * 400_000 + b"\n",
    ],
    ids=["text", "empty", "nul", "no-envelope", "broken", "deep", "long"],
)
def test_junk_lines_stay_and_do_not_count(tmp_path: Path, outbox: Outbox, log: Path, junk: bytes) -> None:
    outbox.emit(archived(), CONTEXT)
    with log.open("ab") as file:
        file.write(junk)

    assert outbox.emit(archived(), CONTEXT).seq == 2
    with open_outbox(tmp_path) as fresh:
        assert fresh.emit(archived(), CONTEXT).seq == 3
    assert junk in log.read_bytes()


def test_an_event_of_an_unknown_type_and_version_counts(outbox: Outbox, log: Path) -> None:
    outbox.emit(archived(), CONTEXT)
    strange = lines(log)[0] | {"version": 7, "type": "moon.landed", "seq": 2}
    with log.open("ab") as file:
        file.write(json.dumps(strange).encode() + b"\n")

    assert outbox.emit(archived(), CONTEXT).seq == 3


def test_the_log_rotates_before_the_append_that_would_exceed_its_size(tmp_path: Path, log: Path) -> None:
    with open_outbox(tmp_path, max_bytes=1000) as outbox:
        for _ in range(40):
            outbox.emit(archived(), CONTEXT)

    found = files(log)
    assert len(found) > 5
    assert all(path.stat().st_size <= 1000 for path in found)
    assert [event["seq"] for path in found for event in lines(path)] == list(range(1, 41))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in found)


def test_archives_sort_by_age_when_the_clock_goes_back(tmp_path: Path, log: Path) -> None:
    class Backwards(Clock):
        hour = 23

        def now(self) -> datetime:
            self.hour -= 1
            return datetime(2026, 1, 1, self.hour, tzinfo=UTC)

    with open_outbox(tmp_path, max_bytes=1, clock=Backwards()) as outbox:
        for _ in range(5):
            outbox.emit(archived(), CONTEXT)

    assert [event["seq"] for path in files(log) for event in lines(path)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("left", [None, b"", b"junk\n"], ids=["missing", "empty", "junk"])
def test_seq_goes_on_from_the_archives(tmp_path: Path, log: Path, left: bytes | None) -> None:
    with open_outbox(tmp_path, max_bytes=1) as outbox:
        for _ in range(3):
            outbox.emit(archived(), CONTEXT)
    log.unlink()
    if left is not None:
        log.write_bytes(left)

    with open_outbox(tmp_path) as outbox:
        assert outbox.emit(archived(), CONTEXT).seq == 3  # the third was in the file that went away


def test_a_log_replaced_meanwhile_is_noticed(outbox: Outbox, log: Path) -> None:
    for _ in range(3):
        outbox.emit(archived(), CONTEXT)
    whole = log.read_bytes()
    log.unlink()
    log.write_bytes(whole[: whole.index(b"\n") + 1])

    assert outbox.emit(archived(), CONTEXT).seq == 2


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    (path.parent / "elsewhere").write_text("")
    path.symlink_to("elsewhere")


def make_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [make_fifo, make_link, make_directory], ids=["fifo", "link", "directory"])
@pytest.mark.parametrize("place", [".grip/events/outbox.jsonl", ".grip/state/locks/outbox.lock"])
def test_anything_but_a_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None], place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    make(path)

    with open_outbox(tmp_path) as outbox, pytest.raises(Blocked) as caught:
        outbox.emit(archived(), CONTEXT)

    assert (caught.value.code, caught.value.scope) == ("outbox_unwritable", "event")
    reasons = {
        make_fifo: "it is not a regular file",
        make_link: "it is a symbolic link",
        make_directory: "is a directory",
    }
    assert caught.value.message == f"cannot write the event log: {reasons[make]}"
    assert not any(found.stat().st_size for found in tmp_path.rglob("elsewhere"))


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".grip").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".grip/events").symlink_to(tmp_path / "elsewhere")

    with open_outbox(tmp_path) as outbox, pytest.raises(Blocked, match="outbox_unwritable"):
        outbox.emit(archived(), CONTEXT)

    assert list((tmp_path / "elsewhere").iterdir()) == []


FULL = """
import resource
from gr2.errors import Gr2Error
box = open_outbox(Path(sys.argv[1]))
box.emit(archived(), CONTEXT)
size = os.stat(Path(sys.argv[1]) / ".grip/events/outbox.jsonl").st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    box.emit(archived(), CONTEXT)
except Gr2Error as error:
    print(error.code, os.stat(Path(sys.argv[1]) / ".grip/events/outbox.jsonl").st_size - size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(box.emit(archived(), CONTEXT).seq)
"""


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(tmp_path: Path, log: Path) -> None:
    assert run(FULL, tmp_path) == ["outbox_unwritable", "0", "2"]
    assert [event["seq"] for event in lines(log)] == [1, 2]


FORKED = """
box = open_outbox(Path(sys.argv[1]))
box.emit(archived(), CONTEXT)
child = os.fork()
for _ in range(300):
    box.emit(archived(), CONTEXT)
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_fork_takes_a_lock_of_its_own(tmp_path: Path, log: Path) -> None:
    run(FORKED, tmp_path)

    assert [event["seq"] for event in lines(log)] == list(range(1, 602))


def test_emitting_imports_nothing_heavy() -> None:
    script = (
        "import sys, gr2.store.outbox, gr2.model.event.sync\n"
        "print({'pydantic', 'tomllib', 'rich', 'platformdirs', 'http'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


BIG = """
import resource
box = open_outbox(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(box.emit(archived(), CONTEXT).seq)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000)
"""


def test_memory_stays_small_whatever_the_log_holds(tmp_path: Path, log: Path) -> None:
    log.parent.mkdir(parents=True)
    with log.open("wb") as file:
        file.truncate(300 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")

    assert run(BIG, tmp_path) == ["1", "True"]
