"""What all events share."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from gr2.model.records import dataclass

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

    A field named in `OPTIONAL` is left out of the written event while it is None. One named in `ITEMS` holds
    dataclasses (or dicts, in an event that was read back), which are written as objects.
    """

    TYPE: ClassVar[str] = ""
    OPTIONAL: ClassVar[frozenset[str]] = frozenset()
    ITEMS: ClassVar[frozenset[str]] = frozenset()

    def payload(self) -> dict[str, Any]:
        """The event's own fields as JSON holds them, in declared order.

        Raises ValueError for a reserved name or a missing TYPE.
        """
        kind = type(self)
        names = _FIELDS.get(kind)
        if names is None:
            names = _FIELDS[kind] = _checked_fields(kind)
        values = self.__dict__
        said = {name: values[name] for name in names}
        for name in kind.OPTIONAL:
            if said[name] is None:
                del said[name]
        for name in kind.ITEMS:
            said[name] = [item if isinstance(item, dict) else dict(vars(item)) for item in said[name]]
        return said


def _checked_fields(kind: type[Event]) -> tuple[str, ...]:
    names = tuple(field.name for field in fields(kind))
    taken = RESERVED.intersection(names)
    if taken:
        raise ValueError(f"event {kind.__name__} may not have a field called {', '.join(sorted(taken))}")
    if not kind.TYPE:
        raise ValueError(f"event {kind.__name__} has no TYPE")
    return names
