"""How a running operation looks: live lines on a terminal, plain ones in a log, nothing when quiet."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from gr2.cli.screen import is_terminal
from gr2.model.names import visible
from gr2.session import Progress

if TYPE_CHECKING:
    from gr2.cli.command import Invocation


# What an operation is called once it is done.
_DONE = {
    "cache.seed": "mirrored",
    "cache.refresh": "fetched",
    "checkout.clone": "cloned",
    "checkout.update": "updated",
    "unit.create": "made",
    "file.project": "projected",
    "hooks.run": "hook ran",
    "gates.run": "gate ran",
    "work.stash": "stashed",
    "work.discard": "discarded",
    "work.restore": "restored",
}


def progress_for(run: Invocation) -> Progress:
    """The progress that suits this run's options and its stderr."""
    if run.quiet:
        return QuietProgress(only_output=run.json)
    environ = run.environ
    if run.json:
        return PlainProgress(only_output=True)
    if is_terminal(sys.stderr) and not environ.get("CI") and not environ.get("NO_COLOR") and not run.no_color:
        return LiveProgress()
    return PlainProgress()


class PlainProgress:
    """One line on stderr when something is done; whole lines only, also from several threads.

    A child's output goes to stdout, or to stderr when stdout belongs to the document (`only_output`).
    """

    def __init__(self, *, only_output: bool = False) -> None:
        self._lock = threading.Lock()
        self._only_output = only_output

    def start(self, label: str, total: int) -> None: ...

    def begin(self, subject: str, doing: str) -> None: ...

    def end(self, subject: str, done: str) -> None:
        if not self._only_output:
            self.note(f"{subject}: {_DONE.get(done, done)}")

    def step(self, line: str) -> None:
        self.note(line)

    def note(self, line: str) -> None:
        with self._lock:
            sys.stderr.write(visible(line) + "\n")
            sys.stderr.flush()

    def output(self, subject: str, stream: str, line: bytes) -> None:
        target = sys.stderr if self._only_output or stream == "stderr" else sys.stdout
        text = visible(line.decode(errors="replace").rstrip("\r\n").replace("\t", "    "))
        with self._lock:
            target.write(f"{visible(subject)} | {text}\n")
            target.flush()

    def stop(self) -> None: ...


class QuietProgress(PlainProgress):
    """Only what a person has to see, and a child's output, which is what its command was run for."""

    def end(self, subject: str, done: str) -> None: ...

    def step(self, line: str) -> None: ...


class LiveProgress(PlainProgress):
    """A bar and what is going on now, redrawn in place by rich, gone when the operation is over."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Any = None
        self._task: Any = None
        self._doing: dict[str, str] = {}

    def start(self, label: str, total: int) -> None:
        if total == 0 or self._progress is not None:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[doing]}", markup=False, style="dim"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(label, total=total, doing="")
        self._progress.start()

    def begin(self, subject: str, doing: str) -> None:
        with self._lock:
            self._doing[subject] = doing
            self._show(0)

    def end(self, subject: str, done: str) -> None:
        with self._lock:
            self._doing.pop(subject, None)
            self._show(1)

    def _show(self, advance: int) -> None:
        if self._progress is not None:
            now = ", ".join(f"{visible(subject)} {doing}" for subject, doing in list(self._doing.items())[:3])
            self._progress.update(self._task, advance=advance, doing=now)

    def note(self, line: str) -> None:
        if self._progress is not None:
            self._progress.console.print(visible(line), markup=False, highlight=False)
        else:
            super().note(line)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
