"""What people see: lines and tables on stdout, harmless on any terminal, with colour only where it is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from gr2.model.hints import from_here
from gr2.model.names import visible
from gr2.model.outcome import Issue

_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "heading": "1",
    "good": "32",
    "bad": "31",
    "warn": "33",
    "command": "36",
}

TextFunction = Callable[[Any, "Screen"], None]
_TEXTS: dict[type, TextFunction] = {}
T = TypeVar("T", bound=TextFunction)


def text_for(result_type: type) -> Callable[[T], T]:
    """Register the decorated function as the one that shows results of `result_type` to people."""

    def register(function: T) -> T:
        _TEXTS[result_type] = function
        return function

    return register


def text_of(result: object) -> TextFunction | None:
    """The function that shows `result`: registered for its type or a base of it. The module `gr2.cli.text.X` holds
    those for the results of `gr2.ops.X`, and is imported when first needed."""
    from importlib import import_module
    from importlib.util import find_spec

    kind = type(result)
    if kind not in _TEXTS and kind.__module__.startswith("gr2.ops."):
        name = f"gr2.cli.text.{kind.__module__.rpartition('.')[2]}"
        if find_spec(name) is not None:
            import_module(name)
    return next((_TEXTS[base] for base in kind.__mro__ if base in _TEXTS), None)


class Screen:
    """Where text goes. Strings given to it are made visible: control and bidirectional characters come out escaped."""

    def __init__(self, out: TextIO, err: TextIO, *, colour: bool, width: int, cwd: str = "") -> None:
        self._out = out
        self._err = err
        self.cwd = cwd
        self.colour = colour
        self.width = width

    @classmethod
    def for_process(cls, environ: Mapping[str, str], *, no_color: bool, cwd: str) -> Screen:
        """The screen of this process: colour only on a terminal, without `CI` and `NO_COLOR`.
        It is read in the directory `cwd`."""
        wanted = (
            not no_color and not environ.get("NO_COLOR") and not environ.get("CI") and environ.get("TERM") != "dumb"
        )
        colour = wanted and is_terminal(sys.stdout)
        return cls(sys.stdout, sys.stderr, colour=colour, width=_columns(environ), cwd=cwd)

    def paint(self, text: str, style: str) -> str:
        """`text` made visible, in `style` where there is colour."""
        shown = visible(text)
        code = _STYLES.get(style)
        return f"\x1b[{code}m{shown}\x1b[0m" if self.colour and code else shown

    def line(self, text: str = "", style: str = "") -> None:
        """One line on stdout."""
        self._out.write(self.paint(text, style) + "\n")

    def parts(self, *parts: str | tuple[str, str]) -> None:
        """One line on stdout made of plain texts and (text, style) pairs."""
        shown = (self.paint(*part) if isinstance(part, tuple) else visible(part) for part in parts)
        self._out.write("".join(shown) + "\n")

    def heading(self, text: str) -> None:
        """A heading."""
        self.line(text, "heading")

    def command(self, text: str, *, indent: int = 2) -> None:
        """A command the person may type, on a line of its own."""
        self._out.write(" " * indent + self.paint(self.typed(text), "command") + "\n")

    def typed(self, hint: str) -> str:
        """A command or hint as it is typed here: places below the current directory are named from there."""
        return from_here(hint, self.cwd)

    def raw(self, text: str) -> None:
        """A document (a schema, a shell function, a diff), its line feeds and tabs kept."""
        self._out.write(visible(text, multiline=True))

    def link(self, text: str, url: str) -> str:
        """`text`, clickable where the terminal can (OSC 8), for use inside `verbatim`."""
        shown = visible(text)
        return f"\x1b]8;;{visible(url)}\x1b\\{shown}\x1b]8;;\x1b\\" if self.colour and url else shown

    def verbatim(self, text: str) -> None:
        """One line that was painted already."""
        self._out.write(text + "\n")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str | tuple[str, str]]], *, indent: int = 0
    ) -> None:
        """A table. A cell is a text or a (text, style) pair."""
        cells = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
        shown = [[(visible(text), style) for text, style in row] for row in cells]
        widths = [
            max([cells_of(title), *(cells_of(row[index][0]) for row in shown)]) for index, title in enumerate(columns)
        ]
        if any(columns):
            self._row([(title, "dim") for title in columns], widths, indent)
        for row in shown:
            self._row(row, widths, indent)

    def _row(self, row: Sequence[tuple[str, str]], widths: Sequence[int], indent: int) -> None:
        parts = []
        for index, (text, style) in enumerate(row):
            last = index == len(row) - 1
            pad = "" if last else " " * (widths[index] - cells_of(text) + 2)
            parts.append((self.paint(text, style) if style else text) + pad)
        self._out.write((" " * indent + "".join(parts)).rstrip() + "\n")

    def issue(self, issue: Issue) -> None:
        """An issue on stderr: `error[code]: message`, and its hint."""
        word, style = ("error", "bad") if issue.blocking else ("warning", "warn")
        about = f"{issue.subject}: " if issue.subject and not _names(issue.message, issue.subject) else ""
        colour = self.colour and is_terminal(self._err)
        label = f"{word}[{visible(issue.code)}]"
        label = f"\x1b[{_STYLES[style]};1m{label}\x1b[0m" if colour else label
        self._err.write(f"{label}: {visible(about + issue.message)}\n")
        if issue.code == "confirmation_required":
            # Nobody agrees to lose what they were not shown.
            for name in issue.details.get("files", ()):
                self._err.write(f"  {visible(str(name))}\n")
        if issue.hint:
            self._err.write(f"  help: {visible(self.typed(issue.hint))}\n")

    def note(self, text: str) -> None:
        """One line on stderr."""
        self._err.write(visible(text) + "\n")


def _names(message: str, subject: str) -> bool:
    """Whether `message` says what it is about. A word that stands in it by chance ("linked", "detached") does not."""
    import re

    word = re.escape(subject)
    if subject.isalpha():
        return re.search(rf"^{word}(?![\w/-])|'{word}'", message) is not None
    return re.search(rf"(?<![\w/-]){word}(?![\w/-])", message) is not None


def cells_of(text: str) -> int:
    """How many terminal cells `text` takes; exact for ASCII, else by Unicode's East Asian Width."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _columns(environ: Mapping[str, str]) -> int:
    if environ.get("COLUMNS", "").isdigit():
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 100


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` is a terminal."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def devnull_stdout() -> None:
    """Let nothing more be written to a stdout whose reader is gone."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
