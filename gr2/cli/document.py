"""The JSON document of a result: its fields under their own names, ASCII-escaped, in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gr2.model.outcome import MutationResult, Result

_HIDDEN = frozenset({"status", "issues", "operation_id", "signum"})


def document(result: Result, *, schema: str, mutates: bool) -> str:
    """The document of `result`, without a line feed at its end."""
    body: dict[str, Any] = {"schema": schema, "status": result.status.value}
    if mutates:
        body["operation_id"] = result.operation_id if isinstance(result, MutationResult) else None
    for field in fields(result):
        if field.name not in _HIDDEN:
            body[field.metadata.get("json", field.name)] = plain(getattr(result, field.name))
    body["issues"] = plain(result.issues)
    return json.dumps(body, ensure_ascii=True, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` as JSON has it: dataclasses as objects, tuples as arrays, times as RFC 3339."""
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        shown = getattr(value, "json_fields", None)
        if shown is not None:
            return plain(shown())
        return {field.metadata.get("json", field.name): plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"{type(value).__name__} has no place in a document")
