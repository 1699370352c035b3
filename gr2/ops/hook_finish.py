"""Does what checkouts owe of projections and `on_materialize` hooks; and tells what `apply` would do of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Any

from gr2.edges.git import Place
from gr2.errors import Gr2Error, Interrupted
from gr2.model.hooks import HOOKS_FILE, HOOKS_FOLDER
from gr2.model.lane import REVIEW_KIND, Lane, LaneState
from gr2.model.outcome import Issue, Operation, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.failures import resolve_retried
from gr2.ops.hook_places import HookPlace, HooksReader, all_places, lane_places
from gr2.ops.hook_run import HookRunner
from gr2.ops.hook_trust import Trust
from gr2.ops.hook_work import HookWork, RunHook, WorkPlanner
from gr2.ops.materialize import MakeCheckout, default_branch
from gr2.ops.mutation import Mutation
from gr2.ops.projections import ProjectFile
from gr2.ops.steps import Outcome, Step, run_steps
from gr2.session import Session
from gr2.store.failures import PartialState, note_partial, unresolved
from gr2.store.hooks_file import HooksFault, hooks_blob
from gr2.store.mirrors import MirrorKind, inspect_mirror
from gr2.store.withheld import withheld_ids

_LANE_JOBS = 1
_GIT_JOBS = 4


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What was done. `hook_blocked`: a hook failed whose failure blocks, so nothing may be told as a success."""

    outcome: Outcome = field(default_factory=Outcome)
    blocked: tuple[Operation, ...] = ()
    unaffected: tuple[Operation, ...] = ()
    issues: tuple[Issue, ...] = ()
    hook_blocked: bool = False

    @property
    def status(self) -> Status:
        """The status of a command whose own work is done."""
        if self.outcome.signum is not None:
            return Status.INTERRUPTED
        if any(issue.blocking for issue in self.all_issues):
            return Status.PARTIAL_FAILURE
        return Status.ATTENTION if self.all_issues else Status.SUCCESS

    @property
    def all_issues(self) -> tuple[Issue, ...]:
        """Everything a person should know."""
        return (*self.issues, *self.outcome.issues)


def plan_hooks(
    session: Session, lanes: Iterable[Lane], chosen: Collection[str], missing: Sequence[MakeCheckout]
) -> HookWork:
    """What `apply` would project and run in the checkouts of the repos called `chosen`. `missing` are still to be made:
    their hooks files are read from the mirrors' default branches."""
    reader, trust = HooksReader(session), Trust(session)
    by_repo = from_mirrors(session, missing)
    not_there = {step.path: by_repo[step.repo.name] for step in missing if step.repo.name in by_repo}
    planner = WorkPlanner(session, command="apply", reader=reader, trust=trust, not_there=not_there)
    work = planner.plan(all_places(session, lanes), chosen)
    work.issues += trust.issues
    return work


def from_mirrors(session: Session, missing: Sequence[MakeCheckout]) -> dict[str, bytes | HooksFault]:
    """The hooks files on the mirrors' default branches. A partial clone is not asked: git might fetch for it."""
    repos = {step.repo.name: step.repo for step in missing if not step.repo.filter}
    names, trees = [], []
    for name, repo in repos.items():
        mirror = inspect_mirror(session.layout.mirror(name))
        if mirror.kind is MirrorKind.OURS and mirror.branches():
            commit = mirror.branches()[default_branch(repo, mirror)]
            names.append(name)
            args = ["ls-tree", "-z", "--full-tree", commit, "--", HOOKS_FOLDER, HOOKS_FILE]
            trees.append(session.git.command(args, at=Place.bare(mirror.path)))
    found: dict[str, bytes | HooksFault] = {}
    blobs: list[tuple[str, str]] = []
    for index, completed in session.git.run_many(trees, jobs=_GIT_JOBS):
        blob = hooks_blob(completed.stdout) if completed.exit_code == 0 else None
        if isinstance(blob, HooksFault):
            found[names[index]] = blob
        elif blob is not None:
            blobs.append((names[index], blob))
    commands = [
        session.git.command(["cat-file", "blob", blob], at=Place.bare(session.layout.mirror(name)))
        for name, blob in blobs
    ]
    for index, completed in session.git.run_many(commands, jobs=_GIT_JOBS):
        if completed.exit_code == 0:
            found[blobs[index][0]] = completed.stdout
    return found


def finish_apply(
    run: Mutation,
    lanes: Iterable[Lane],
    chosen: Collection[str],
    *,
    made: Collection[str],
    trust_hooks: bool,
    jobs: int,
) -> Finished:
    """Do what the checkouts of the repos called `chosen` owe, several repos at once."""
    places = list(all_places(run.session, lanes))
    return _finish(run, places, chosen, made=made, trust_hooks=trust_hooks, jobs=jobs)


def finish_lane(
    run: Mutation, unit: Unit, lane: Lane, *, trust_hooks: bool, made: Collection[str] = (), repos: Collection[str] = ()
) -> Finished:
    """Do what the lane's checkouts owe (those of `repos`, or all), one repo after the other."""
    if lane.kind == REVIEW_KIND or lane.state is not LaneState.ACTIVE:
        return Finished()
    places = lane_places(run.session, unit, lane)
    return _finish(run, places, repos or lane.repos, made=made, trust_hooks=trust_hooks, jobs=_LANE_JOBS)


def _finish(run: Mutation, places: Sequence[HookPlace], chosen: Collection[str], **how: Any) -> Finished:
    """What was done until then stands, and has to be told: an error here is an issue."""
    try:
        return _do(run, places, chosen, **how)
    except Interrupted as error:
        return Finished(outcome=Outcome(signum=error.signum))
    except Gr2Error as error:
        return Finished(issues=(Issue.from_error(error),))


def _do(
    run: Mutation,
    places: Sequence[HookPlace],
    chosen: Collection[str],
    *,
    made: Collection[str],
    trust_hooks: bool,
    jobs: int,
) -> Finished:
    session = run.session
    reader, trust = HooksReader(session), Trust(session, all_hooks=trust_hooks)
    progress = _Progress()
    runner = HookRunner(run, reader, partial=progress.partial)
    planner = WorkPlanner(session, command=run.command, reader=reader, trust=trust, runner=runner, made=made)
    work = planner.plan(places, chosen)
    progress.chains = work.chains
    for place, hook, reason in work.skips:
        runner.skip(place, hook, reason)
    chains = _sharing(work)
    outcome = run_steps(run, chains, label="hooks", jobs=jobs) if chains else Outcome()
    if runner.blocked is not None:
        # What ran beside the hook that failed has ended since. That this cannot be told is no reason to tell nothing.
        with suppress(Gr2Error):
            note_partial(session.layout, run.operation_id, progress.at_the_end(outcome))
    finished = Finished(
        outcome=outcome,
        blocked=tuple(work.blocked),
        unaffected=tuple(work.unaffected),
        issues=(*work.issues, *work.notes, *runner.issues, *trust.issues),
        hook_blocked=runner.blocked is not None,
    )
    _resolve(run, places, chosen, finished)
    return finished


def _sharing(work: HookWork) -> list[list[Step]]:
    """The repos' chains; those of repos that merge into one file are one chain, so that the order is the spec's."""
    chains: list[list[Step]] = []
    taken: dict[str, list[Step]] = {}
    for chain in work.chains.values():
        dests = [step.target.dest for step in chain if isinstance(step, ProjectFile)]
        shared = next((taken[dest] for dest in dests if dest in taken), None)
        if shared is None:
            shared = []
            chains.append(shared)
        shared += chain
        taken.update(dict.fromkeys(dests, shared))
    return [chain for chain in chains if chain]


def _resolve(run: Mutation, places: Sequence[HookPlace], chosen: Collection[str], finished: Finished) -> None:
    """Resolve the failure markers of this command where everything is done now, and tell what was kept back there."""
    layout = run.session.layout
    if finished.outcome.signum is not None or not (unresolved(layout) or withheld_ids(layout)):
        return
    undone = {
        (operation.unit, operation.lane, operation.repo)
        for operation in (*finished.outcome.failed, *finished.outcome.unaffected, *finished.blocked)
    }
    repos: dict[str, list[str]] = {}
    lanes: dict[tuple[str, str], bool] = {}
    for place in places:
        where = (place.unit_name, place.lane_name, place.repo.name)
        good = where not in undone and place.repo.name in chosen
        if place.lane is not None:
            key = (place.unit_name, place.lane.name)
            lanes[key] = lanes.get(key, True) and good
        elif good:
            repos.setdefault(place.unit_name, []).append(place.repo.name)
    for unit, names in repos.items():
        resolve_retried(run, unit=unit, repos=names)
    for (unit, lane), good in lanes.items():
        if good:
            resolve_retried(run, unit=unit, lane=lane)
            run.release(f"lane:{unit}/{lane}")


class _Progress:
    """How far the repos' chains have come."""

    def __init__(self) -> None:
        self.chains: Mapping[str, Sequence[object]] = {}

    def partial(self, failed: HookPlace) -> PartialState:
        """What a failure marker says: repos without a step left, the others, and the one that failed."""
        done: list[str] = []
        pending: list[str] = []
        for name, chain in self.chains.items():
            if name == failed.repo.name:
                continue
            waiting = any(isinstance(step, RunHook) and not step.ended for step in chain)
            (pending if waiting else done).append(name)
        return PartialState(repos_completed=tuple(done), repos_pending=tuple(pending), repos_failed=(failed.repo.name,))

    def at_the_end(self, outcome: Outcome) -> PartialState:
        """The same once everything has ended."""
        failed = list(dict.fromkeys(operation.repo for operation in outcome.failed))
        left = {operation.repo for operation in outcome.unaffected}
        rest = [name for name in self.chains if name not in failed]
        return PartialState(
            repos_completed=tuple(name for name in rest if name not in left),
            repos_pending=tuple(name for name in rest if name in left),
            repos_failed=tuple(failed),
        )
