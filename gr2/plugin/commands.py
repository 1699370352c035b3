"""Commands as data. The command line turns them into real ones, so that a plugin's command gets the global options,
JSON, exit codes and text in the same way as gr2's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from gr2.model.outcome import Result
from gr2.model.records import dataclass


class Screen(Protocol):
    """Where a text function writes. It escapes what came from outside."""

    def line(self, text: str = "", /) -> None:
        """One line of plain text."""

    def table(self, headers: Any, rows: Any, /) -> None:
        """Rows of cells in aligned columns."""


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
    operation: set for a command that changes something, for example `verify.run`: then `run` is called as
    `run(session, mutation, **values)` inside a mutation of that name, with `mutation.operation_id` and
    `mutation.emit(event)`, and returns a `gr2.api.MutationResult`.
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


@dataclass(frozen=True, kw_only=True)
class PluginGroup:
    """A noun with commands below it: `gr2 NAME COMMAND`."""

    name: str
    help: str
    commands: tuple[PluginCommand, ...]
