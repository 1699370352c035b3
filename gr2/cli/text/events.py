"""How events look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gr2.cli.screen import Screen, text_for
from gr2.model.event.base import RESERVED
from gr2.ops.events import EventsListResult, EventsSchemaResult

_SHOWN_ELSEWHERE = RESERVED | {"operation_id", "lane_name"}
_STYLES = {"failed": "bad", "merge_failed": "bad", "checks_failed": "bad", "conflict": "warn", "force_broken": "warn"}


@text_for(EventsListResult)
def show_events(result: EventsListResult, screen: Screen) -> None:
    """One line an event, oldest first."""
    for event in result.events:
        show_event(event, screen)
    if not result.events:
        screen.line("No events.")
    if result.skipped.junk:
        screen.note(f"{result.skipped.junk} unreadable lines passed over")


@text_for(EventsSchemaResult)
def show_schema(result: EventsSchemaResult, screen: Screen) -> None:
    """The schemas as one indented JSON object."""
    screen.raw(json.dumps(result.events, indent=2) + "\n")


def show_event(event: Mapping[str, Any], screen: Screen) -> None:
    """One line: seq, local time, type, actor, where, and the event's own fields."""
    kind = event["type"]
    where = "/".join(str(event[key]) for key in ("owner_unit", "lane_name") if event.get(key))
    fields = "  ".join(
        f"{key}={_brief(value)}"
        for key, value in event.items()
        if key not in _SHOWN_ELSEWHERE and value not in ("", [], {})
    )
    screen.parts(
        (f"{event['seq']:>6}  {_local(event['timestamp'])}  ", "dim"),
        (f"{kind:<24}", _STYLES.get(kind.partition(".")[2], "bold")),
        f"  {event.get('actor', '')}  ",
        (where + "  " if where else "", "cyan"),
        fields,
    )


def _local(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return text


def _brief(value: Any) -> str:
    if isinstance(value, list):
        names = [_brief(item.get("repo", item) if isinstance(item, dict) else item) for item in value]
        return ",".join(names[:8]) + (f",… ({len(names)})" if len(names) > 8 else "")
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"
