"""Ends the children of a gr2 that was killed: a small shell, told who runs, that learns of gr2's end by its pipe."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

MARK = "GR2_OPERATION_ID"

# In a session of its own, deaf to the terminal's signals, it outlives whatever kills gr2. It reads "? MARK": a child is
# about to start with this in its environment; "+ PID": it did, and leads this process group; "- PID": that one has
# ended, or none came. The end of input: gr2 is gone, and so are those that still run. One that gr2 had no time to name
# is found by its mark (where there is /proc), which it bears once it has left the vfork.
_PROGRAM = """
trap '' HUP INT TERM
live=' ' coming=
while read -r sign pid; do
    case $sign in
    '?') coming=$pid ;;
    +) coming= live="$live$pid " ;;
    -)
        coming=
        case $live in *" $pid "*) live="${live%% $pid *} ${live#* $pid }" ;; esac
        ;;
    esac
done
for pid in $live; do kill -9 "-$pid"; done
[ "$coming" ] || exit 0
for round in 1 2 3 4 5; do
    for file in $(grep -lsz "^$coming\\$" /proc/[0-9]*/environ); do
        pid=${file#/proc/}
        kill -9 "${pid%/environ}"
    done
    sleep 0.1
done
"""


class Guardian:
    """Kills the process groups it watches when the process that made it dies, however it dies."""

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            start_new_session=True,
            close_fds=False,
        )

    def expect(self, env: Mapping[str, str]) -> None:
        """Call before a child is started with `env`. Then call `watch`, or `forget(0)` when none came."""
        self._tell(f"? {MARK}={env[MARK]}\n" if MARK in env else "? \n")

    def watch(self, group: int) -> None:
        """From now on, the process group `group` ends with this process."""
        self._tell(f"+ {group}\n")

    def forget(self, group: int) -> None:
        """`group` has ended; what it left behind may go on."""
        self._tell(f"- {group}\n")

    def _tell(self, line: str) -> None:
        self._shell = self._shell or self._started()
        assert self._shell.stdin is not None
        try:
            os.write(self._shell.stdin.fileno(), line.encode())
        except BrokenPipeError:
            return  # somebody killed it: children run on as they would without one

    def dismiss(self) -> None:
        """Let it go, and with it what it still watches."""
        if self._shell is not None:
            assert self._shell.stdin is not None
            self._shell.stdin.close()
            self._shell.wait()
