"""Lanes as values: one task's checkouts over several repositories, and who owns them (contract, page 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from gr2.model.records import dataclass

LANE_VERSION = 1
DEFAULT_KIND = "feature"
REVIEW_KIND = "review"
PORTS_PER_LANE = 20
FIRST_PORT = 20_000
LAST_PORT = 59_999


class LaneState(StrEnum):
    """What may be done with a lane."""

    ACTIVE = "active"
    FROZEN = "frozen"
    ARCHIVED = "archived"


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What `lane.toml` records.

    base_map: the branch each repo's lane branch started from; start_map: the commit it started at. base_named:
    `--base` was given, so PRs go there.
    continues, continued_by: "unit/lane" of the lane this one took over, and of those that took this one over.
    port_base: first of 20 TCP ports. operation_id: the create that made it.
    """

    name: str
    unit: str
    kind: str = DEFAULT_KIND
    state: LaneState = LaneState.ACTIVE
    agent_id: str | None = None
    repos: tuple[str, ...] = ()
    branch_map: Mapping[str, str] = field(default_factory=dict)
    base_map: Mapping[str, str] = field(default_factory=dict)
    start_map: Mapping[str, str] = field(default_factory=dict)
    base_named: bool = False
    pr_group_id: str | None = None
    continues: str | None = None
    continued_by: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    port_base: int = 0
    reason: str = ""
    created_by: str = ""
    created_at: str = ""
    operation_id: str = ""
    version: int = LANE_VERSION

    @property
    def id(self) -> str:
        """The lane's full name: "unit/lane"."""
        return f"{self.unit}/{self.name}"

    @property
    def base_branch(self) -> str | None:
        """The base that all repos share, None when they differ."""
        bases = set(self.base_map.values())
        return bases.pop() if len(bases) == 1 else None


def subject_of(name: str, kind: str) -> str:
    """The lane's name without a leading "<type>-" or "<type>/"."""
    for mark in ("-", "/"):
        if name.startswith(kind + mark) and len(name) > len(kind) + 1:
            return name[len(kind) + 1 :]
    return name


def clash(name: str, taken: Mapping[str, object] | tuple[str, ...]) -> str | None:
    """A lane of `taken` that `name` cannot stand beside: the same but for case, or a folder of the other."""
    mine = name.casefold()
    for other in taken:
        theirs = other.casefold()
        if other != name and (mine == theirs or mine.startswith(theirs + "/") or theirs.startswith(mine + "/")):
            return other
    return None


def next_ports(used: frozenset[int] | set[int]) -> int:
    """The first range of ports that no lane of `used` (their `port_base`s) has."""
    candidates = range(FIRST_PORT, LAST_PORT, PORTS_PER_LANE)
    return next((base for base in candidates if base not in used), FIRST_PORT)
