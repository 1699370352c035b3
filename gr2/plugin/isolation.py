"""Runs plugin code so that what it does wrong stays its own: stdout goes to stderr, every exception is an answer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gr2.errors import Gr2Error

T = TypeVar("T")
_LOOK_SECONDS = 0.1


class PluginFault(Exception):
    """Plugin code did something it may not. `cause` is one line for people."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _Stdout:
    """The threads that are in calls into plugins, once for each call; stdout is redirected while there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[threading.Thread] = []
        self._left_behind: set[threading.Thread] = set()
        self._saved: tuple[Any, int] | None = None

    def enter(self) -> None:
        thread = threading.current_thread()
        with self._lock:
            if thread in self._left_behind:
                return
            if not self._calls:
                self._saved = self._divert()
            self._calls.append(thread)

    def leave(self) -> None:
        thread = threading.current_thread()
        with self._lock:
            if thread in self._left_behind:
                return
            self._calls.remove(thread)
            self._give_back()

    def leave_behind(self, thread: threading.Thread) -> None:
        """Count on `thread` no more: it may never leave, or long after stdout has become another."""
        with self._lock:
            self._left_behind = {other for other in self._left_behind if other.is_alive()} | {thread}
            self._calls = [other for other in self._calls if other is not thread]
            self._give_back()

    def _give_back(self) -> None:
        if not self._calls and self._saved is not None:
            self._restore(*self._saved)
            self._saved = None

    @staticmethod
    def _divert() -> tuple[Any, int]:
        stream = sys.stdout
        _flush(stream)
        sys.stdout = sys.stderr
        try:
            kept = os.dup(1)
        except OSError:
            return stream, -1
        try:
            os.dup2(2, 1)
        except OSError:
            os.close(kept)
            kept = -1
        return stream, kept

    @staticmethod
    def _restore(stream: Any, kept: int) -> None:
        # What the plugin left in the C or Python buffers belongs to stderr too.
        _flush(sys.stdout)
        sys.stdout = stream
        if kept >= 0:
            os.dup2(kept, 1)
            os.close(kept)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError):
        return


_stdout = _Stdout()


@contextmanager
def diverted_stdout() -> Iterator[None]:
    """What is written to stdout inside goes to stderr, that of child processes and C code too."""
    _stdout.enter()
    try:
        yield
    finally:
        _stdout.leave()


def describe(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    try:
        said = str(error).strip()
    except BaseException:  # a plugin's own __str__ may raise anything
        said = ""
    first = said.splitlines()[0][:300] if said else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def isolated(function: Callable[[], T]) -> T:
    """Call plugin code. Gr2Error children pass; everything else it raises, SystemExit and KeyboardInterrupt
    included, becomes PluginFault."""
    try:
        with diverted_stdout():
            return function()
    except Gr2Error:
        raise
    except BaseException as error:
        raise PluginFault(describe(error)) from error


def isolated_within(function: Callable[[], T], *, seconds: float) -> T:
    """Like `isolated`, and a PluginFault when it takes longer than `seconds`: the call is then left behind."""
    answer: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(function())
        except BaseException as error:
            raised.append(error)

    # stdout is given back to gr2 also when the call never returns.
    with diverted_stdout():
        thread = threading.Thread(target=work, daemon=True, name="gr2-plugin")
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            _stdout.leave_behind(thread)
    if raised and isinstance(raised[0], Gr2Error):
        raise raised[0]
    if raised:
        raise PluginFault(describe(raised[0])) from raised[0]
    if not answer:
        raise PluginFault(f"it took longer than {seconds:g} s")
    return answer[0]


class OwnThread:
    """Runs calls one after the other in a thread of its own, until `end`. Nobody has to wait for it, also not then."""

    def __init__(self) -> None:
        self.left_behind = False
        self._calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[Any, BaseException | None]]] | None]
        self._calls = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="gr2-plugin")
        self._thread.start()

    def call(self, function: Callable[[], T], *, patience: Callable[[], None]) -> T:
        """What `function` returns or raises. `patience` is called again and again meanwhile; when it raises, the
        thread is left behind in the call, and what it raised is raised here."""
        answers: SimpleQueue[tuple[T, BaseException | None]] = SimpleQueue()
        self._calls.put((function, answers))
        while True:
            try:
                answer, error = answers.get(timeout=_LOOK_SECONDS)
                break
            except Empty:
                try:
                    patience()
                except BaseException:
                    self.left_behind = True
                    _stdout.leave_behind(self._thread)
                    raise
        if error is not None:
            raise error
        return answer

    def end(self) -> None:
        """The thread ends once it is done with the call it is in."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            function, answers = call
            try:
                answers.put((function(), None))
            except BaseException as error:
                answers.put((None, error))


def import_object(reference: str) -> Any:
    """The object that `module:name.name` (or `module`) names. Raises whatever importing it raises."""
    from importlib import import_module

    module, _, attributes = reference.partition(":")
    found: Any = import_module(module)
    for name in attributes.split(".") if attributes else ():
        found = getattr(found, name)
    return found


class Guarded:
    """Stands in front of an object that a plugin made: each method call is isolated, and a fault becomes the error
    that `failed` makes of its cause."""

    def __init__(self, target: Any, failed: Callable[[str], Gr2Error]) -> None:
        self._gr2_target = target
        self._gr2_failed = failed

    def __getattr__(self, name: str) -> Any:
        target, failed = self._gr2_target, self._gr2_failed
        found = _asked(lambda: getattr(target, name), failed)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return _asked(lambda: found(*args, **kwargs), failed)

        return call

    def __repr__(self) -> str:
        return f"<plugin object {type(self._gr2_target).__name__}>"


def _asked(function: Callable[[], T], failed: Callable[[str], Gr2Error]) -> T:
    try:
        return isolated(function)
    except PluginFault as fault:
        raise failed(fault.cause) from fault
