"""Runs a command and lets a disaster happen at one of its state-changing calls.

Two mechanisms with one interface: a library preloaded into every process of the run (shim.c; Linux with a C compiler),
or a sitecustomize that sees gr2's own process only (python_shim; anywhere).
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("tree", "child", "gr2", "enospc")
TIMEOUT_SECONDS = 60.0
_HEADER = struct.Struct("=QQii")
_TRACE_AT = 64
_TRACE = 1 << 20


@dataclass(frozen=True)
class Mechanism:
    """How calls are counted: with the preloaded `library`, or in Python when it is None."""

    library: str | None

    @classmethod
    def best(cls, folder: Path) -> Mechanism:
        """The most thorough one of this machine; the library is compiled into `folder`."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None or sys.platform != "linux":
            return cls(None)
        library = folder / "shim.so"
        build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "shim.c"), "-ldl"]
        if subprocess.run(build, capture_output=True).returncode:
            return cls(None)
        works = run_with_fault(
            ["sh", "-c", ": >made"], env=dict(os.environ), cwd=str(folder), mechanism=cls(str(library))
        )
        return cls(str(library) if works.exit_code == 0 and works.total else None)

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        """What puts the shim into a process and its children."""
        if self.library is not None:
            return {"LD_PRELOAD": self.library}
        path = [str(HERE / "python_shim"), *filter(None, [env.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(path)}


@dataclass(frozen=True)
class Faulted:
    """How a run ended. exit_code: None when the whole tree was killed.

    total: state-changing calls of all processes; child: those after which a child can die alone; trace: one letter per
    call (see shim.c), in upper case when a child made it. fired: whether the disaster happened.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    fired: bool
    total: int
    child: int
    trace: str


def run_with_fault(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    mechanism: Mechanism,
    kind: str = "tree",
    at: int = 0,
    wait_for_all: bool = False,
) -> Faulted:
    """Run `argv`; at its `at`-th state-changing call `kind` happens (0: nothing, only counted).

    wait_for_all: also wait for children that outlive the first process.
    """
    with tempfile.NamedTemporaryFile(prefix="gr2-fault-") as file:
        file.truncate(_TRACE_AT + _TRACE)
        shared = mmap.mmap(file.fileno(), _TRACE_AT + _TRACE)
        marks = {"FAULT_FILE": file.name, "FAULT_KIND": kind, "FAULT_AT": str(at), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**env, **mechanism.variables(env), **marks},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        readers = [_Reader(process.stdout), _Reader(process.stderr)]
        try:
            killed = _watch(process, shared, kind, file.name)
        except BaseException:
            _kill_all(file.name, process)
            raise
        if wait_for_all:
            wait_for_stragglers(file.name)
        total, child, _, fired = _HEADER.unpack_from(shared)
        trace = bytes(shared[_TRACE_AT : _TRACE_AT + min(total, _TRACE)])
        out, err = (reader.text() for reader in readers)
        return Faulted(
            exit_code=None if killed else process.returncode,
            stdout=out,
            stderr=err,
            fired=bool(fired),
            total=total,
            child=child,
            trace="".join(map(_letter, trace)),
        )


def _letter(byte: int) -> str:
    return chr(byte & 0x7F).upper() if byte & 0x80 else chr(byte)


def _watch(process: subprocess.Popen[bytes], shared: mmap.mmap, kind: str, mark: str) -> bool:
    """Wait for the end; True when the tree was killed."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        if kind == "tree" and _HEADER.unpack_from(shared)[3]:
            _kill_all(mark, process)
            return True
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise AssertionError(f"still running after {TIMEOUT_SECONDS:g} s: {process.args!r}")
        time.sleep(0.001)


def wait_for_stragglers(mark: str) -> None:
    """Wait until every process of the run that `mark` (its shared file) names has ended."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while any(True for _ in processes_of(mark)):
        assert time.monotonic() < deadline, "a child goes on and on"
        time.sleep(0.005)


def processes_of(mark: str) -> Iterator[int]:
    """The processes whose environment holds `mark`. Only Linux tells."""
    proc = Path("/proc")
    for entry in proc.iterdir() if proc.exists() else ():
        if not entry.name.isdigit():
            continue
        try:
            if f"FAULT_FILE={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except OSError:
            continue


def _kill_all(mark: str, process: subprocess.Popen[bytes]) -> None:
    # The shim holds the processes where they are, so that the order of the kills does not show.
    quiet = 0
    while quiet < 2:
        found = [*processes_of(mark), *_descendants(process.pid)]
        quiet = 0 if found else quiet + 1
        for pid in found:
            if pid != process.pid or len(found) == 1:
                _kill(pid)
        if all(pid == process.pid for pid in found):
            _kill(process.pid)
            process.wait()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _descendants(pid: int) -> list[int]:
    """The children of `pid` and theirs, where /proc does not tell; the process itself must still be there."""
    if sys.platform == "linux":
        return []
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found = {pid}
    while more := {child for child, parent in pairs if parent in found} - found:
        found |= more
    return sorted(found - {pid})


class _Reader(threading.Thread):
    """Drains a pipe, so that nobody waits for us."""

    def __init__(self, pipe: object) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._data = bytearray()
        self.start()

    def run(self) -> None:
        while data := os.read(self._pipe.fileno(), 65536):  # type: ignore[attr-defined]
            self._data += data
        self._pipe.close()  # type: ignore[attr-defined]

    def text(self) -> str:
        """What came so far; a process that outlives the run may hold the pipe open."""
        self.join(1.0)
        return bytes(self._data).decode(errors="replace")


def chosen(run: Faulted, kind: str, budget: int | None) -> list[int]:
    """At which calls to try `kind`, after the counting run `run`: all, or about `budget` of them.

    The sample holds the first, the last, and those around gr2's own renames, where a state becomes visible.
    """
    last = run.child if kind == "child" else run.total
    if budget is None or last <= budget:
        return list(range(1, last + 1))
    renames = [n for n, letter in enumerate(run.trace, start=1) if letter == "r"] if kind != "child" else []
    around = sorted({n + step for n in renames for step in (0, 1)} & set(range(1, last + 1)))
    picked = {1, last, *_spread(around, budget // 2)}
    return sorted(picked | set(_spread([n for n in range(1, last + 1) if n not in picked], budget - len(picked))))


def _spread(items: Sequence[int], count: int) -> list[int]:
    if count <= 0 or not items:
        return []
    step = len(items) / min(count, len(items))
    return [items[int(step * (number + 0.5))] for number in range(min(count, len(items)))]
