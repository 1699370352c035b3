"""One frozen value that every op receives: the workspace, who acts, and the doors to the outside.

Built once per process by whoever starts an operation (the command line, a test); never a global.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Protocol

from gr2.edges.clock import Clock, Ids
from gr2.model.records import dataclass
from gr2.workspace import Asked, Workspace

if TYPE_CHECKING:
    from gr2.edges.git import Git
    from gr2.edges.process import Runner
    from gr2.store.settings import Settings

__all__ = ["Asked", "Progress", "Session", "Silence"]


class Progress(Protocol):
    """Told how an operation gets on. All calls are cheap, and may come from several threads."""

    def start(self, label: str, total: int) -> None:
        """An operation over `total` things begins."""

    def begin(self, subject: str, doing: str) -> None:
        """Work on `subject` begins, for example ("app", "cloning")."""

    def end(self, subject: str, done: str) -> None:
        """Work on `subject` ended, for example ("app", "cloned")."""

    def step(self, line: str) -> None:
        """One line on what is being done now."""

    def note(self, line: str) -> None:
        """One line that a person has to see, also one who asked for no progress."""

    def output(self, subject: str, stream: str, line: bytes) -> None:
        """One whole line of a child's output."""

    def stop(self) -> None:
        """The operation is over."""


class Silence:
    """A progress that says nothing."""

    def start(self, label: str, total: int) -> None: ...
    def begin(self, subject: str, doing: str) -> None: ...
    def end(self, subject: str, done: str) -> None: ...
    def step(self, line: str) -> None: ...
    def note(self, line: str) -> None: ...
    def output(self, subject: str, stream: str, line: bytes) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Session(Workspace):
    """Everything an op needs."""

    actor: str
    settings: Settings
    runner: Runner
    git: Git
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    progress: Progress = field(default_factory=Silence)
    plugins: Any = None
    wait_seconds: float = 30.0

    def with_git(self, git: Git) -> Session:
        """The same session with another git door, for example one whose children keep a lock."""
        copy = replace(self, git=git)
        copy.__dict__.update({key: value for key, value in self.__dict__.items() if key.startswith("_")})
        return copy
