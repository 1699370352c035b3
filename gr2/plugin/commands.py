"""Commands as data. The command line turns them into real ones, so that a plugin's command gets the global options,
JSON, exit codes and text in the same way as gr2's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gr2.model.outcome import Result
from gr2.model.records import dataclass

if TYPE_CHECKING:
    from gr2.model.event import Event
    from gr2.plugin.gates import GatesRun


class Screen(Protocol):
    """Where a text function writes. It escapes what came from outside."""

    def line(self, text: str = "", /) -> None:
        """One line of plain text."""

    def table(self, headers: Any, rows: Any, /) -> None:
        """Rows of cells in aligned columns."""


class Change(Protocol):
    """What a command that changes something gets as `mutation`."""

    operation_id: str
    """What its events and its result carry."""

    def emit(self, event: Event, /, *, unit: str = "") -> str:
        """Write an event now, and return its id. Raises Blocked `outbox_unwritable`, Failed `disk_full`."""

    def run_gates(
        self,
        *,
        repos: Sequence[str] = (),
        gates: Sequence[str] = (),
        jobs: int = 1,
        fail_fast: bool = False,
        trust_hooks: bool = False,
    ) -> GatesRun:
        """Run the `[[gates]]` of the lane's repos in its checkouts, for a command with `of_lane`.

        They are trusted, run and recorded as lifecycle hooks are: only from a hooks file that was approved, in the
        bare environment, under an exec lease, with `gate.passed` and `gate.failed`. A gate that fails is in the answer.
        repos, gates: names, all when empty. jobs: repos at once. fail_fast: start none after one failed. trust_hooks:
        approve every file for this run.
        Raises Invalid `unknown_repo`, `unknown_gate`; Blocked `lane_frozen`, `review_lane`, `lease_conflict`,
        `lease_lost`.
        """


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A positional argument. `many` takes the rest as a tuple."""

    name: str
    help: str = ""
    required: bool = True
    many: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Option:
    """`--name VALUE`, or `--name` alone for the kind `flag`. The function receives it as `name` with underscores.

    `many`: may be repeated, and arrives as a tuple.
    """

    name: str
    help: str = ""
    kind: Literal["text", "integer", "number", "flag"] = "text"
    default: Any = None
    required: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PluginCommand:
    """One command.

    run: called as `run(session, **values)`, returns a frozen dataclass derived from `gr2.api.Result`; its fields are
    the JSON. text: prints that result for people.
    operation: set for a command that changes something, for example `recall.rebuild`: then `run` is called as
    `run(session, mutation, **values)` inside a mutation of that name, with a `gr2.api.Change` as `mutation`, and
    returns a `gr2.api.MutationResult`.
    of_lane: such a command is about one lane. It gets the argument `[LANE]` and `--lane` (not among the values), gr2
    finds the lane as its own commands do, and the mutation is about it: constraints and failure markers may refuse it.
    It keeps nobody else in the workspace waiting.
    feeds: for a command that reads what an event sink made: the sink's name. It is fed before `run` is called, for a
    few seconds at most; what kept it from getting everything is added to the result's issues and does not block.
    """

    name: str
    help: str
    run: Callable[..., Result]
    text: Callable[[Any, Screen], None]
    params: tuple[Argument | Option, ...] = ()
    operation: str = ""
    feeds: str = ""
    needs_workspace: bool = True
    of_lane: bool = False


@dataclass(frozen=True, kw_only=True)
class PluginGroup:
    """A noun with commands below it: `gr2 NAME COMMAND`."""

    name: str
    help: str
    commands: tuple[PluginCommand, ...]
