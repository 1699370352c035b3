"""`lane path` and `lane current`: where a lane is, answered as fast as a shell prompt needs it."""

from __future__ import annotations

import os

from gr2.errors import Invalid
from gr2.model.hints import quoted
from gr2.model.names import nearest
from gr2.model.outcome import Result, Status
from gr2.model.records import dataclass
from gr2.ops.context import lane_named, unit_of
from gr2.store.lanes import current_lane, has_lane
from gr2.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LanePathResult(Result):
    """An absolute directory."""

    path: str
    lane_name: str
    owner_unit: str


@dataclass(frozen=True, kw_only=True)
class LaneCurrentResult(Result):
    """The lane the unit is in; `lane_name` is None when it is in none."""

    lane_name: str | None
    owner_unit: str
    path: str | None


def lane_path(session: Workspace, lane: str = "", *, repo: str = "") -> LanePathResult:
    """Where a lane's root, or its checkout of `repo`, is. Raises Invalid `unknown_repo`, `unknown_lane`."""
    unit, name = lane_named(session, lane)
    path = session.layout.lane(unit.path, name)
    if repo:
        known = os.listdir(os.path.join(path, "repos"))
        if repo not in known:
            close = nearest(repo, known)
            raise Invalid(
                "unknown_repo",
                f"the lane has no repo {repo!r}",
                scope="repo",
                subject=repo,
                hint=f"gr2 lane show {quoted(f'{unit.name}/{name}')}",
                details={"suggestion": close} if close else {},
            )
        path = os.path.join(path, "repos", repo)
    return LanePathResult(status=Status.OK, path=path, lane_name=name, owner_unit=unit.name)


def lane_current(session: Workspace) -> LaneCurrentResult:
    """The lane that the unit in context is in."""
    unit = unit_of(session)
    name = current_lane(session.layout, unit.name)
    if name is None or not has_lane(session.layout, unit, name):
        return LaneCurrentResult(status=Status.OK, lane_name=None, owner_unit=unit.name, path=None)
    path = session.layout.lane(unit.path, name)
    return LaneCurrentResult(status=Status.OK, lane_name=name, owner_unit=unit.name, path=path)
