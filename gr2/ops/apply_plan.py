"""What `apply` has to do: the chains of steps that make what the spec says and is missing, and what stands in the way.

Reads files only: no network, no git, nothing written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import field

from gr2.edges.files import first_link
from gr2.errors import Gr2Error
from gr2.model.hints import place_at
from gr2.model.lane import Lane, LaneState
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.model.url import canonical
from gr2.ops.adopt_url import AcceptUrl, recorded_origin
from gr2.ops.materialize import MakeCheckout, MakeUnit, SeedMirror, canonical_url, default_branch, unit_text
from gr2.ops.steps import Step
from gr2.session import Session
from gr2.store.lanes import read_lanes
from gr2.store.mirrors import Mirror, MirrorKind, inspect_mirror


@dataclass
class Plan:
    """Chains of steps, one a repository, and what stands in the way of others."""

    chains: list[list[Step]] = field(default_factory=list)
    blocked: list[Operation] = field(default_factory=list)
    unaffected: list[Operation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    lanes: tuple[Lane, ...] = ()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What would be done, in order."""
        return tuple(step.operation for chain in self.chains for step in chain)

    @property
    def checkouts(self) -> list[MakeCheckout]:
        """The checkouts that are to be made."""
        return [step for chain in self.chains for step in chain if isinstance(step, MakeCheckout)]


def make_plan(
    session: Session,
    repos: Sequence[Repo],
    *,
    whole: bool,
    accept: frozenset[str] = frozenset(),
    unit: str = "",
) -> Plan:
    """Look at the workspace and decide what is missing for `repos`, in the `unit` named alone if one is. `whole`: also
    for the units themselves."""
    found = Plan()
    units = tuple(each for each in session.spec.units if unit in {"", each.name})
    if whole:
        for each in units:
            _plan_unit(session, each, found)
    found.lanes = lanes = tuple(read_lanes(session.layout, session.spec, (unit,) if unit else ()))
    for repo in repos:
        _RepoPlanner(session, repo, found, accept=repo.name in accept, shared=not unit, units=units).plan(lanes)
    return found


def _plan_unit(session: Session, unit: Unit, found: Plan) -> None:
    step = MakeUnit(unit=unit)
    issue = place_issue(session, unit.path, subject=unit.name, scope="unit", taken=os.path.isfile)
    if issue is not None:
        found.blocked.append(step.operation)
        found.issues.append(issue)
    else:
        file = session.layout.at(f"{unit.path}/unit.toml")
        try:
            with open(file, encoding="utf-8") as existing:
                current = existing.read()
        except (OSError, UnicodeDecodeError):
            current = ""
        if current != unit_text(unit):
            found.chains.append([step])


def place_issue(session: Session, path: str, *, subject: str, scope: str, taken: object = None) -> Issue | None:
    """Why nothing can be made at the workspace path `path`: a link on the way, or a file."""
    link = first_link(session.root, path)
    if link is not None:
        message = f"{link} is a symbolic link"
    elif os.path.lexists(session.layout.at(path)) and not os.path.isdir(session.layout.at(path)):
        message = f"{path} is a file"
    else:
        return None
    hint = f"move {place_at(session.root, path)} away"
    return Issue(code="path_conflict", scope=scope, subject=subject, message=message, hint=hint)


class _RepoPlanner:
    """Plans one repository: its mirror first, then every checkout of it."""

    def __init__(
        self, session: Session, repo: Repo, found: Plan, *, accept: bool, shared: bool, units: Sequence[Unit]
    ) -> None:
        self.session = session
        self.repo = repo
        self.found = found
        self.accept = accept
        self.shared = shared
        self.units = units
        self.chain: list[Step] = []
        self.mirror: Mirror = inspect_mirror(session.layout.mirror(repo.name))
        self.branches = self.mirror.branches() if self.mirror.kind is MirrorKind.OURS else {}
        self.url = canonical_url(session, repo)

    def plan(self, lanes: Sequence[Lane]) -> None:
        seed = SeedMirror(repo=self.repo) if self.mirror.kind is MirrorKind.MISSING else None
        places = list(self._checkouts(lanes, seed))
        if not places:
            return
        if not self._mirror_usable(seed):
            self.found.unaffected += [step.operation for step in places if self._missing(step)]
            return
        if seed is not None:
            self.chain.append(seed)
        elif not self._accept_url(places):
            return
        elif not self.branches:
            self._issue(
                "remote_empty",
                f"{self.repo.name} has no branch yet",
                blocking=False,
                hint="push one, then gr2 sync run and gr2 apply",
            )
            places = []
        elif not self._default_branch_known():
            self.found.blocked += [step.operation for step in places if self._missing(step)]
            places = []
        for step in places:
            self._plan_checkout(step)
        if self.chain:
            self.found.chains.append(self.chain)

    def _mirror_usable(self, seed: SeedMirror | None) -> bool:
        link = first_link(self.session.root, f".grip/cache/repos/{self.repo.name}.git")
        if self.mirror.kind in {MirrorKind.MISSING, MirrorKind.OURS} and link is None:
            return True
        path = f".grip/cache/repos/{self.repo.name}.git"
        reason = f"{link} is a symbolic link" if link else self.mirror.reason
        self.found.blocked.append((seed or SeedMirror(repo=self.repo)).operation)
        hint = f"move {place_at(self.session.root, path)} away, then gr2 apply"
        self._issue("cache_path_conflict", f"{path} is not a usable mirror: {reason}", hint=hint)
        return False

    def _accept_url(self, places: list[MakeCheckout]) -> bool:
        """Whether mirror and checkouts belong to the spec's URL, or are to be moved to it."""
        stale = [step.path for step in places if not self._missing(step) and not self._origin_matches(step.path)]
        if self.mirror.mirror_of == self.url and not stale:
            return True
        if self.accept:
            self.chain.append(AcceptUrl(repo=self.repo, paths=tuple(stale)))
            return True
        self._issue(
            "repo_url_changed",
            f"the URL of {self.repo.name} changed in the spec",
            hint=f"gr2 apply --accept-url {self.repo.name}",
            details={"spec": self.url, "mirror": self.mirror.mirror_of, "checkouts": stale},
        )
        self.found.blocked += [step.operation for step in places if self._missing(step)]
        return False

    def _origin_matches(self, path: str) -> bool:
        origin = recorded_origin(self.session.layout.at(path))
        return origin is None or canonical(origin, base=self.session.root) == self.url

    def _default_branch_known(self) -> bool:
        try:
            default_branch(self.repo, self.mirror)
        except Gr2Error as error:
            self.found.issues.append(Issue.from_error(error))
            return False
        return True

    def _checkouts(self, lanes: Sequence[Lane], seed: SeedMirror | None) -> Iterator[MakeCheckout]:
        if self.shared:
            yield MakeCheckout(repo=self.repo, path=self.repo.path, needs=seed)
        for unit in self.units:
            if self.repo.name in unit.repos:
                path = f"{unit.path}/repos/{self.repo.name}"
                yield MakeCheckout(repo=self.repo, path=path, scope="unit", unit=unit.name, needs=seed)
        for lane in lanes:
            if self.repo.name in lane.repos and lane.state is not LaneState.ARCHIVED:
                yield self._lane_checkout(lane, seed)

    def _lane_checkout(self, lane: Lane, seed: SeedMirror | None) -> MakeCheckout:
        unit = self.session.spec.unit(lane.unit)
        assert unit is not None
        branch = lane.branch_map.get(self.repo.name, lane.name)
        return MakeCheckout(
            repo=self.repo,
            path=f"{unit.path}/lanes/{lane.name}/repos/{self.repo.name}",
            scope="lane",
            unit=lane.unit,
            lane=lane.name,
            branch=branch,
            start="" if branch in self.branches else lane.base_map.get(self.repo.name, ""),
            sparse=lane.sparse,
            needs=seed,
        )

    def _missing(self, step: MakeCheckout) -> bool:
        path = self.session.layout.at(step.path)
        try:
            return not os.path.lexists(path) or (os.path.isdir(path) and not os.listdir(path))
        except OSError:
            return False

    def _plan_checkout(self, step: MakeCheckout) -> None:
        issue = place_issue(self.session, step.path, subject=self.repo.name, scope="repo")
        if issue is None and not self._missing(step):
            if is_checkout(self.session.layout.at(step.path)):
                return
            issue = Issue(
                code="path_conflict",
                scope="repo",
                subject=self.repo.name,
                message=f"{step.path} holds something that is no git checkout",
                hint=f"move {place_at(self.session.root, step.path)} away, then gr2 apply",
            )
        if issue is None:
            self.chain.append(step)
        else:
            self.found.blocked.append(step.operation)
            self.found.issues.append(issue)

    def _issue(
        self, code: str, message: str, *, hint: str, blocking: bool = True, details: dict[str, object] | None = None
    ) -> None:
        self.found.issues.append(
            Issue(
                code=code,
                scope="repo",
                subject=self.repo.name,
                message=message,
                hint=hint,
                blocking=blocking,
                details=details or {},
            )
        )


def is_checkout(path: str) -> bool:
    """Whether the directory `path` is a git working tree whose HEAD can be read (worktrees included)."""
    git = os.path.join(path, ".git")
    return os.path.isfile(git) or (
        os.path.isfile(os.path.join(git, "HEAD")) and os.path.isdir(os.path.join(git, "objects"))
    )
