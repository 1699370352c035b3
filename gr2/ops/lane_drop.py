"""`lane drop`: fewer repositories in a live lane (contract, page 3)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gr2.errors import Blocked
from gr2.model.hints import quoted
from gr2.model.lane import Lane
from gr2.model.outcome import MutationResult, Operation, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import find_repo, lane_named, lane_of
from gr2.ops.lane_archive import unit_locked
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.lane_kept import kept_only_here
from gr2.ops.lane_leave import SavedRow, blocked, failed, recover
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.lease import Fence, guard
from gr2.ops.materialize import refuse_links
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.lanes import write_lane
from gr2.store.saved_files import archive_tree, finish_archives


@dataclass(frozen=True, kw_only=True)
class LaneDropResult(MutationResult):
    """The lane as it is now, and what was taken out of it; each `saved_id` brings a checkout back."""

    lane: LaneView
    completed: tuple[Operation, ...] = ()
    dropped_repos: tuple[SavedRow, ...] = ()


def lane_drop(session: Session, repos: Sequence[str], *, lane: str = "", force: bool = False) -> LaneDropResult:
    """Move the lane's checkouts of `repos` to the trash. One that is not in the lane changes nothing.

    Raises Blocked `dirty_lane_repo`, `unpushed_work`, `saved_work`, `operation_in_progress`, unless `force`;
    `last_repo` for the lane's last; `lane_frozen`, `lease_conflict`, `lease_lost`.
    """
    for name in repos:
        find_repo(session, name)
    unit, lane_name = lane_named(session, lane)
    with (
        mutation(session, "lane.drop", unit=unit.name, lane=lane_name, repos=tuple(repos)) as run,
        unit_locked(run, unit),
    ):
        finish_archives(run.session, unit=unit.name, lane=lane_name)
        _, found = lane_of(run.session, f"{unit.name}/{lane_name}")
        refuse_frozen(found)
        going = [name for name in found.repos if name in repos]
        with guard(run.session, unit.name, lane_name) as fence:
            _refuse_last(found, going)
            _refuse_kept(run, unit, found, going, force=force)
            rows = []
            for name in going:
                found, row = _drop(run, unit, found, name, fence)
                rows.append(row)
        return LaneDropResult(
            status=Status.SUCCESS,
            operation_id=run.operation_id,
            lane=view_of(run.session, unit, found),
            completed=tuple(_operation(unit, found, name) for name in going),
            dropped_repos=tuple(rows),
        )


def _refuse_last(lane: Lane, going: Sequence[str]) -> None:
    if going and len(going) == len(lane.repos):
        raise Blocked(
            "last_repo",
            "a lane keeps one repo at least",
            scope="lane",
            subject=lane.id,
            hint=f"gr2 lane archive {quoted(lane.id)}",
        )


def _refuse_kept(run: Mutation, unit: Unit, lane: Lane, going: Sequence[str], *, force: bool) -> None:
    checkouts = [checkout for checkout in lane_checkouts(unit, lane) if checkout.repo in going]
    recover(run.session, checkouts)
    if force:
        return
    rows, unreadable = inspect(run.session, checkouts)
    if unreadable:
        raise failed(unreadable)
    issues = kept_only_here(run.session, unit, lane, rows)
    if issues:
        raise blocked(issues)


def _drop(run: Mutation, unit: Unit, lane: Lane, name: str, fence: Fence) -> tuple[Lane, SavedRow]:
    """The checkout goes first: one that the record names and that is missing is dropped by the same command again."""
    session = run.session
    path = f"{unit.path}/lanes/{lane.name}/repos/{name}"
    refuse_links(session.root, path)
    fence.recheck()
    saved_id = ""
    if os.path.lexists(session.layout.at(path)):
        saved_id = archive_tree(
            session,
            [path],
            path=path,
            repo=name,
            unit=unit.name,
            lane=lane.name,
            operation_id=run.operation_id,
            files=(name,),
        ).id
    narrower = replace(
        lane,
        repos=tuple(repo for repo in lane.repos if repo != name),
        branch_map=_without(lane.branch_map, name),
        base_map=_without(lane.base_map, name),
        start_map=_without(lane.start_map, name),
    )
    write_lane(session.layout, unit, narrower)
    return narrower, SavedRow(repo=name, files=(), saved_id=saved_id)


def _without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}


def _operation(unit: Unit, lane: Lane, name: str) -> Operation:
    path = f"{unit.path}/lanes/{lane.name}/repos/{name}"
    return Operation(kind="checkout.archive", scope="lane", repo=name, unit=unit.name, lane=lane.name, path=path)
