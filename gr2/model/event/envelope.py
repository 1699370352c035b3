"""Lines of the log: what makes one a valid event, told apart from junk without a schema.

An event of a type or version this gr2 does not know is valid as long as its envelope is.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any, NoReturn

SEQ_LIMIT = 1 << 53  # what every JSON reader can hold exactly (RFC 8259, section 6)
_EVENT_ID = re.compile(r"[0-9a-f]{16}").fullmatch
_TIMESTAMP = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
).fullmatch


def _not_json(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_scan = json.JSONDecoder(parse_constant=_not_json).raw_decode


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The event in one line (with or without its line feed), None when the line is junk."""
    try:
        text = line.decode()
        event, end = _scan(text)
    except (ValueError, RecursionError):
        return None
    if len(text) - end > 1 and text[end:].strip():
        return None
    return event if is_envelope(event) else None


def _is_day(text: str) -> bool:
    """Whether the calendar has this day: RFC 3339 asks for it, and readers make dates of it."""
    if text[8:] < "29" and text[:4] != "0000":
        return True
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def is_envelope(event: Any) -> bool:
    """Whether `event` is an object with a valid `version`, `event_id`, `seq`, `timestamp` and `type`."""
    try:
        return bool(
            type(event["seq"]) is int
            and 0 < event["seq"] < SEQ_LIMIT
            and type(event["version"]) is int
            and event["version"] > 0
            and _EVENT_ID(event["event_id"])
            and _TIMESTAMP(event["timestamp"])
            and _is_day(event["timestamp"][:10])
            and type(event["type"]) is str
            and event["type"]
        )
    except (KeyError, TypeError):
        return False
