"""One running program: started in a session of its own, read without waiting, ended on time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from gr2.edges.spawn import Spawned
from gr2.model.records import dataclass

GRACE_SECONDS = 3.0
TIMED_OUT = 124
NOT_EXECUTABLE = 126
NOT_FOUND = 127
_CHUNK = 1 << 16
_AFTER_EXIT_SECONDS = 0.05

Listener = Callable[[str, bytes], None]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run. `argv[0]` is looked up on the PATH of `env`.

    timeout: seconds for the whole run, None for no limit. stall: seconds without any output.
    head, tail: bytes kept of each stream's beginning and end. listener: called with ("stdout"|"stderr", bytes) as
    output arrives. inherit: open descriptors the child keeps. tie: the child's group is killed when gr2 dies.
    stands_for: the command lines it runs in turn, where it is a shell that does so.
    """

    argv: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    input: bytes | None = None
    timeout: float | None = None
    stall: float | None = None
    head: int = 64 << 20
    tail: int = 1 << 16
    listener: Listener | None = None
    inherit: Sequence[int] = ()
    tie: bool = False
    stands_for: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a child ended. A signal is `128 + n`; 124 timed out; 126 not executable; 127 not found."""

    argv: Sequence[str]
    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_ms: int
    timed_out: bool = False
    stalled: bool = False
    cut: bool = False


class Bounded:
    """The first `head` and the last `tail` bytes of a stream, with the cut marked."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_limit = head
        self._tail_limit = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._head_limit - len(self._head)
        self._head += data[:room] if room > 0 else b""
        rest = data[max(room, 0) :]
        if rest:
            self._tail += rest
            excess = len(self._tail) - self._tail_limit
            if excess > self._tail_limit or (excess > 0 and self._tail_limit == 0):
                self._trim(excess)

    def _trim(self, excess: int) -> None:
        self._lost += excess
        del self._tail[:excess]

    @property
    def cut(self) -> bool:
        """Whether bytes in the middle were dropped."""
        return self._lost > 0 or len(self._tail) > self._tail_limit

    def value(self) -> bytes:
        """What was kept."""
        excess = len(self._tail) - self._tail_limit
        if excess > 0:
            self._trim(excess)
        marker = f"\n[... {self._lost} bytes left out ...]\n".encode() if self._lost else b""
        return bytes(self._head) + marker + bytes(self._tail)


class Child:
    """A command that was started; `done` once it has ended and everything it printed is read."""

    def __init__(self, index: int, command: Command, selector: selectors.BaseSelector) -> None:
        """Start it. A program that cannot be started is `done` at once."""
        self.index = index
        self.command = command
        self.selector = selector
        self.done: Completed | None = None
        self._started = self._last_output = time.monotonic()
        self._timed_out = self._stalled = False
        self._kill_at: float | None = None
        self._exited_at: float | None = None
        self._exit_code: int | None = None
        self._pidfd: int | None = None
        self._streams: dict[str, tuple[int, Bounded]] = {}
        self._unsent = memoryview(command.input or b"")
        try:
            self._process = self._spawn()
        except FileNotFoundError as error:
            self._finish_unstarted(NOT_FOUND, error)
            return
        except OSError as error:
            self._finish_unstarted(NOT_EXECUTABLE, error)
            return
        for name in ("stdout", "stderr"):
            pipe = getattr(self._process, name)
            descriptor = pipe.fileno()
            os.set_blocking(descriptor, False)
            self._streams[name] = (descriptor, Bounded(self.command.head, self.command.tail))
            self.selector.register(descriptor, selectors.EVENT_READ, (self, name))
        if self.command.input is not None:
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
            self.selector.register(self._process.stdin.fileno(), selectors.EVENT_WRITE, (self, "stdin"))
        if hasattr(os, "pidfd_open"):
            try:
                self._pidfd = os.pidfd_open(self._process.pid)
            except OSError:
                self._pidfd = None
            else:
                self.selector.register(self._pidfd, selectors.EVENT_READ, (self, "exit"))

    @property
    def group(self) -> int:
        """The id of its process group."""
        return self._process.pid

    def _spawn(self) -> subprocess.Popen[bytes] | Spawned:
        command = self.command
        if command.cwd is None and not command.inherit and command.env is not None:
            try:
                return Spawned(command.argv, command.env, has_input=command.input is not None)
            except NotImplementedError:  # a system without sessions in posix_spawn
                pass
        return subprocess.Popen(
            list(command.argv),
            cwd=command.cwd,
            env=command.env,
            stdin=subprocess.DEVNULL if command.input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            # Every descriptor of gr2 is close-on-exec; leaving the rest to the kernel keeps the cheap vfork path.
            close_fds=bool(command.inherit),
            pass_fds=tuple(command.inherit),
        )

    def _finish_unstarted(self, code: int, error: OSError) -> None:
        name = error.filename or self.command.argv[0]
        message = f"{os.fsdecode(name)}: {os.strerror(error.errno or 0)}\n".encode(errors="replace")
        self.done = Completed(argv=self.command.argv, exit_code=code, stdout=b"", stderr=message, duration_ms=0)

    def wakes_at(self, now: float) -> float:
        times = [float("inf")]
        if self._exited_at is not None:
            times.append(self._exited_at + _AFTER_EXIT_SECONDS)
        else:
            if self._pidfd is None:
                times.append(now + 0.05)
            if self._kill_at is not None:
                times.append(self._kill_at)
            elif self.command.timeout is not None:
                times.append(self._started + self.command.timeout)
            if self._kill_at is None and self.command.stall is not None:
                times.append(self._last_output + self.command.stall)
        return min(times)

    def ready(self, what: str) -> None:
        if what == "stdin":
            self._feed()
        elif what == "exit":
            self._reap()
        else:
            self._read(what)

    def _feed(self) -> None:
        assert self._process.stdin is not None
        descriptor = self._process.stdin.fileno()
        try:
            self._unsent = self._unsent[os.write(descriptor, self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self.selector.unregister(descriptor)
            self._process.stdin.close()

    def _read(self, name: str) -> bool:
        descriptor, kept = self._streams[name]
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._last_output = time.monotonic()
            kept.add(data)
            if self.command.listener is not None:
                self.command.listener(name, data)
            return True
        self._close(name)
        return False

    def _close(self, name: str) -> None:
        descriptor, kept = self._streams[name]
        if descriptor >= 0:
            self.selector.unregister(descriptor)
            getattr(self._process, name).close()
            self._streams[name] = (-1, kept)

    def _open_streams(self) -> list[str]:
        return [name for name, (descriptor, _) in self._streams.items() if descriptor >= 0]

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        self._exit_code = code if code >= 0 else 128 - code
        self._exited_at = time.monotonic()
        if self._pidfd is not None:
            self.selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def advance(self, now: float, touched: bool) -> bool:
        """Look at the clock; True when the child is done with."""
        if self._exit_code is None and (self._pidfd is None or not self._open_streams()):
            if self._pidfd is None and not self._open_streams():
                self._process.wait()
            self._reap()
        if self._exit_code is not None:
            assert self._exited_at is not None
            # A process that left the group may hold the pipes open: it is not waited for.
            if not self._open_streams() or now >= self._exited_at + _AFTER_EXIT_SECONDS:
                self._finish()
                return True
            return False
        self._enforce_deadlines(now)
        return False

    def _enforce_deadlines(self, now: float) -> None:
        if self._kill_at is not None:
            if now >= self._kill_at:
                self.signal(signal.SIGKILL)
                self._kill_at = now + GRACE_SECONDS
            return
        if self.command.timeout is not None and now >= self._started + self.command.timeout:
            self._timed_out = True
        elif self.command.stall is not None and now >= self._last_output + self.command.stall:
            self._stalled = True
        else:
            return
        self.signal(signal.SIGTERM)
        self._kill_at = now + GRACE_SECONDS

    def signal(self, signum: int) -> None:
        if self._exit_code is None:
            _signal_group(self._process.pid, signum)

    def _finish(self) -> None:
        for name in self._open_streams():
            # As much as a full pipe holds, and no more: another writer may go on for ever.
            for _ in range(64):
                if not self._read(name):
                    break
            self._close(name)
        if self.command.input is not None and self._process.stdin is not None and not self._process.stdin.closed:
            self.selector.unregister(self._process.stdin.fileno())
            self._process.stdin.close()
        if self._timed_out or self._stalled:
            _signal_group(self._process.pid, signal.SIGKILL)
        out, err = self._streams["stdout"][1], self._streams["stderr"][1]
        self.done = Completed(
            argv=self.command.argv,
            exit_code=TIMED_OUT if self._timed_out or self._stalled else (self._exit_code or 0),
            stdout=out.value(),
            stderr=err.value(),
            duration_ms=round((time.monotonic() - self._started) * 1000),
            timed_out=self._timed_out,
            stalled=self._stalled,
            cut=out.cut or err.cut,
        )

    def left_some_behind(self) -> bool:
        """Whether others of its group live on after its end."""
        try:
            os.killpg(self._process.pid, 0)
        except (ProcessLookupError, PermissionError):  # nobody, or nobody that gr2 may signal
            return False
        return True

    def kill_rest(self) -> None:
        """Kill those others."""
        _signal_group(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Ask the child and everything in its group to end, and wait for the child; kill them if it does not come."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._reap()
        self._exit_code = self._exit_code if self._exit_code is not None else self._process.returncode
        for name in self._open_streams():
            self._close(name)


def _signal_group(pid: int, signum: int) -> None:
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        return
