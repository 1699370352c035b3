"""JSON Schema of every event type, built from the classes. Imports pydantic: for `events schema` and the docs only."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from gr2.model.event.base import EVENT_VERSION, Event
from gr2.model.event.catalog import CATALOG, event_class
from gr2.model.event.envelope import SEQ_LIMIT

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ENVELOPE: dict[str, dict[str, Any]] = {
    "version": {"const": EVENT_VERSION},
    "event_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    "seq": {"type": "integer", "minimum": 1, "exclusiveMaximum": SEQ_LIMIT},
    "timestamp": {"type": "string", "format": "date-time"},
}
_CONTEXT: dict[str, dict[str, Any]] = {
    "workspace": {"type": "string"},
    "actor": {"type": "string"},
    "agent_id": {"type": "string"},
    "owner_unit": {"type": "string"},
}
_OPERATION = {"operation_id": {"type": "string", "pattern": "^op_[0-9a-f]{12}$"}}
_SOMETIMES = frozenset({"agent_id", "operation_id"})


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of each event type of this gr2, in the order of the contract."""
    return {name: schema_of(name) for name in CATALOG}


def schema_of(type_name: str) -> dict[str, Any]:
    """The JSON Schema of a whole event of this type: envelope, context and fields at one level.

    Raises KeyError for a type this gr2 does not know.
    """
    kind = event_class(type_name)
    if kind is None:
        raise KeyError(type_name)
    own = TypeAdapter(kind).json_schema(mode="serialization")
    fields = {name: _plain(schema, kind, name) for name, schema in own["properties"].items()}
    properties = {**_ENVELOPE, "type": {"const": type_name}, **_CONTEXT, **_OPERATION, **fields}
    sometimes = (_SOMETIMES - fields.keys()) | kind.OPTIONAL
    schema = {
        "$schema": DIALECT,
        "title": type_name,
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in sometimes],
    }
    if "$defs" in own:
        schema["$defs"] = {name: _without_title(item) for name, item in own["$defs"].items()}
    return schema


def _plain(schema: dict[str, Any], kind: type[Event], name: str) -> dict[str, Any]:
    """A field's schema without titles; of one that may be left out, without the null it then stands for."""
    schema = {key: value for key, value in schema.items() if key not in {"title", "default"}}
    if name in kind.OPTIONAL:
        (schema,) = (option for option in schema["anyOf"] if option.get("type") != "null")
    return schema


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key != "title"}
    kept["properties"] = {
        name: {key: value for key, value in item.items() if key != "title"} for name, item in kept["properties"].items()
    }
    return kept
