"""`lane create`: one task's checkouts over several repositories, made as a whole or not at all."""

from __future__ import annotations

import os
from dataclasses import replace

from gr2.errors import Blocked
from gr2.model.hints import git_at, quoted
from gr2.model.lane import Lane
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import split_lane
from gr2.ops.hook_seek import lane_has_hooks
from gr2.ops.lane_build import build_lane
from gr2.ops.lane_plan import LaneRequest, Planner, check_request
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.lanes import read_lane, write_lane


@dataclass(frozen=True, kw_only=True)
class LaneCreateResult(MutationResult):
    """The lane that is there now. `created` tells whether this command made it."""

    lane: LaneView
    created: bool = True


def create_lane(session: Session, request: LaneRequest, *, trust_hooks: bool = False) -> LaneCreateResult:
    """Make the lane with one checkout per repo on a branch of its own, project the repos' files and run their
    `on_materialize` hooks there. Neither enters nor leases it. `trust_hooks` approves every hooks file for this run.

    A hook that blocks leaves the lane there, and owed: the same command again, or `apply`, goes on with it. Needs no
    network when the mirrors hold the base. The same command again is `success` and changes nothing. Raises Blocked
    `lane_exists`, `lane_name_conflict` or what a constraint says, Invalid for what cannot be.
    """
    unit, name = split_lane(session, request.name)
    check_request(request, name)
    with mutation(session, "lane.create", unit=unit.name, lane=name) as run:
        run.session.git.require()
        existing = read_lane(session.layout, unit, name)
        if existing is not None:
            lane = _found(run, unit, existing, request)
        else:
            lane = build_lane(run, unit, Planner(run, unit, name, request).lane(), settle=False)
        _link_source(run.session, lane)
        return _finished(run, unit, lane, created=existing is None, trust_hooks=trust_hooks)


def _finished(run: Mutation, unit: Unit, lane: Lane, *, created: bool, trust_hooks: bool) -> LaneCreateResult:
    """Do what the new lane owes of projections and hooks, and say that it was made if none of these blocks."""
    status, signum = Status.SUCCESS, None
    issues: tuple[Issue, ...] = ()
    key = f"lane:{lane.id}"
    if lane_has_hooks(run.session, unit.path, lane):
        from gr2.ops.hook_finish import finish_lane

        made = [f"{unit.path}/lanes/{lane.name}/repos/{name}" for name in lane.repos] if created else []
        done = finish_lane(run, unit, lane, trust_hooks=trust_hooks, made=made)
        status, issues, signum = done.status, done.all_issues, done.outcome.signum
        if done.hook_blocked:
            run.withhold(key)
    if created:
        issues = (*issues, *_nowhere(run.session, unit, lane), *_left_behind(run.session, unit, lane))
        status = Status.ATTENTION if issues and status is Status.SUCCESS else status
    run.settle()
    if status in {Status.SUCCESS, Status.ATTENTION}:
        run.release(key)
    view = view_of(run.session, unit, lane)
    return LaneCreateResult(
        status=status, issues=issues, signum=signum, created=created, operation_id=run.operation_id, lane=view
    )


def _nowhere(session: Session, unit: Unit, lane: Lane) -> list[Issue]:
    """A warning for each directory of `--sparse` that no repo of the lane has."""
    tops = [session.layout.lane_checkout(unit.path, lane.name, name) for name in lane.repos]
    return [
        Issue(
            code="sparse_not_found",
            scope="lane",
            subject=lane.id,
            message=f"no repo of {lane.id} has the directory {folder!r}",
            hint=f"gr2 lane archive {quoted(lane.id)}, then create it again",
            blocking=False,
            details={"directory": folder},
        )
        for folder in lane.sparse
        if not any(os.path.isdir(os.path.join(top, folder)) for top in tops)
    ]


def _left_behind(session: Session, unit: Unit, lane: Lane) -> list[Issue]:
    """A warning for each repo in which the continued lane has work that is not committed, and so not taken along."""
    source = _source_of(session, lane)
    if source is None:
        return []
    here = {checkout.repo: checkout.path for checkout in lane_checkouts(unit, lane)}
    rows, _ = inspect(session, [checkout for checkout in lane_checkouts(*source) if checkout.repo in here])
    return [
        Issue(
            code="dirty_lane_repo",
            scope="lane",
            subject=f"{row.repo} ({lane.continues})",
            message=f"{row.repo} has uncommitted work in {lane.continues}, which {lane.id} does not have",
            hint=f"commit it there, then {git_at(session.root, here[row.repo], 'pull', session.layout.at(row.path))}",
            blocking=False,
            details={"repo": row.repo, "path": row.path},
        )
        for row in rows
        if row.dirty
    ]


def _found(run: Mutation, unit: Unit, lane: Lane, request: LaneRequest) -> Lane:
    """The lane is there: fine when the same actor asks for the same again."""
    planned = Planner(run, unit, lane.name, request)
    same = (
        lane.created_by == run.session.actor
        and lane.kind == planned.kind
        and set(lane.repos) == {repo.name for repo in planned.repos()}
        and all(branch == planned.branch for branch in lane.branch_map.values())
        and lane.continues == planned.source_id
        and lane.sparse == planned.sparse
        and (not request.base or set(lane.base_map.values()) == {request.base})
    )
    if not same:
        raise Blocked(
            "lane_exists",
            f"unit {unit.name} has a lane {lane.name!r} already, made by {lane.created_by}",
            scope="lane",
            subject=lane.id,
            hint=f"gr2 lane show {quoted(lane.id)}",
            details={"created_by": lane.created_by, "created_at": lane.created_at},
        )
    return lane


def _link_source(session: Session, lane: Lane) -> None:
    """Record in the continued lane who continues it."""
    found = _source_of(session, lane)
    if found is not None and lane.id not in found[1].continued_by:
        unit, source = found
        write_lane(session.layout, unit, replace(source, continued_by=(*source.continued_by, lane.id)))


def _source_of(session: Session, lane: Lane) -> tuple[Unit, Lane] | None:
    """The lane that `lane` continues, if it still is there."""
    unit_name, _, name = (lane.continues or "").partition("/")
    unit = session.spec.unit(unit_name)
    source = read_lane(session.layout, unit, name) if unit is not None else None
    return (unit, source) if unit is not None and source is not None else None
