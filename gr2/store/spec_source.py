"""The text of a spec: its limits, its TOML, and on which line each key stands.

The TOML parser of the standard library knows lines only for its own errors, and takes quadratic time or runs out of
stack on some small texts. So a linear scan goes first: it refuses what is nested too deeply and notes the lines.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any

from gr2.model.records import dataclass

SIZE_LIMIT = 1 << 20
NESTING_LIMIT = 32
# The parser's time grows with all parts of all keys: 1 MiB of long dotted keys would take it seconds.
KEY_PARTS_LIMIT = 250_000
# Five thousand repositories with every key stay below it; each value may become an issue, and issues take time.
VALUES_LIMIT = 60_000

Where = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_PART = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_OPENING = re.compile(r"\"\"\"|'''|[\"'#\[\]{}\n.,=]")
_ENDINGS = {
    '"""': re.compile(r"(?:[^\"\\]|\\[\s\S]|\"(?!\"\"))*\"{3,5}"),
    "'''": re.compile(r"(?:[^']|'(?!''))*'{3,5}"),
    '"': re.compile(r"(?:[^\"\\\n]|\\.)*\""),
    "'": re.compile(r"[^'\n]*'"),
    "#": re.compile(r"[^\n]*"),
}


class SourceFault(Exception):
    """The text is no spec that could be looked at any further. `line` counts from 1, None when unknown."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Source:
    """A parsed spec. `lines` holds the line of each key and table that stands on a line of its own."""

    data: dict[str, Any]
    lines: dict[Where, int]

    def line(self, where: Where) -> int | None:
        """The line of the key path `where`, or of the nearest key around it."""
        for length in range(len(where), 0, -1):
            found = self.lines.get(where[:length])
            if found is not None:
                return found
        return None


def read_source(data: bytes) -> Source:
    """Parse the bytes of a spec. Raises SourceFault for every text that is none, in time linear in its length."""
    if len(data) > SIZE_LIMIT:
        raise SourceFault("the spec is over 1 MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SourceFault("the spec is not UTF-8", data.count(b"\n", 0, error.start) + 1) from error
    text = text.replace("\r\n", "\n")
    lines = _Scan(text).run()
    return Source(data=_parse(text), lines=lines)


def _parse(text: str) -> dict[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise SourceFault("the spec is nested too deeply") from error
    except Exception as error:  # whatever the parser fails with is the text's fault
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        reason = str(error)[: place.start()] if place else str(error)
        line = int(place.group(1)) if place and place.group(1) else None
        if place and line is None:
            line = text.count("\n") + 1
        reason = (reason[:1].lower() + reason[1:200]).rstrip(".") or type(error).__name__
        raise SourceFault(f"the spec is not TOML: {reason}", line) from error
    _limit_values(found)
    return found


def _limit_values(data: dict[str, Any]) -> None:
    """Refuse what no other reader of TOML or JSON would take: deep nesting, integers over 64 bits, too many values."""
    level: list[Any] = [data]
    total = 0
    for depth in range(NESTING_LIMIT + 2):
        below: list[Any] = []
        for item in level:
            total += len(item)
            if total > VALUES_LIMIT:
                raise SourceFault(f"the spec holds more than {VALUES_LIMIT} values")
            for value in item.values() if isinstance(item, dict) else item:
                if isinstance(value, dict | list):
                    below.append(value)
                elif type(value) is int and not -(2**63) <= value < 2**63:
                    raise SourceFault("the spec holds an integer that does not fit into 64 bits")
        if not below:
            return
        if depth >= NESTING_LIMIT:
            break
        level = below
    raise SourceFault(f"the spec is nested deeper than {NESTING_LIMIT}")


@dataclass
class _Scan:
    """One pass over TOML text. It stops at the first thing it does not know: the parser will say what is wrong."""

    text: str
    at: int = 0
    line: int = 1
    parts: int = 0
    table: Where = ()
    lines: dict[Where, int] = field(default_factory=dict)
    counts: dict[Where, int] = field(default_factory=dict)

    def run(self) -> dict[Where, int]:
        """The line of every table header and key."""
        while self._statement():
            pass
        return self.lines

    def _statement(self) -> bool:
        self._move(_BLANK)
        if self.at >= len(self.text):
            return False
        if self.text[self.at] == "[":
            return self._header()
        key = self._key()
        if key is None or not self.text.startswith("=", self.at):
            return False
        for length in range(1, len(key) + 1):
            self.lines.setdefault(self.table + key[:length], self.line)
        self.at += 1
        return self._value()

    def _header(self) -> bool:
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        self.table = ()
        key = self._key()
        if key is None or not self.text.startswith("]]" if double else "]", self.at):
            return False
        where: Where = ()
        for part in key[:-1]:
            where = self._latest((*where, part))
        where = (*where, key[-1])
        if double:
            number = self.counts.get(where, 0)
            self.counts[where] = number + 1
            self.lines.setdefault(where, self.line)
            where = (*where, number)
        else:
            where = self._latest(where)
        self.lines.setdefault(where, self.line)
        self.table = where
        return self._value()

    def _latest(self, where: Where) -> Where:
        count = self.counts.get(where)
        return where if count is None else (*where, count - 1)

    def _key(self) -> Where | None:
        parts: list[str] = []
        while True:
            self._move(_SPACE)
            match = _PART.match(self.text, self.at)
            if match is None:
                return None
            parts.append(_plain(match.group()))
            self.at = match.end()
            if len(parts) > NESTING_LIMIT:
                raise self._too_deep()
            self._move(_SPACE)
            if not self.text.startswith(".", self.at):
                break
            self.at += 1
        self.parts += len(parts) + len(self.table)
        if self.parts > KEY_PARTS_LIMIT:
            raise SourceFault("the spec holds too many keys", self.line)
        return tuple(parts)

    def _value(self) -> bool:
        """Go to the end of the statement, over strings, arrays and inline tables."""
        depth = dots = 0
        while (match := _OPENING.search(self.text, self.at)) is not None:
            sign = match.group()
            self.at = match.end()
            if sign in _ENDINGS:
                if not self._move(_ENDINGS[sign]):
                    return False
            elif sign == "\n":
                self.line += 1
                if depth <= 0:
                    return True
            elif sign in "[{":
                depth += 1
            elif sign in "]}":
                depth -= 1
            dots = dots + 1 if sign == "." else dots if sign in _ENDINGS else 0
            if depth > NESTING_LIMIT or dots > NESTING_LIMIT:
                raise self._too_deep()
        self.at = len(self.text)
        return False

    def _move(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.line += self.text.count("\n", self.at, match.end())
        self.at = match.end()
        return True

    def _too_deep(self) -> SourceFault:
        return SourceFault(f"the spec is nested deeper than {NESTING_LIMIT}", self.line)


def _plain(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] != '"':
        return part
    import json

    try:
        found = json.loads(part)
    except ValueError:
        return part[1:-1]
    return found if isinstance(found, str) else part[1:-1]
