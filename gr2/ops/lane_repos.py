"""`lane add`: more repositories in a live lane."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gr2.errors import Blocked
from gr2.model.hints import place_at
from gr2.model.lane import Lane
from gr2.model.outcome import MutationResult, Operation, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.context import find_repo, lane_named, lane_of
from gr2.ops.hook_seek import lane_has_hooks
from gr2.ops.lane_build import lane_step, make_checkouts
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.lane_plan import LaneRequest, Planner
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.lease import Fence, guard
from gr2.ops.materialize import refuse_links
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.hook_state import forget
from gr2.store.lanes import write_lane

if TYPE_CHECKING:
    from gr2.ops.hook_finish import Finished


@dataclass(frozen=True, kw_only=True)
class LaneReposResult(MutationResult):
    """The lane as it is now, and what was added."""

    lane: LaneView
    completed: tuple[Operation, ...] = ()


def add_repos(session: Session, repos: Sequence[str], *, lane: str = "", trust_hooks: bool = False) -> LaneReposResult:
    """Give the lane a checkout of each named repo, on the lane's branch, and do what these owe of projections and
    hooks. One that is there already changes nothing. `trust_hooks` approves every hooks file for this run."""
    for name in repos:
        find_repo(session, name)
    unit, lane_name = lane_named(session, lane)
    with mutation(session, "lane.add", unit=unit.name, lane=lane_name, repos=tuple(repos)) as run:
        unit, found = lane_of(run.session, f"{unit.name}/{lane_name}")
        refuse_frozen(found)
        fence = guard(run.session, unit.name, found.name)
        missing = [name for name in dict.fromkeys(repos) if not _is_there(session, unit, found, name)]
        if missing:
            found = _add(run, unit, found, missing, fence)
        done = _finish(run, unit, found, repos, missing, trust_hooks=trust_hooks)
        return LaneReposResult(
            status=done.status if done else Status.SUCCESS,
            issues=done.all_issues if done else (),
            signum=done.outcome.signum if done else None,
            operation_id=run.operation_id,
            lane=view_of(run.session, unit, found),
            completed=tuple(_operation(unit, found, name) for name in missing),
        )


def _finish(
    run: Mutation, unit: Unit, lane: Lane, repos: Sequence[str], made: Sequence[str], *, trust_hooks: bool
) -> Finished | None:
    if not lane_has_hooks(run.session, unit.path, lane):
        return None
    from gr2.ops.hook_finish import finish_lane

    paths = [f"{unit.path}/lanes/{lane.name}/repos/{name}" for name in made]
    return finish_lane(run, unit, lane, trust_hooks=trust_hooks, made=paths, repos=tuple(repos))


def _operation(unit: Unit, lane: Lane, name: str) -> Operation:
    path = f"{unit.path}/lanes/{lane.name}/repos/{name}"
    return Operation(kind="checkout.clone", scope="lane", repo=name, unit=unit.name, lane=lane.name, path=path)


def _is_there(session: Session, unit: Unit, lane: Lane, name: str) -> bool:
    return name in lane.repos and os.path.isdir(session.layout.lane_checkout(unit.path, lane.name, name))


def _add(run: Mutation, unit: Unit, lane: Lane, names: list[str], fence: Fence) -> Lane:
    session = run.session
    for name in names:
        _refuse_taken(session, session.layout.lane_checkout(unit.path, lane.name, name), lane)
    branch = lane.branch_map[lane.repos[0]] if lane.repos else lane.name
    base = lane.base_branch if lane.base_named else None
    planner = Planner(
        run, unit, lane.name, LaneRequest(name=lane.name, repos=tuple(names), branch=branch, base=base or "")
    )
    wider = replace(
        lane,
        repos=tuple(repo.name for repo in session.spec.repos if repo.name in {*lane.repos, *names}),
        branch_map={**lane.branch_map, **dict.fromkeys(names, branch)},
        base_map={**lane.base_map, **{repo.name: planner.base_of(repo) for repo in planner.repos()}},
    )
    draft = run.scratch("lane")
    starts = make_checkouts(run, [lane_step(session, unit, wider, find_repo(session, name), draft) for name in names])
    wider = replace(wider, start_map={**lane.start_map, **starts})
    fence.recheck()
    # The record goes first: a checkout that it names and that is missing is made by the same command, or by apply.
    write_lane(session.layout, unit, wider)
    for name in names:
        forget(session.layout, f"{unit.path}/lanes/{lane.name}/repos/{name}")
        os.rename(os.path.join(draft, "repos", name), session.layout.lane_checkout(unit.path, lane.name, name))
    return wider


def _refuse_taken(session: Session, final: str, lane: Lane) -> None:
    path = session.layout.relative(final)
    refuse_links(session.root, path)
    folder = os.path.dirname(path)
    if not os.path.isdir(os.path.dirname(final)):
        raise Blocked("not_materialized", f"{folder} is not there", scope="lane", subject=lane.id, hint="gr2 apply")
    if not os.access(os.path.dirname(final), os.W_OK):
        hint = f"look at the permissions of {place_at(session.root, folder)}"
        raise Blocked("read_only", f"cannot write {folder}", scope="lane", subject=lane.id, hint=hint)
    if os.path.lexists(final):
        message = f"something is at {path} already"
        raise Blocked(
            "path_conflict", message, scope="lane", subject=lane.id, hint=f"move {place_at(session.root, path)} away"
        )
