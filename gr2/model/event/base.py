"""What all events share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

EVENT_VERSION = 1
ENVELOPE = ("version", "event_id", "seq", "timestamp", "type")
CONTEXT = ("workspace", "actor", "agent_id", "owner_unit")


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
    """A fact. Subclasses set `TYPE` and add fields; no field may have one of the nine names of envelope and context."""

    TYPE: ClassVar[str] = ""

    def payload(self) -> dict[str, Any]:
        """The event's own fields, in declared order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
