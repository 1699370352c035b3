"""Writes docs/events.md from the event classes: `python docs/make_events.py`. A test says when it is out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gr2.model.event.schema import schemas

PAGE = Path(__file__).with_name("events.md")

HEAD = """\
# Events

<!-- Written by docs/make_events.py from gr2/model/event/. Change the classes, not this page. -->

gr2 appends one JSON object a line to `.grip/events/outbox.jsonl`. Read it with `gr2 events list`, follow it with
`gr2 events tail --follow --json`, have it delivered by a sink (`gr2 events deliver`); `gr2 events schema` prints the
JSON Schema of every type. Only gr2 writes the file.

Every event has the envelope `version` (1), `event_id` (16 hexadecimal digits), `seq` (from 1, one more for each event,
across rotations), `timestamp` (RFC 3339 with an offset) and `type`; then the context `workspace`, `actor`, `agent_id`
(only if known) and `owner_unit` (the unit it is about, else `""`); events of one operation also carry its
`operation_id`. The fields below stand at the same level. Paths are relative to the workspace, `lane_name` is `""`
outside lanes, durations are whole milliseconds.

A consumer must pass over types, versions and fields it does not know: new ones may come at any time.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    noun = ""
    for name, schema in schemas().items():
        if name.partition(".")[0] != noun:
            noun = name.partition(".")[0]
            parts.append(f"\n## {noun}\n")
        parts.append(_entry(name, schema))
    return "".join(parts)


def _entry(name: str, schema: dict[str, Any]) -> str:
    names = list(schema["properties"])
    own = names[names.index("owner_unit") + 1 :]
    lines = [f"\n### {name}\n\n{schema['description']}\n\n| field | value |\n|---|---|\n"]
    for field in own:
        if field == "operation_id" and field not in schema["required"]:
            continue
        optional = "" if field in schema["required"] else " (not always there)"
        lines.append(f"| `{field}` | {_value(schema['properties'][field], schema)}{optional} |\n")
    return "".join(lines)


def _value(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        item = schema["$defs"][field["$ref"].rpartition("/")[2]]
        inside = (f"`{name}` {_value(value, schema)}" for name, value in item["properties"].items())
        return f"object: {', '.join(inside)}"
    if field.get("type") == "array":
        return f"list of {_value(field['items'], schema)}"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"object of {_value(values, schema)}" if isinstance(values, dict) else "object"
    return str(field["type"])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
