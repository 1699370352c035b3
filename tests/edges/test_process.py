"""The runner: deadlines, groups, streams, and how an ending is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gr2.edges.process import Cancellation, Command, Completed, Runner
from gr2.errors import Interrupted


def python(program: str, **more: object) -> Command:
    return Command(argv=(sys.executable, "-c", program), env=dict(os.environ), **more)  # type: ignore[arg-type]


def sh(script: str, **more: object) -> Command:
    return Command(argv=("sh", "-c", script), env=dict(os.environ), **more)  # type: ignore[arg-type]


def run(command: Command) -> Completed:
    return Runner().run(command)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    listing = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(listing) and not listing.startswith("Z")


def ended(pids: Sequence[int]) -> bool:
    """Whether all of the processes have ended, allowing the system a moment to see to it."""
    for _ in range(500):
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def read_pids(path: Path, count: int) -> list[int]:
    for _ in range(1000):
        found = path.read_text().split() if path.exists() else []
        if len(found) == count:
            return [int(pid) for pid in found]
        time.sleep(0.01)
    raise AssertionError(f"{path} never held {count} process ids")


def test_both_streams_and_the_exit_code_come_back() -> None:
    done = run(sh("echo out; echo err >&2; exit 3"))

    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert not (done.timed_out or done.stalled or done.cut)


def test_a_program_that_is_not_there_is_127() -> None:
    done = run(Command(argv=("gr2-no-such-program",), env=dict(os.environ)))

    assert (done.exit_code, done.stdout) == (127, b"")
    assert done.stderr == b"gr2-no-such-program: No such file or directory\n"


def test_a_file_that_is_no_program_is_126(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program\n")

    assert run(Command(argv=(str(tmp_path / "text"),), env=dict(os.environ))).exit_code == 126


def test_the_path_of_the_childs_environment_finds_the_program(tmp_path: Path) -> None:
    program = tmp_path / "found-here"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)

    assert run(Command(argv=("found-here",), env={"PATH": str(tmp_path)})).stdout == b"here\n"


def test_a_signal_is_128_and_its_number() -> None:
    assert run(sh("kill -KILL $$")).exit_code == 137


def test_a_deadline_sends_term_and_says_so() -> None:
    done = run(sh("trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 0.05; done", timeout=0.5))

    assert (done.exit_code, done.timed_out) == (124, True)
    assert done.stdout == b"begun\nasked\n"


def test_a_child_that_ignores_term_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gr2.edges.process.GRACE_SECONDS", 0.2)

    done = run(sh("trap '' TERM; echo begun; while :; do sleep 0.05; done", timeout=0.5))

    assert (done.exit_code, done.timed_out, done.stdout) == (124, True, b"begun\n")


def test_a_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    run(sh(f"(trap '' TERM; exec sleep 600) & echo $! >>{pids}; sleep 600 & echo $! >>{pids}; wait", timeout=0.5))

    assert ended(read_pids(pids, 2))


def test_silence_ends_a_child_and_output_keeps_it_alive() -> None:
    silent = run(sh("echo one; sleep 600", stall=0.4))
    talking = run(sh("for n in 1 2 3 4 5 6; do echo $n; sleep 0.2; done", stall=1.0))

    assert (silent.exit_code, silent.stalled, silent.stdout) == (124, True, b"one\n")
    assert (talking.exit_code, talking.stalled) == (0, False)


def test_only_the_beginning_and_the_end_of_much_output_are_kept() -> None:
    done = run(python("import sys; sys.stdout.write('a' * 1000 + 'b' * 5_000_000 + 'c' * 1000)", head=1000, tail=1000))

    assert done.cut
    assert done.stdout == b"a" * 1000 + b"\n[... 5000000 bytes left out ...]\n" + b"c" * 1000


def test_output_that_fits_is_whole() -> None:
    done = run(python("import sys; sys.stdout.write('x' * 2000)", head=1000, tail=1000))

    assert (done.cut, done.stdout) == (False, b"x" * 2000)


def test_output_streams_while_the_child_runs(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    go_on = tmp_path / "go-on"

    def listen(stream: str, data: bytes) -> None:
        seen.append((stream, data))
        go_on.touch()  # the child waits for this: it cannot end before its first line was heard

    done = run(sh(f"echo first; until [ -e {go_on} ]; do sleep 0.01; done; echo last >&2", listener=listen))

    assert done.exit_code == 0
    assert seen == [("stdout", b"first\n"), ("stderr", b"last\n")]


def test_input_of_any_size_arrives() -> None:
    data = os.urandom(3_000_000)

    done = run(Command(argv=("cat",), env=dict(os.environ), input=data))

    assert done.stdout == data


def test_a_child_that_does_not_read_its_input_is_no_error() -> None:
    assert run(sh("exit 0", input=b"x" * 3_000_000)).exit_code == 0


def test_stdin_is_empty_without_input() -> None:
    assert run(Command(argv=("cat",), env=dict(os.environ), timeout=60)).stdout == b""


def test_a_child_leads_a_session_of_its_own() -> None:
    done = run(python("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"))

    assert done.stdout == b"True\n"


def test_a_daemon_that_holds_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os, time\n"
        "print('begun', flush=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    open({str(pids)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        f"while not os.path.exists({str(pids)!r}): time.sleep(0.01)\n"
    )
    try:
        done = run(python(program, timeout=60))

        assert (done.exit_code, done.stdout, done.timed_out) == (0, b"begun\n", False)
        assert is_alive(read_pids(pids, 1)[0])
    finally:
        os.kill(read_pids(pids, 1)[0], signal.SIGKILL)


def test_a_child_inherits_only_the_descriptors_it_is_given(tmp_path: Path) -> None:
    with open(tmp_path / "given", "w") as given, open(tmp_path / "other", "w") as other:
        program = (
            "import os\n"
            f"for number in {given.fileno()}, {other.fileno()}:\n"
            "    try: os.fstat(number); print('open')\n"
            "    except OSError: print('closed')\n"
        )

        done = run(python(program, inherit=(given.fileno(),)))

    assert done.stdout == b"open\nclosed\n"


def test_cancelling_from_another_thread_ends_every_child(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    cancellation = Cancellation()
    commands = [sh(f"echo $$ >>{pids}; sleep 600 & wait") for _ in range(4)]

    def cancel() -> None:
        read_pids(pids, 4)
        cancellation.trip(signal.SIGTERM)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Interrupted) as caught:
        list(Runner(cancellation).run_many(commands, jobs=4))
    thread.join()

    assert caught.value.signum == signal.SIGTERM
    assert ended(read_pids(pids, 4))


@pytest.mark.parametrize("trips", [1, 2])
def test_cancelling_ends_what_a_child_leaves_behind_too(
    tmp_path: Path, trips: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gr2.edges.process.GRACE_SECONDS", 0.3)
    pids = tmp_path / "pids"
    cancellation = Cancellation()
    # As an ssh that does not hear of it, below a git that does.
    command = sh(f"(trap '' TERM; echo $(exec sh -c 'echo $PPID') >>{pids}; while :; do sleep 0.05; done) & wait")

    def cancel() -> None:
        read_pids(pids, 1)
        for _ in range(trips):
            cancellation.trip(signal.SIGINT)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Interrupted):
        Runner(cancellation).run(command)
    thread.join()

    assert ended(read_pids(pids, 1))


def test_a_run_to_the_end_gives_what_cancelling_ended_and_starts_nothing_more(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    cancellation = Cancellation()
    commands = [sh(f"echo begun; echo $$ >>{pids}; sleep 600 & wait") for _ in range(4)]

    def cancel() -> None:
        read_pids(pids, 2)
        cancellation.trip(signal.SIGTERM)

    thread = threading.Thread(target=cancel)
    thread.start()
    found = {}
    with pytest.raises(Interrupted):
        for index, done in Runner(cancellation).run_many(commands, jobs=2, to_the_end=True):
            found[index] = (done.exit_code, done.stdout)
    thread.join()

    assert found == {0: (143, b"begun\n"), 1: (143, b"begun\n")}
    assert ended(read_pids(pids, 2))


def test_after_cancelling_nothing_is_started(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.trip(signal.SIGINT)

    with pytest.raises(Interrupted):
        Runner(cancellation).run(sh(f"touch {tmp_path / 'made'}"))

    assert not (tmp_path / "made").exists()


def test_leaving_a_run_early_ends_what_still_runs(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    running = Runner().run_many(
        [sh(f"echo $$ >>{pids}; exec sleep 600"), sh(f"until [ -s {pids} ]; do sleep 0.01; done")], jobs=2
    )

    index, _ = next(iter(running))
    running.close()  # type: ignore[attr-defined]

    assert index == 1
    assert ended(read_pids(pids, 1))


def test_no_more_children_run_at_once_than_asked(tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/$0; ls {tmp_path} | wc -l; sleep 0.05; rmdir {tmp_path}/$0"
    commands = [Command(argv=("sh", "-c", script, f"n{number}"), env=dict(os.environ)) for number in range(12)]

    counts = [int(done.stdout) for _, done in Runner().run_many(commands, jobs=3)]

    assert len(counts) == 12
    assert max(counts) <= 3


def test_two_hundred_children_each_tell_their_own_story() -> None:
    before = len(os.listdir("/dev/fd"))
    commands = [sh(f"echo out {number}; echo err {number} >&2; exit {number % 3}") for number in range(200)]

    done = dict(Runner().run_many(commands, jobs=64))

    assert sorted(done) == list(range(200))
    for number, completed in done.items():
        assert completed.stdout == f"out {number}\n".encode()
        assert completed.stderr == f"err {number}\n".encode()
        assert completed.exit_code == number % 3
    assert len(os.listdir("/dev/fd")) == before


def test_each_command_is_traced_before_it_runs() -> None:
    traced: list[Sequence[str]] = []

    Runner(trace=traced.append).run(sh("true"))

    assert traced == [("sh", "-c", "true")]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [False, True])
def test_tied_children_and_what_they_started_die_with_their_parent(
    tmp_path: Path, signum: int, whole_group: bool
) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os\nfrom gr2.edges.process import Command, Runner\n"
        "env = {**os.environ, 'GR2_OPERATION_ID': f'op_{os.getpid()}'}\n"
        f"run = 'sleep 601 & echo $! >>{pids}; echo $$ >>{pids}; exec sleep 600'\n"
        "argvs = [('sh', '-c', text) for text in ('true', run, run)]\n"
        "list(Runner().run_many([Command(argv=argv, env=env, tie=True) for argv in argvs], jobs=3))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    children = read_pids(pids, 4)

    (os.killpg if whole_group else os.kill)(parent.pid, signum)
    parent.wait()

    try:
        assert ended(children)
    finally:
        for child in filter(is_alive, children):
            os.kill(child, signal.SIGKILL)


def test_what_a_tied_child_left_behind_goes_on_when_it_has_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    left, waiting = (
        f"sleep 600 >/dev/null 2>&1 & echo $! >>{pids}",
        f"while ! [ -s {pids} ]; do sleep 0.01; done; sleep 0.2",
    )

    list(Runner().run_many([sh(left, tie=True), sh(waiting, tie=True)], jobs=2))

    (child,) = read_pids(pids, 1)
    assert is_alive(child)
    os.kill(child, signal.SIGKILL)
