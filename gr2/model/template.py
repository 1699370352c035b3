"""Commands and paths of hooks.toml: split like a shell would, variables put in afterwards (contract, page 4).

`{name}` is a variable, `{{` and `}}` are literal braces, any other brace is literal. A value is never scanned again,
never split, and never seen by a shell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_PART = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")


class NoValue(Exception):
    """A variable has no value here. `name` is the variable."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def variables_in(text: str) -> tuple[str, ...]:
    """The variables that `text` uses, in order, each once."""
    return tuple(dict.fromkeys(found.group(1) for found in _PART.finditer(text) if found.group(1)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its variables put in. Raises NoValue for one that `values` lacks."""

    def one(found: re.Match[str]) -> str:
        name = found.group(1)
        if name is None:
            return found.group(0)[0]
        if name not in values:
            raise NoValue(name)
        return values[name]

    return _PART.sub(one, text)


def unknown_variable(text: str, known: Collection[str]) -> str | None:
    """The first variable of `text` that is not `known`, or None."""
    return next((name for name in variables_in(text) if name not in known), None)


def split_command(command: str) -> list[str]:
    """The words of a command, with a shell's quotes and backslashes and nothing else of a shell.

    Raises ValueError, with a lower-case reason, for an open quote, a backslash at the end, a NUL, or no words.
    """
    import shlex

    if "\0" in command:
        raise ValueError("it holds a NUL character")
    try:
        words = shlex.split(command, comments=False, posix=True)
    except ValueError as error:
        reasons = {"No closing quotation": "a quote is not closed", "No escaped character": "it ends in a backslash"}
        raise ValueError(reasons.get(str(error), str(error).lower())) from None
    if not words:
        raise ValueError("it is empty")
    if not words[0]:
        raise ValueError("its program has no name")
    return words


def command_fault(command: str) -> str | None:
    """Why `command` could never run, as a lower-case sentence, or None."""
    try:
        split_command(command)
    except ValueError as error:
        return str(error)
    return None


def command_words(command: str, variables: Mapping[str, str]) -> list[str]:
    """The words of `command` with its variables put in: what a program is started with.

    Raises ValueError for a command that `command_fault` refuses, NoValue for a variable without a value.
    """
    return [fill(word, variables) for word in split_command(command)]
