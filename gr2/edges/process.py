"""The one way gr2 starts other programs.

Each child leads a session of its own, without a terminal and with stdin closed or fed; its output is captured within
bounds; a deadline ends the whole process group, first with TERM and then with KILL. One thread can drive many children.
"""

from __future__ import annotations

import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from gr2.edges.child import (
    GRACE_SECONDS,
    NOT_EXECUTABLE,
    NOT_FOUND,
    TIMED_OUT,
    Bounded,
    Child,
    Command,
    Completed,
    Listener,
)
from gr2.edges.guardian import Guardian
from gr2.errors import Interrupted

__all__ = [
    "GRACE_SECONDS",
    "NOT_EXECUTABLE",
    "NOT_FOUND",
    "TIMED_OUT",
    "Bounded",
    "Cancellation",
    "Command",
    "Completed",
    "Listener",
    "Runner",
]


_LOOK_SECONDS = 0.01


class Cancellation:
    """Asks every running child to end, and refuses new ones. Safe to trip from a signal handler."""

    def __init__(self) -> None:
        self._children: set[Child] = set()
        self._patient_until = float("inf")
        self.signum: int | None = None

    def trip(self, signum: int) -> None:
        """End all children: TERM to their groups, KILL after a grace period (at once when tripped again)."""
        again = self.signum is not None
        self.signum = self.signum or signum
        self._patient_until = time.monotonic() + (0 if again else GRACE_SECONDS)
        for child in tuple(self._children):
            child.signal(signal.SIGKILL if again else signal.SIGTERM)
        if not again:
            timer = threading.Timer(GRACE_SECONDS, self._kill)
            timer.daemon = True
            timer.start()

    def _kill(self) -> None:
        for child in tuple(self._children):
            child.signal(signal.SIGKILL)

    def outlast(self, child: Child) -> None:
        """Wait for what an ended child leaves behind in its group, as long as for the child itself; then kill that."""
        end = time.monotonic() + GRACE_SECONDS
        while child.left_some_behind():
            if time.monotonic() >= min(end, self._patient_until):
                child.kill_rest()
                return
            time.sleep(_LOOK_SECONDS)

    def check(self) -> None:
        """Raise Interrupted if tripped."""
        if self.signum is not None:
            raise Interrupted(self.signum)


class Runner:
    """Starts programs. `cancellation` ends them; `trace` is called with each argv before it runs."""

    def __init__(
        self, cancellation: Cancellation | None = None, trace: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        self.cancellation = cancellation or Cancellation()
        self._trace = trace

    def run(self, command: Command) -> Completed:
        """Run one program to its end. Raises Interrupted when cancelled; every other ending is a value."""
        return next(iter(self.run_many([command], jobs=1)))[1]

    def run_many(
        self, commands: Iterable[Command | None], *, jobs: int, to_the_end: bool = False
    ) -> Iterator[tuple[int, Completed]]:
        """Run programs, at most `jobs` at a time, and give (index, Completed) as each ends.

        A None among the commands says that the next one has to wait until one of those that run has ended.
        to_the_end: when cancelled, give those too that are ended by that, and only then raise Interrupted.
        """
        pending = enumerate(commands)
        with selectors.DefaultSelector() as selector:
            live: set[Child] = set()
            guardian = Guardian()
            try:
                exhausted = False
                while live or not exhausted:
                    while not exhausted and len(live) < jobs:
                        index, command = next(pending, (-1, None))
                        exhausted = index < 0
                        if command is None:
                            break
                        try:
                            child = self._start(index, command, selector, guardian)
                        except Interrupted:
                            if not to_the_end:
                                raise
                            exhausted = True
                            break
                        if child.done is not None:
                            yield child.index, child.done
                        else:
                            live.add(child)
                    for child in _pump(selector, live) if live else ():
                        live.discard(child)
                        self._ended(child, guardian)
                        if not to_the_end:
                            self.cancellation.check()
                        assert child.done is not None
                        yield child.index, child.done
                if to_the_end:
                    self.cancellation.check()
            finally:
                for child in live:
                    child.end()
                    self.cancellation._children.discard(child)
                    self.cancellation.outlast(child)
                guardian.dismiss()

    def _ended(self, child: Child, guardian: Guardian) -> None:
        self.cancellation._children.discard(child)
        if self.cancellation.signum is not None:
            self.cancellation.outlast(child)
        if child.command.tie:
            guardian.forget(child.group)

    def _start(self, index: int, command: Command, selector: selectors.BaseSelector, guardian: Guardian) -> Child:
        self.cancellation.check()
        if self._trace is not None:
            for argv in command.stands_for or (command.argv,):
                self._trace(argv)
        if command.tie:
            guardian.expect(command.env or {})
        child = Child(index, command, selector)
        if command.tie:
            guardian.watch(child.group) if child.done is None else guardian.forget(0)
        if child.done is None:
            self.cancellation._children.add(child)
            if self.cancellation.signum is not None:
                child.signal(signal.SIGTERM)
        return child


def _pump(selector: selectors.BaseSelector, live: set[Child]) -> list[Child]:
    now = time.monotonic()
    wake = min((child.wakes_at(now) for child in live), default=None)
    timeout = None if wake is None or wake == float("inf") else max(0.0, wake - now)
    touched = set()
    for key, _ in selector.select(timeout):
        child: Child = key.data[0]
        child.ready(key.data[1])
        touched.add(child)
    now = time.monotonic()
    return [child for child in tuple(live) if child.advance(now, child in touched)]
