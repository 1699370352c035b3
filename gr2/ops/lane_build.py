"""How a lane's checkouts come to be: all of them in a draft, which then moves to its place as a whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gr2.edges.files import failed_write
from gr2.edges.git.refs import head_commit
from gr2.errors import Blocked, Failed, Interrupted
from gr2.model.event.lane import LaneCreated
from gr2.model.hints import quoted
from gr2.model.lane import Lane
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.ops.context import find_repo, find_unit
from gr2.ops.materialize import MakeCheckout, refuse_links
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Step, run_steps
from gr2.ops.worktree_include import copy_included
from gr2.session import Session
from gr2.store.hook_state import forget
from gr2.store.lanes import LANE_FILE, lane_text
from gr2.store.mirrors import inspect_mirror

BUILD_JOBS = 4


@dataclass(frozen=True, kw_only=True)
class LaneCheckout(MakeCheckout):
    """A checkout of a lane that is being made, in the lane's directory of drafts."""

    draft: str = ""

    def run(self, run: Mutation) -> Mapping[str, Any]:
        os.makedirs(os.path.dirname(self.draft), exist_ok=True)
        head = self.build(run, self.draft)
        layout = run.session.layout
        unit = run.session.spec.unit(self.unit)
        assert unit is not None
        for source in (layout.unit_checkout(unit.path, self.repo.name), layout.at(self.repo.path)):
            if os.path.isdir(os.path.join(source, ".git")):
                copy_included(run.session, source, self.draft)
                break
        return {"head": head}


def build_lane(
    run: Mutation, unit: Unit, lane: Lane, step: Callable[..., Step] | None = None, *, settle: bool = True
) -> Lane:
    """Make every checkout in a draft of the lane, then put the whole lane at its place with one rename.

    step: makes a repo's step, called as `lane_step` is, which is what is used without one. Without `settle` the caller
    says when lane.created is told.
    """
    session = run.session
    draft = run.scratch("lane")
    made = step or lane_step
    steps = [made(session, unit, lane, find_repo(session, name), draft) for name in lane.repos]
    lane = replace(lane, start_map=make_checkouts(run, steps))
    with open(os.path.join(draft, LANE_FILE), "w", encoding="utf-8") as file:
        file.write(lane_text(lane))
        file.flush()
        os.fsync(file.fileno())
    final = session.layout.lane(unit.path, lane.name)
    refuse_links(session.root, session.layout.relative(final))
    for name in lane.repos:
        forget(session.layout, f"{unit.path}/lanes/{lane.name}/repos/{name}")
    event = LaneCreated(lane_name=lane.name, lane_type=lane.kind, repos=lane.repos, branch_map=lane.branch_map)
    run.announce(event, unit=unit.name, path=os.path.join(final, LANE_FILE), text=run.operation_id)
    try:
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(draft, final)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}:
            raise failed_write(error, final) from error
        path = session.layout.relative(final)
        message = f"something else is at {path}"
        hint = f"move {quoted(final)} away"
        raise Blocked("path_conflict", message, scope="lane", subject=lane.name, hint=hint) from error
    if settle:
        run.settle()
    return lane


def make_checkouts(run: Mutation, steps: Sequence[Step]) -> dict[str, str]:
    """Run the steps at once and return each repo's commit. Raises the first failure: a lane is made as a whole or not
    at all."""
    outcome = run_steps(run, [[step] for step in steps], label="lane", jobs=BUILD_JOBS, stop_at_failure=True)
    if outcome.signum is not None:
        raise Interrupted(outcome.signum)
    if outcome.issues:
        issue = outcome.issues[0]
        raise Failed(
            issue.code,
            issue.message,
            scope=issue.scope,
            subject=issue.subject,
            hint=issue.hint,
            details=issue.details,
        )
    return {operation.repo: operation.details["head"] for operation in outcome.completed}


def lane_step(session: Session, unit: Unit, lane: Lane, repo: Repo, draft: str) -> LaneCheckout:
    """The step that makes the lane's checkout of `repo` below the directory `draft`."""
    branch = lane.branch_map[repo.name]
    source = start = ""
    if lane.continues:
        source, start = _source_commit(session, lane.continues, repo)
    if not start and branch not in inspect_mirror(session.layout.mirror(repo.name)).branches():
        start = lane.base_map[repo.name]
    return LaneCheckout(
        repo=repo,
        path=f"{unit.path}/lanes/{lane.name}/repos/{repo.name}",
        scope="lane",
        unit=unit.name,
        lane=lane.name,
        branch=branch,
        start=start,
        start_is_commit=bool(source),
        source=source,
        sparse=lane.sparse,
        draft=os.path.join(draft, "repos", repo.name),
    )


def _source_commit(session: Session, lane_id: str, repo: Repo) -> tuple[str, str]:
    """Where the lane that is continued has `repo`, and its last commit there; empty texts when it has not."""
    unit_name, _, name = lane_id.partition("/")
    unit = find_unit(session, unit_name)
    path = session.layout.lane_checkout(unit.path, name, repo.name)
    commit = head_commit(os.path.join(path, ".git"))
    return (path, commit) if commit else ("", "")
