"""The harness itself: it counts, it stops where it says, and it notices."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.faults.harness import Faulted, Mechanism, chosen, processes_of, run_with_fault

# Four changes of its own: open, write, its middle, rename; then a child that makes a directory.
PROGRAM = """
import os, subprocess, sys
with open("draft", "wb", buffering=0) as file:
    try:
        file.fileno() and os.write(file.fileno(), b"0123456789")
    except OSError:
        sys.exit(5)
os.rename("draft", "final")
done = subprocess.run([sys.executable, "-c", "import os; os.mkdir('made')"])
open("last", "w").close()
sys.exit(7 if done.returncode else 0)
"""


@pytest.fixture
def run(tmp_path: Path, mechanism: Mechanism):
    folder = tmp_path / "here"
    folder.mkdir()

    def run(kind: str = "tree", at: int = 0, program: str = PROGRAM) -> tuple[Faulted, list[str]]:
        for entry in folder.iterdir():
            entry.rmdir() if entry.is_dir() else entry.unlink()
        faulted = run_with_fault(
            [sys.executable, "-c", program],
            env=dict(os.environ),
            cwd=str(folder),
            mechanism=mechanism,
            kind=kind,
            at=at,
            wait_for_all=True,
        )
        return faulted, sorted(
            f"{entry.name}:{entry.stat().st_size if entry.is_file() else 'dir'}" for entry in folder.iterdir()
        )

    return run


def test_a_counting_run_is_left_alone(run) -> None:
    faulted, made = run()

    assert made == ["final:10", "last:0", "made:dir"]
    assert (faulted.exit_code, faulted.fired) == (0, False)
    assert faulted.trace.replace("f", "").replace("x", "").replace("X", "").replace("M", "") == "owtro"
    assert faulted.child >= 1


def test_a_killed_tree_stops_exactly_there(run) -> None:
    trace = run()[0].trace

    made = [run(at=at)[1] for at in range(1, trace.index("r") + 3)]

    assert made[:5] == [[], ["draft:0"], ["draft:5"], ["draft:10"], ["final:10"]]


def test_every_call_of_a_tree_can_be_its_last(run) -> None:
    total = run()[0].total

    for at in range(1, total + 1):
        faulted, made = run(at=at)
        assert faulted.fired
        assert faulted.exit_code is None
        assert "last:0" not in made
    assert run(at=total + 1)[1] == ["final:10", "last:0", "made:dir"]


def test_a_child_can_die_alone(run) -> None:
    faulted, made = run("child", 1)

    assert faulted.fired
    assert (faulted.exit_code, made) == (7, ["final:10", "last:0"])


def test_the_first_process_can_die_alone(run) -> None:
    program = PROGRAM.replace("os.mkdir('made')", "import time; time.sleep(0.2); os.mkdir('made')")
    program = program.replace("done = subprocess.run(", "done = subprocess.Popen(").replace(
        'open("last"', 'done.wait(0.1) if 0 else open("last"'
    )
    trace = run(program=program)[0].trace
    own = [n for n, letter in enumerate(trace, start=1) if letter == "o"]

    faulted, made = run("gr2", own[-1], program)

    assert faulted.exit_code == -9
    assert "last:0" not in made
    assert ("made:dir" in made) == (sys.platform == "linux")


def test_a_full_disk_stays_full_and_gives_way_to_removing(run) -> None:
    faulted, made = run("enospc", 2)
    assert (faulted.exit_code, made) == (5, ["draft:0"])

    faulted, made = run("enospc", 1, "import os\nopen('x','w')")
    assert (faulted.exit_code, made) == (1, [])
    assert "No space left on device" in faulted.stderr


def test_a_full_disk_can_tear_a_write(run) -> None:
    faulted, made = run(
        "enospc", 3, "import os\nf=os.open('x',os.O_WRONLY|os.O_CREAT)\nos.write(f, b'12345678')\nos.rename('x','y')"
    )

    assert (faulted.exit_code, made) == (0, ["y:4"])


def test_git_is_seen_by_the_preloaded_library(best_mechanism: Mechanism, tmp_path: Path) -> None:
    if best_mechanism.library is None:
        assert sys.platform != "linux" or not any(
            os.access(f"/usr/bin/{name}", os.X_OK) for name in ("cc", "gcc", "clang")
        )
        return
    program = "import subprocess; subprocess.run(['git', 'init', '--quiet', 'made'], check=True)"

    faulted = run_with_fault(
        [sys.executable, "-c", program], env=dict(os.environ), cwd=str(tmp_path), mechanism=best_mechanism
    )

    assert faulted.child > 20
    assert {"M", "W", "R"} <= set(faulted.trace)


def test_nobody_is_left_after_a_kill(run, mechanism: Mechanism, tmp_path: Path) -> None:
    program = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\nopen('x', 'w')\n"
    trace = run(at=0, program=program.replace("600", "0"))[0].trace

    run(at=trace.index("o") + 1, program=program)

    assert (
        not [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_sleep_600(pid)]
        if os.path.exists("/proc")
        else True
    )
    assert list(processes_of("/nowhere")) == []


def _is_sleep_600(pid: int) -> bool:
    try:
        found = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2]
        return found == [b"sleep", b"600"] and os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False


def test_a_sample_holds_both_ends_and_the_renames() -> None:
    run = Faulted(exit_code=0, stdout="", stderr="", fired=False, total=100, child=40, trace="w" * 49 + "r" + "w" * 50)

    sample = chosen(run, "tree", 12)

    assert len(sample) == 12
    assert {1, 50, 51, 100} <= set(sample)
    assert chosen(run, "tree", None) == list(range(1, 101))
    assert max(chosen(run, "child", 12)) == 40
