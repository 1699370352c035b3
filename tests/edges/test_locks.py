"""Locks between processes: they die with their process, and live on with a child that keeps them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gr2.edges.locks import FileLock, LockTimeout, is_held
from gr2.edges.process import Command, Runner
from gr2.errors import Gr2Error

HOLD = """
import sys
from gr2.edges.locks import FileLock
with FileLock(sys.argv[1], shared=sys.argv[2] == "shared", holder={"actor": "agent:other"}):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path, kind: str = "exclusive") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "locks/x.lock"
    with held_elsewhere(path), pytest.raises(LockTimeout) as caught:
        FileLock(str(path)).acquire()

    assert caught.value.holder == {"actor": "agent:other"}


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with held_elsewhere(path) as process:
        assert is_held(str(path))
        process.send_signal(signal.SIGKILL)
        process.wait()

        with FileLock(str(path)):
            assert is_held(str(path))

    assert not is_held(str(path))
    assert path.exists()


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    path, go_on = tmp_path / "x.lock", tmp_path / "go-on"
    lock = FileLock(str(path))
    lock.acquire()
    script = f"echo begun; until [ -e {go_on} ]; do sleep 0.01; done"
    seen: list[bool] = []

    def listen(stream: str, data: bytes) -> None:
        lock.release()
        seen.append(is_held(str(path)))
        go_on.touch()

    Runner().run(
        Command(
            argv=("sh", "-c", script), env=dict(os.environ), listener=listen, inherit=(lock.descriptor,), timeout=60
        )
    )

    assert seen == [True]
    assert not is_held(str(path))


def test_a_child_that_is_not_given_the_lock_does_not_keep_it(tmp_path: Path) -> None:
    path, go_on = tmp_path / "x.lock", tmp_path / "go-on"
    lock = FileLock(str(path))
    lock.acquire()
    seen: list[bool] = []

    def listen(stream: str, data: bytes) -> None:
        lock.release()
        seen.append(is_held(str(path)))
        go_on.touch()

    script = f"echo begun; until [ -e {go_on} ]; do sleep 0.01; done"
    Runner().run(Command(argv=("sh", "-c", script), env=dict(os.environ), listener=listen, timeout=60))

    assert seen == [False]


def test_waiting_ends_when_the_lock_is_free(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with held_elsewhere(path) as process:
        paused: list[float] = []

        def pause(seconds: float) -> None:
            paused.append(seconds)
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

        with FileLock(str(path), wait=60, pause=pause):
            assert len(paused) == 1


def test_shared_holders_do_not_exclude_each_other_but_an_exclusive_one(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with held_elsewhere(path, "shared"):
        with FileLock(str(path), shared=True):
            pass
        with pytest.raises(LockTimeout):
            FileLock(str(path)).acquire()


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with FileLock(str(tmp_path / "x.lock")), pytest.raises(LockTimeout):
        FileLock(str(tmp_path / "x.lock")).acquire()


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert not is_held(str(tmp_path / "x.lock"))
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with FileLock(str(tmp_path / "locks/x.lock")):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "locks/x.lock").stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Gr2Error):
        FileLock(str(tmp_path / "x.lock")).acquire()

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("text", [b"", b"not JSON", b"[1]", b"\xff" * 5000])
def test_what_a_lock_file_says_is_never_trusted(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.lock"
    with held_elsewhere(path):
        path.write_bytes(text)

        with pytest.raises(LockTimeout) as caught:
            FileLock(str(path)).acquire()

    assert caught.value.holder == {}
