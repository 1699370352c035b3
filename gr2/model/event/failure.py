"""Events about failure markers."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class FailureResolved(Event):
    """A failure marker no longer blocks, nor does any other of that operation in that unit and lane. `operation_id` is
    that of the operation that failed."""

    TYPE: ClassVar[str] = "failure.resolved"

    operation_id: str
    resolved_by: str
    resolution: str
    lane_name: str
