"""Many writers, readers and kills at once: nothing is lost, repeated or out of order."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gr2.store.layout import Layout
from gr2.store.outbox_read import EventLog, Follower

PROJECT = Path(__file__).parents[2]

WRITER = """
import sys
from gr2.edges.clock import Clock, Ids
from gr2.model.event import Context
from gr2.model.event.lane import LaneArchived
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox

root, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
box = Outbox(Layout(root), clock=Clock(), ids=Ids(), max_bytes=20_000)
context = Context(workspace="shop", actor="agent:" + name)
for number in range(count):
    emitted = box.emit(LaneArchived(lane_name=f"{name}-{number}", reason=""), context)
    sys.stdout.write(f"{emitted.seq} {name}-{number}\\n")
    sys.stdout.flush()
box.sync()
"""


def start_writer(root: Path, name: str, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(root), name, str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


def first_line(writer: subprocess.Popen[str]) -> str:
    """Waits until the writer has been told of its first event."""
    assert writer.stdout is not None
    return writer.stdout.readline()


def rest_of(writer: subprocess.Popen[str]) -> str:
    """What else it was told before it ended (`communicate` would lose what `first_line` read ahead)."""
    assert writer.stdout is not None
    with writer.stdout as output:
        text = output.read()
    writer.wait()
    return text


def log_of(root: Path) -> list[tuple[int, str]]:
    folder = root / ".grip/events"
    # Killed between moving the full file aside and beginning the next, a writer leaves none of that name.
    paths = [*sorted(folder.glob("outbox.2*.jsonl")), *folder.glob("outbox.jsonl")]
    events = [json.loads(line) for path in paths for line in path.read_bytes().split(b"\n")[:-1]]
    return [(event["seq"], event["lane_name"]) for event in events]


def acknowledged(output: str) -> set[tuple[int, str]]:
    whole = output[: output.rfind("\n") + 1].splitlines()
    return {(int(seq), name) for seq, name in (line.split(" ") for line in whole)}


def test_eight_writers_and_a_reader_agree_over_rotations(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, f"w{number}", 500) for number in range(8)]
    follower, seen = Follower(Layout(str(tmp_path)), since=0), []
    outputs = []
    while any(writer.poll() is None for writer in writers):
        seen += [event["seq"] for event in follower.poll()]
        time.sleep(0.01)
        if len(seen) > 1000 and not outputs:
            outputs = [writer.communicate()[0] for writer in writers]
    outputs = outputs or [writer.communicate()[0] for writer in writers]
    seen += [event["seq"] for event in follower.poll()]

    log = log_of(tmp_path)
    assert [seq for seq, _ in log] == list(range(1, 4001))
    assert set().union(*map(acknowledged, outputs)) == set(log)
    assert seen == list(range(1, 4001))


@pytest.mark.parametrize("seed", range(3))
def test_writers_that_are_killed_lose_nothing_they_were_told_of(tmp_path: Path, seed: int) -> None:
    chance, told = random.Random(seed), set()
    for turn in range(8):
        writers = [start_writer(tmp_path, f"t{turn}w{number}", 100_000) for number in range(2)]
        begun = [first_line(writer) for writer in writers]
        time.sleep(chance.random() * 0.15)
        for line, writer in zip(begun, writers, strict=True):
            writer.send_signal(signal.SIGKILL)
            told |= acknowledged(line + rest_of(writer))

    log = log_of(tmp_path)
    assert [seq for seq, _ in log] == list(range(1, len(log) + 1))
    assert told <= set(log)
    assert len({name for _, name in log}) == len(log)
    assert len(told) >= 16


@pytest.mark.parametrize("step", ["write", "rename", "ftruncate", "fsync"])
def test_a_kill_at_any_system_call_leaves_a_log_that_goes_on(tmp_path: Path, step: str) -> None:
    trap = (
        "import os, signal\n"
        f"real, calls = os.{step}, []\n"
        "def trapped(*given):\n"
        "    calls.append(1)\n"
        "    if len(calls) == LIMIT: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*given)\n"
        f"os.{step} = trapped\n"
    )
    for limit in range(1, 4):
        argv = [sys.executable, "-c", f"LIMIT = {limit}\n{trap}{WRITER}", str(tmp_path), f"k{limit}", "150"]
        subprocess.run(argv, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False)
        with (tmp_path / ".grip/events/outbox.jsonl").open("ab") as file:
            file.write(b'{"torn')

    start_writer(tmp_path, "last", 3).communicate()

    log = log_of(tmp_path)
    assert [seq for seq, _ in log] == list(range(1, len(log) + 1))
    assert [name for _, name in log[-3:]] == ["last-0", "last-1", "last-2"]


def test_a_stopped_writer_does_not_keep_readers_waiting(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "w", 100_000)
    assert writer.stdout is not None
    writer.stdout.readline()
    os.kill(writer.pid, signal.SIGSTOP)
    try:
        assert next(iter(EventLog(Layout(str(tmp_path)))))["seq"] == 1
    finally:
        writer.kill()
        writer.communicate()


READER = """
import sys, time
from gr2.store.layout import Layout
from gr2.store.outbox_read import Follower

follower = Follower(Layout(sys.argv[1]), since=0)
while True:
    for event in follower.poll():
        sys.stdout.write(f"{event['seq']} {event['lane_name']}\\n")
    sys.stdout.flush()
    time.sleep(0.01)
"""


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_two_thousand_kills_lose_nothing_for_four_readers(tmp_path: Path) -> None:
    chance = random.Random(1)
    outputs = [tmp_path / f"reader-{number}" for number in range(4)]
    readers = []
    for path in outputs:
        with path.open("w") as file:
            argv = [sys.executable, "-c", READER, str(tmp_path)]
            readers.append(subprocess.Popen(argv, stdout=file, cwd=PROJECT))
    told: set[tuple[int, str]] = set()
    kills = turn = 0
    while kills < 2000:
        turn += 1
        writers = [start_writer(tmp_path, f"t{turn}w{number}", 1000) for number in range(8)]
        begun = first_line(writers[0])
        time.sleep(chance.random() * 0.3)
        for writer in writers:
            kills += writer.poll() is None
            writer.kill()
            told |= acknowledged(begun * (writer is writers[0]) + rest_of(writer))
    last = [start_writer(tmp_path, f"end{number}", 1000) for number in range(8)]
    for writer in last:
        told |= acknowledged(writer.communicate()[0])

    log = log_of(tmp_path)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(len(path.read_bytes().splitlines()) < len(log) for path in outputs):
        time.sleep(0.1)
    for reader in readers:
        reader.kill()
        reader.wait()
    assert [seq for seq, _ in log] == list(range(1, len(log) + 1))
    assert told <= set(log)
    assert len({name for _, name in log}) == len(log)
    for path in outputs:
        assert [int(line.split()[0]) for line in path.read_text().splitlines()] == list(range(1, len(log) + 1))
