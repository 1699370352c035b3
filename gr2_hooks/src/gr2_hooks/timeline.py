"""Events as rows, bars and marks: what a timeline draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gr2_hooks.messages import TEMPLATES, text_of
from gr2_hooks.recall_store import moment_of

WORKSPACE = "workspace"
_BEGIN = {"lease.acquired": "lease", "sync.started": "sync", "exec.started": "exec"}
_END = {
    "lease.released": "lease",
    "lease.expired": "lease",
    "lease.reclaimed": "lease",
    "lease.force_broken": "lease",
    "sync.completed": "sync",
    "exec.completed": "exec",
    "exec.failed": "exec",
}
_FAILURES = frozenset(
    {
        "hook.failed",
        "exec.failed",
        "gate.failed",
        "sync.conflict",
        "pr.merge_failed",
        "pr.checks_failed",
        "failure.resolved",
    }
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Something that lasted: a lease, a sync or an exec. `end` is None when it had not ended. Microseconds."""

    kind: str
    start: int
    end: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that happened at one moment: pr, failure or event."""

    kind: str
    at: int
    text: str


@dataclass
class Row:
    """A lane ("unit/lane"), a unit, or the workspace, and what happened there."""

    name: str
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Rows in the order of their first event, and the first and the last moment."""

    rows: tuple[Row, ...]
    first: int
    last: int


def timeline_of(events: Sequence[Mapping[str, Any]]) -> Timeline:
    """The timeline of `events`, which are in order."""
    rows: dict[str, Row] = {}
    begun: dict[tuple[str, str], tuple[Row, Mapping[str, Any]]] = {}
    for event in events:
        row = rows.setdefault(_row_of(event), Row(_row_of(event)))
        kind, moment = str(event["type"]), moment_of(event["timestamp"])
        if kind in _BEGIN:
            begun[_BEGIN[kind], _key(event)] = row, event
            continue
        start = begun.pop((_END[kind], _key(event)), None) if kind in _END else None
        if start is not None:
            start[0].bars.append(_bar(_END[kind], start[1], event))
        if start is None or kind in _FAILURES:
            row.marks.append(Mark(kind=_kind_of(kind), at=moment, text=label(event)))
    for (kind, _), (row, event) in begun.items():
        row.bars.append(_bar(kind, event, None))
    moments = [moment_of(event["timestamp"]) for event in events]
    return Timeline(rows=tuple(rows.values()), first=min(moments, default=0), last=max(moments, default=0))


def _bar(kind: str, start: Mapping[str, Any], end: Mapping[str, Any] | None) -> Bar:
    said = label(start) if end is None else f"{label(start)} … {label(end)}"
    finish = moment_of(end["timestamp"]) if end is not None else None
    return Bar(kind=kind, start=moment_of(start["timestamp"]), end=finish, text=said)


def _row_of(event: Mapping[str, Any]) -> str:
    lane = event.get("lane_name") or event.get("to_lane")
    parts = [part for part in (event.get("owner_unit"), lane) if isinstance(part, str) and part]
    return "/".join(parts) or WORKSPACE


def _key(event: Mapping[str, Any]) -> str:
    return str(event.get("lease_id") or event.get("operation_id") or "")


def _kind_of(kind: str) -> str:
    if kind in _FAILURES:
        return "failure"
    return "pr" if kind.startswith("pr.") else "event"


def label(event: Mapping[str, Any]) -> str:
    """One line about `event`: its message where it has one, else its type and what it names."""
    kind = str(event["type"])
    if kind in TEMPLATES:
        said = text_of(event, TEMPLATES[kind])
    else:
        said = text_of(event, "{actor} {where} {things} {mode} {strategy} {status} {reason} {hook_name} {gate}")
    return f"{event['timestamp'][:19].replace('T', ' ')} {kind}: {said}"
