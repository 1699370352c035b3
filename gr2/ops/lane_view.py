"""A lane as commands show it: what it records, the state of its checkouts, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gr2.model.checkout import RepoRow
from gr2.model.lane import Lane
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.ops.lane_work import WorkReader


@dataclass(frozen=True, kw_only=True)
class LaneView:
    """A lane (contract, page 3). `progress` is derived from git at reading, never stored."""

    lane_name: str
    owner_unit: str
    agent_id: str | None
    lane_type: str
    state: str
    progress: str
    base_branch: str | None
    branch_map: Mapping[str, str]
    repos: tuple[RepoRow, ...]
    pr_group_id: str | None
    continues: str | None
    continued_by: tuple[str, ...]
    created_by: str
    created_at: str
    path: str


def view_of(session: Session, unit: Unit, lane: Lane) -> LaneView:
    """The lane with the state its checkouts have now."""
    rows, _ = inspect(session, lane_checkouts(unit, lane))
    return view_with(session, unit, lane, rows)


def view_with(
    session: Session, unit: Unit, lane: Lane, rows: Sequence[RepoRow], reader: WorkReader | None = None
) -> LaneView:
    """The lane with the state of its checkouts as already inspected. `reader`: one for many lanes."""
    from gr2.ops.lane_progress import progress_of

    return LaneView(
        lane_name=lane.name,
        owner_unit=lane.unit,
        agent_id=lane.agent_id,
        lane_type=lane.kind,
        state=lane.state.value,
        progress=progress_of(session, unit, lane, rows, reader),
        base_branch=lane.base_branch,
        branch_map=lane.branch_map,
        repos=tuple(rows),
        pr_group_id=lane.pr_group_id,
        continues=lane.continues,
        continued_by=lane.continued_by,
        created_by=lane.created_by,
        created_at=lane.created_at,
        path=f"{unit.path}/lanes/{lane.name}",
    )
