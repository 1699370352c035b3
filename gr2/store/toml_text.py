"""Writes the small TOML files that gr2 makes itself (TOML 1.0). People's files are edited with tomlkit instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(value: Mapping[str, Any], *, comment: str = "") -> str:
    """`value` as a TOML document: strings, integers, booleans, lists of these, and tables one level deep."""
    lines = [f"# {line}" for line in comment.splitlines()]
    tables = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            tables.append((key, item))
        elif item is not None:
            lines.append(f"{_key(key)} = {_scalar(item)}")
    for key, table in tables:
        lines += ["", f"[{_key(key)}]", *(f"{_key(name)} = {_scalar(item)}" for name, item in table.items())]
    return "\n".join(lines) + "\n"


def toml_string(text: str) -> str:
    """`text` as a basic string: JSON's escapes are TOML's, DEL has to be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml_string(name)


def _scalar(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, str):
        return toml_string(item)
    if isinstance(item, Sequence):
        return "[" + ", ".join(_scalar(part) for part in item) + "]"
    raise TypeError(f"no TOML for {type(item).__name__}")
