"""The cheap way to start a program does what subprocess does."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gr2.edges.spawn import Spawned, find_program

ENV = dict(os.environ)


def output(script: str, given: bytes | None = None) -> bytes:
    child = Spawned(("sh", "-c", script), ENV, has_input=given is not None)
    if child.stdin is not None:
        child.stdin.write(given or b"")
        child.stdin.close()
    found = child.stdout.readall()
    child.wait()
    child.stdout.close()
    child.stderr.close()
    return found


def test_streams_and_session_are_as_subprocess_makes_them() -> None:
    script = "cat; ps -o sess= -p $$; echo $$; readlink /proc/$$/fd/0; ls /proc/$$/fd"
    started = subprocess.run(
        ["sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        close_fds=False,
        check=True,
    )

    ours, theirs = (found.split(b"\n", 2) for found in (output(script), started.stdout))

    assert ours[0].strip() == ours[1]
    assert ours[2] == theirs[2]
    assert output("cat", b"given") == b"given"


def test_signals_are_as_subprocess_leaves_them() -> None:
    script = "exec grep -E 'Sig(Ign|Blk)' /proc/self/status"
    found = [output(script), subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout]

    # The C library keeps 32 and 33 to itself.
    ours, theirs = ([int(line.split()[1], 16) & 0x7FFF_FFFF for line in text.splitlines()] for text in found)

    assert ours == theirs


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM), ("true", 0)])
def test_the_exit_code_is_subprocesss(script: str, code: int) -> None:
    child = Spawned(("sh", "-c", script), ENV, has_input=False)

    assert child.wait(10.0) == code == child.poll()

    child.stdout.close()
    child.stderr.close()


def test_waiting_has_an_end() -> None:
    child = Spawned(("sleep", "60"), ENV, has_input=False)

    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)

    assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    child.stderr.close()


def test_a_program_is_looked_for_as_a_shell_does(tmp_path: Path) -> None:
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
        (tmp_path / folder / "tool").chmod(mode)
    (tmp_path / "third" / "tool").mkdir(parents=True)
    path = os.pathsep.join(str(tmp_path / folder) for folder in ("third", "first", "second"))

    assert find_program("tool", {"PATH": path}) == str(tmp_path / "second" / "tool")
    assert find_program("./tool", {"PATH": path}) == "./tool"
    with pytest.raises(PermissionError):
        find_program("tool", {"PATH": str(tmp_path / "first")})
    with pytest.raises(FileNotFoundError) as missing:
        find_program("tool", {"PATH": str(tmp_path / "third")})
    assert missing.value.filename == "tool"


def test_a_program_that_cannot_be_started_leaves_no_descriptor_open() -> None:
    before = len(os.listdir("/dev/fd"))

    for name in ("no-such-program", "/etc"):
        with pytest.raises(OSError):
            Spawned((name,), ENV, has_input=True)

    assert len(os.listdir("/dev/fd")) == before
