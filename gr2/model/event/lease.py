"""Events about leases. They are appended inside the lock that changes the leases: their order is that of the grants."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class LeaseAcquired(Event):
    """The actor holds a lease on the lane from now."""

    TYPE: ClassVar[str] = "lease.acquired"

    lane_name: str
    mode: str
    ttl_seconds: int
    lease_id: str


@dataclass(frozen=True, kw_only=True)
class LeaseRenewed(Event):
    """The holder's lease runs for another `ttl_seconds`."""

    TYPE: ClassVar[str] = "lease.renewed"

    lane_name: str
    mode: str
    ttl_seconds: int
    lease_id: str


@dataclass(frozen=True, kw_only=True)
class LeaseReleased(Event):
    """The holder gave its lease back."""

    TYPE: ClassVar[str] = "lease.released"

    lane_name: str
    lease_id: str


@dataclass(frozen=True, kw_only=True)
class LeaseExpired(Event):
    """A lease was found to have run out at `expired_at`."""

    TYPE: ClassVar[str] = "lease.expired"

    lane_name: str
    lease_id: str
    expired_at: str


@dataclass(frozen=True, kw_only=True)
class LeaseReclaimed(Event):
    """An expired lease was cleared away by the next who acquired."""

    TYPE: ClassVar[str] = "lease.reclaimed"

    lane_name: str
    lease_id: str
    previous_holder: str
    expired_at: str
    reclaimed_by: str


@dataclass(frozen=True, kw_only=True)
class LeaseForceBroken(Event):
    """A live lease was broken by another actor, who gave a reason."""

    TYPE: ClassVar[str] = "lease.force_broken"

    lane_name: str
    lease_id: str
    previous_holder: str
    broken_by: str
    reason: str
