"""What a new lane is to be: what its caller asked for, and what gr2 fills in."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.edges.clock import timestamp
from gr2.edges.git import Place
from gr2.errors import Blocked, Invalid
from gr2.model.hints import quoted
from gr2.model.lane import DEFAULT_KIND, Lane, LaneState, clash, next_ports
from gr2.model.names import LANE_KIND, fault_of_path, is_lane_name, is_ref
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.ops.constraints import check_lane_constraints
from gr2.ops.context import find_repo, find_unit, lane_of
from gr2.ops.materialize import SeedMirror, default_branch
from gr2.ops.mutation import Mutation
from gr2.session import Session
from gr2.store.lanes import read_lanes
from gr2.store.mirrors import MirrorKind, inspect_mirror


@dataclass(frozen=True, kw_only=True)
class LaneRequest:
    """What a caller wants of a new lane. Empty values leave the choice to gr2, or to the lane that is continued."""

    name: str
    repos: tuple[str, ...] = ()
    branch: str = ""
    base: str = ""
    kind: str = ""
    source: str = ""
    sparse: tuple[str, ...] = ()


def check_request(request: LaneRequest, name: str) -> None:
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

    @property
    def sparse(self) -> tuple[str, ...]:
        return self.request.sparse or (self.source[1].sparse if self.source else ())

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
            sparse=self.sparse,
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
