"""`lane create`: one task's checkouts over several repositories, made as a whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.files import failed_write
from gr2.edges.git import Place
from gr2.edges.git.refs import head_commit
from gr2.errors import Blocked, Failed, Interrupted, Invalid
from gr2.model.event.lane import LaneCreated
from gr2.model.hints import quoted
from gr2.model.lane import DEFAULT_KIND, Lane, LaneState, clash, next_ports
from gr2.model.names import LANE_KIND, fault_of_path, is_lane_name, is_ref
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.ops.constraints import check_lane_constraints
from gr2.ops.context import find_repo, find_unit, lane_of, split_lane
from gr2.ops.hook_seek import lane_has_hooks
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.materialize import MakeCheckout, SeedMirror, default_branch, refuse_links
from gr2.ops.mutation import Mutation, mutation
from gr2.ops.steps import Step, run_steps
from gr2.ops.worktree_include import copy_included
from gr2.session import Session
from gr2.store.hook_state import forget
from gr2.store.lanes import LANE_FILE, lane_text, read_lane, read_lanes, write_lane
from gr2.store.mirrors import MirrorKind, inspect_mirror

BUILD_JOBS = 4


@dataclass(frozen=True, kw_only=True)
class LaneRequest:
    """What a caller wants of a new lane. Empty values leave the choice to gr2."""

    name: str
    repos: tuple[str, ...] = ()
    branch: str = ""
    base: str = ""
    kind: str = ""
    source: str = ""
    sparse: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LaneCreateResult(MutationResult):
    """The lane that is there now. `created` tells whether this command made it."""

    lane: LaneView
    created: bool = True


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


def create_lane(session: Session, request: LaneRequest, *, trust_hooks: bool = False) -> LaneCreateResult:
    """Make the lane with one checkout per repo on a branch of its own, project the repos' files and run their
    `on_materialize` hooks there. Neither enters nor leases it. `trust_hooks` approves every hooks file for this run.

    A hook that blocks leaves the lane there, and owed: the same command again, or `apply`, goes on with it. Needs no
    network when the mirrors hold the base. The same command again is `success` and changes nothing. Raises Blocked
    `lane_exists`, `lane_name_conflict` or what a constraint says, Invalid for what cannot be.
    """
    unit, name = split_lane(session, request.name)
    _check_request(request, name)
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
        issues = (*issues, *_nowhere(run.session, unit, lane))
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


def _check_request(request: LaneRequest, name: str) -> None:
    if not is_lane_name(name):
        raise Invalid(
            "invalid_name", "that cannot name a lane", scope="lane", subject=name, hint="use letters, digits, - and /"
        )
    if request.kind and not LANE_KIND.fullmatch(request.kind):
        raise Invalid("invalid_name", "that cannot be a lane's type", scope="lane", subject=request.kind)
    for branch in filter(None, (request.branch, request.base)):
        if not is_ref(branch):
            raise Invalid("invalid_name", "git would not take that as a branch", scope="lane", subject=branch)
    for folder in request.sparse:
        if fault_of_path(folder):
            raise Invalid(
                "invalid_name", f"not a directory of a repo: {fault_of_path(folder)}", scope="lane", subject=folder
            )


def _found(run: Mutation, unit: Unit, lane: Lane, request: LaneRequest) -> Lane:
    """The lane is there: fine when the same actor asks for the same again."""
    planned = Planner(run, unit, lane.name, request)
    same = (
        lane.created_by == run.session.actor
        and lane.kind == planned.kind
        and set(lane.repos) == {repo.name for repo in planned.repos()}
        and all(branch == planned.branch for branch in lane.branch_map.values())
        and lane.continues == planned.source_id
        and lane.sparse == request.sparse
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


class Planner:
    """Fills in what a request leaves open."""

    def __init__(self, run: Mutation, unit: Unit, name: str, request: LaneRequest) -> None:
        self.run = run
        self.session = run.session
        self.unit = unit
        self.name = name
        self.request = request
        self.source = self._source()
        self.kind = request.kind or DEFAULT_KIND
        self.branch = request.branch or name

    def _source(self) -> tuple[Unit, Lane] | None:
        if not self.request.source:
            return None
        first, slash, rest = self.request.source.partition("/")
        if not slash or not rest:
            hint = "--from UNIT/LANE"
            raise Invalid(
                "lane_required", "the lane to continue is named UNIT/LANE", scope="lane", subject=first, hint=hint
            )
        find_unit(self.session, first)
        return lane_of(self.session, self.request.source)

    @property
    def source_id(self) -> str | None:
        return self.source[1].id if self.source else None

    def repos(self) -> tuple[Repo, ...]:
        """The lane's repos in declared order."""
        if self.request.repos:
            chosen = {find_repo(self.session, name).name for name in self.request.repos}
        elif self.source:
            chosen = set(self.source[1].repos)
        else:
            chosen = {name for name in self.unit.repos if not find_repo(self.session, name).reference}
        found = tuple(repo for repo in self.session.spec.repos if repo.name in chosen)
        if not found:
            raise Invalid(
                "no_repos",
                f"unit {self.unit.name} has no repos for a lane",
                scope="lane",
                subject=self.name,
                hint="--repos REPO, or add repos to the unit in .grip/workspace_spec.toml",
            )
        return found

    def lane(self) -> Lane:
        """The lane to make. Raises for everything that stands in its way."""
        others = tuple(read_lanes(self.session.layout, self.session.spec))
        self._check_names(others)
        repos = self.repos()
        bases = {repo.name: self.base_of(repo) for repo in repos}
        check_lane_constraints(self.session, self.unit, self.name, self.kind, bases)
        return Lane(
            name=self.name,
            unit=self.unit.name,
            kind=self.kind,
            state=LaneState.ACTIVE,
            agent_id=self.session.agent_id(self.unit.name),
            repos=tuple(repo.name for repo in repos),
            branch_map={repo.name: self.branch for repo in repos},
            base_map=bases,
            base_named=bool(self.request.base),
            continues=self.source_id,
            sparse=self.request.sparse,
            port_base=next_ports({lane.port_base for lane in others}),
            created_by=self.session.actor,
            created_at=timestamp(self.session.clock.now()),
            operation_id=self.run.operation_id,
        )

    def _check_names(self, others: Sequence[Lane]) -> None:
        other = clash(self.name, tuple(lane.name for lane in others if lane.unit == self.unit.name))
        if other is not None:
            raise Blocked(
                "lane_name_conflict",
                f"{self.name!r} and the lane {other!r} cannot stand beside each other",
                scope="lane",
                subject=self.name,
                hint="choose a name that is no folder of the other's",
                details={"lane": other},
            )

    def base_of(self, repo: Repo) -> str:
        """The branch the lane's branch of `repo` starts from; the mirror holds it afterwards."""
        _seed_if_missing(self.run, repo)
        if self.request.base:
            base = self.request.base
        elif self.source and repo.name in self.source[1].base_map:
            return self.source[1].base_map[repo.name]
        else:
            return default_branch(repo, inspect_mirror(self.session.layout.mirror(repo.name)))
        if base not in inspect_mirror(self.session.layout.mirror(repo.name)).branches():
            _refresh(self.session, repo)
            if base not in inspect_mirror(self.session.layout.mirror(repo.name)).branches():
                raise Invalid(
                    "unknown_revision",
                    f"{repo.name} has no branch {base!r}",
                    scope="repo",
                    subject=repo.name,
                    hint="name a branch that every repo has, or choose repos with --repos",
                )
        return base


def _seed_if_missing(run: Mutation, repo: Repo) -> None:
    mirror = inspect_mirror(run.session.layout.mirror(repo.name))
    if mirror.kind is MirrorKind.MISSING:
        SeedMirror(repo=repo).run(run)
        mirror = inspect_mirror(mirror.path)
    if mirror.kind is not MirrorKind.OURS:
        path = run.session.layout.relative(mirror.path)
        message = f"{path} is not a usable mirror: {mirror.reason}"
        hint = f"move {quoted(mirror.path)} away"
        raise Blocked("cache_path_conflict", message, scope="repo", subject=repo.name, hint=hint)
    if not mirror.branches():
        raise Blocked(
            "remote_empty",
            f"{repo.name} has no branch yet",
            scope="repo",
            subject=repo.name,
            hint="push one, then gr2 sync run",
        )


def _refresh(session: Session, repo: Repo) -> None:
    mirror = Place.bare(session.layout.mirror(repo.name))
    session.git.run(["fetch", "--prune", "--quiet", "--", "origin"], at=mirror, network=True)


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


def _link_source(session: Session, lane: Lane) -> None:
    """Record in the continued lane who continues it."""
    if lane.continues is None:
        return
    unit_name, _, name = lane.continues.partition("/")
    unit = session.spec.unit(unit_name)
    source = read_lane(session.layout, unit, name) if unit is not None else None
    if unit is not None and source is not None and lane.id not in source.continued_by:
        write_lane(session.layout, unit, replace(source, continued_by=(*source.continued_by, lane.id)))
