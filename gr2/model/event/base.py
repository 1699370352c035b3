"""What all events share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

EVENT_VERSION = 1
ENVELOPE = ("version", "event_id", "seq", "timestamp", "type")
CONTEXT = ("workspace", "actor", "agent_id", "owner_unit")
RESERVED = frozenset((*ENVELOPE, *CONTEXT))

_FIELDS: dict[type[Event], tuple[str, ...]] = {}


@dataclass(frozen=True, kw_only=True)
class Context:
    """Who and where: what every event says beside its own fields. `owner_unit` is "" when it is about no unit."""

    workspace: str
    actor: str
    agent_id: str | None = None
    owner_unit: str = ""
    operation_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact. Subclasses set `TYPE` and add fields; no field may have one of the nine names of envelope and context.

    A field named in `OPTIONAL` is left out of the written event while it is None.
    """

    TYPE: ClassVar[str] = ""
    OPTIONAL: ClassVar[frozenset[str]] = frozenset()

    def payload(self) -> dict[str, Any]:
        """The event's own fields, in declared order. Raises ValueError for a reserved name or a missing TYPE."""
        kind = type(self)
        names = _FIELDS.get(kind)
        if names is None:
            names = _FIELDS[kind] = _checked_fields(kind)
        values = self.__dict__
        if not kind.OPTIONAL:
            return {name: values[name] for name in names}
        return {name: values[name] for name in names if not (name in kind.OPTIONAL and values[name] is None)}


def _checked_fields(kind: type[Event]) -> tuple[str, ...]:
    names = tuple(field.name for field in fields(kind))
    taken = RESERVED.intersection(names)
    if taken:
        raise ValueError(f"event {kind.__name__} may not have a field called {', '.join(sorted(taken))}")
    if not kind.TYPE:
        raise ValueError(f"event {kind.__name__} has no TYPE")
    return names
