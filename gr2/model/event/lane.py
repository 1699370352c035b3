"""Events about lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class LaneCreated(Event):
    """A lane and all its checkouts are there. `branch_map` gives each repo's branch."""

    TYPE: ClassVar[str] = "lane.created"

    lane_name: str
    lane_type: str
    repos: tuple[str, ...]
    branch_map: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LaneEntered(Event):
    """A lane became its unit's current lane."""

    TYPE: ClassVar[str] = "lane.entered"

    lane_name: str
    lane_type: str
    repos: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LaneExited(Event):
    """A lane was left. The lists name the repos whose work was put away."""

    TYPE: ClassVar[str] = "lane.exited"

    lane_name: str
    stashed_repos: tuple[str, ...]
    discarded_repos: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LaneSwitched(Event):
    """One lane was left for another."""

    TYPE: ClassVar[str] = "lane.switched"

    from_lane: str
    to_lane: str
    stashed_repos: tuple[str, ...]
    discarded_repos: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LaneArchived(Event):
    """A lane's checkouts were moved to the trash; its name is free."""

    TYPE: ClassVar[str] = "lane.archived"

    lane_name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LaneFrozen(Event):
    """A lane can be read only, until it is unfrozen."""

    TYPE: ClassVar[str] = "lane.frozen"

    lane_name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LaneUnfrozen(Event):
    """A frozen lane can be used again."""

    TYPE: ClassVar[str] = "lane.unfrozen"

    lane_name: str
    reason: str
