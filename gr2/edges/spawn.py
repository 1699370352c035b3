"""Starts a program the cheap way: posix_spawn costs less than half of what subprocess.Popen does.

A command that looks at a thousand repositories starts a thousand processes. What posix_spawn cannot do, another working
directory or descriptors to hand on, is left to subprocess.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

_POLL_SECONDS = 0.005
# Python ignores these; a program expects them to end it (as subprocess does it).
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
_found: dict[tuple[str, str], str] = {}


class Spawned:
    """What of a subprocess.Popen is used here: `pid`, `stdin`, `stdout`, `stderr`, `returncode`, `poll` and `wait`."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, has_input: bool) -> None:
        """Start `argv` as the leader of a session of its own. Raises OSError, NotImplementedError."""
        self.returncode: int | None = None
        program = find_program(argv[0], env)
        pipes: list[int] = []
        try:
            for _ in range(3 if has_input else 2):
                pipes += os.pipe()
            out, out_end, err, err_end, *into = pipes
            actions = [
                (os.POSIX_SPAWN_DUP2, into[0], 0) if into else (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out_end, 1),
                (os.POSIX_SPAWN_DUP2, err_end, 2),
            ]
            self.pid = os.posix_spawn(
                program, tuple(argv), env, file_actions=actions, setsid=True, setsigdef=_DEFAULT_SIGNALS
            )
        except BaseException:
            for descriptor in pipes:
                os.close(descriptor)
            raise
        for descriptor in (out_end, err_end, *into[:1]):
            os.close(descriptor)
        self.stdout = io.FileIO(out, "rb")
        self.stderr = io.FileIO(err, "rb")
        self.stdin = io.FileIO(into[1], "wb") if into else None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self._collect(os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            self._collect(0 if deadline is None else os.WNOHANG)
            if self.returncode is None and deadline is not None:
                if time.monotonic() >= deadline:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
                time.sleep(_POLL_SECONDS)
        return self.returncode

    def _collect(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:  # somebody else collected it; how it ended is not known any more
            self.returncode = 0
            return
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


def find_program(name: str, env: Mapping[str, str]) -> str:
    """Where the program `name` is on the PATH of `env`. Raises FileNotFoundError, PermissionError."""
    if os.sep in name:
        return name
    path = env.get("PATH", os.defpath)
    found = _found.get((name, path))
    if found is not None:
        return found
    reason = errno.ENOENT
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                _found[name, path] = candidate
                return candidate
            reason = errno.EACCES
    raise OSError(reason, os.strerror(reason), name)
