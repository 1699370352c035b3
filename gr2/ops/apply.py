"""`plan` and `apply`: look at what is there, and make what the spec says and is missing (contract, page 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gr2.model.event.workspace import MaterializedRepo, WorkspaceMaterialized
from gr2.model.outcome import (
    Issue,
    MutationResult,
    Operation,
    Result,
    Status,
    plan_status,
    run_status,
)
from gr2.model.records import dataclass
from gr2.ops.apply_plan import Plan, make_plan
from gr2.ops.context import find_repo, select_repos
from gr2.ops.hook_seek import has_hooks
from gr2.ops.mutation import Mutation, mutation
from gr2.ops.required_plugins import required_plugins
from gr2.ops.steps import Outcome, run_steps
from gr2.ops.strays import not_in_spec
from gr2.session import Session
from gr2.store.withheld import forget_withheld, withheld, withhold

if TYPE_CHECKING:
    from gr2.ops.hook_finish import Finished

DEFAULT_JOBS = 8


@dataclass(frozen=True, kw_only=True)
class PlanResult(Result):
    """What `apply` would do."""

    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ApplyResult(MutationResult):
    """What `apply` did. The four lists are disjoint."""

    completed: tuple[Operation, ...] = ()
    failed: tuple[Operation, ...] = ()
    blocked: tuple[Operation, ...] = ()
    unaffected: tuple[Operation, ...] = ()


def _strays(session: Session, repos: Sequence[str], groups: Sequence[str]) -> list[Issue]:
    return [] if repos or groups or session.asked.unit else not_in_spec(session)


def plan(session: Session, *, repos: Sequence[str] = (), groups: Sequence[str] = ()) -> PlanResult:
    """What `apply` with the same options would do. Reads files only: no network, nothing written."""
    chosen = select_repos(session, repos, groups)
    found = make_plan(session, chosen, whole=not repos and not groups, unit=session.asked.unit)
    strays = _strays(session, repos, groups)
    issues, operations = (*required_plugins(session), *found.issues, *strays), found.operations
    if found.checkouts or has_hooks(session, found.lanes):
        from gr2.ops.hook_finish import plan_hooks

        hooks = plan_hooks(session, found.lanes, {repo.name for repo in chosen}, found.checkouts)
        issues, operations = (*issues, *hooks.issues), (*operations, *hooks.operations)
    return PlanResult(status=plan_status(issues), issues=issues, operations=operations)


def apply(
    session: Session,
    *,
    repos: Sequence[str] = (),
    groups: Sequence[str] = (),
    jobs: int = DEFAULT_JOBS,
    accept_urls: Sequence[str] = (),
    trust_hooks: bool = False,
) -> ApplyResult:
    """Converge: make mirrors, units and checkouts that are missing, several repositories at once; then project files
    and run the `on_materialize` hooks that are owed.

    Never changes an existing checkout's branch or work and never deletes. A repository that fails does not stop the
    others. With `--unit` it is about that unit and its lanes alone. `accept_urls` names repositories whose URL changed
    in the spec, to move mirror and origins to it. `trust_hooks` approves every hooks file for this run.
    """
    chosen = select_repos(session, repos, groups)
    for name in accept_urls:
        find_repo(session, name)
    with mutation(session, "apply", repos=tuple(repo.name for repo in chosen)) as run:
        session.git.require()
        whole, accept = not repos and not groups, frozenset(accept_urls)
        found = make_plan(run.session, chosen, whole=whole, accept=accept, unit=session.asked.unit)
        found.issues += _strays(session, repos, groups)
        outcome = run_steps(run, found.chains, label="apply", jobs=jobs)
        names = () if outcome.signum is not None else tuple(repo.name for repo in chosen)
        if names and has_hooks(run.session, found.lanes):
            from gr2.ops.hook_finish import finish_apply

            made = {operation.path for operation in outcome.completed if operation.kind == "checkout.clone"}
            done = finish_apply(run, found.lanes, names, made=made, trust_hooks=trust_hooks, jobs=jobs)
            _tell(run, outcome, names, hook_blocked=done.hook_blocked)
            _add(found, outcome, done)
        else:
            _tell(run, outcome, names)
        return _result(run, found, outcome)


def _add(found: Plan, outcome: Outcome, done: Finished) -> None:
    """Add what became of projections and hooks."""
    outcome.completed += done.outcome.completed
    outcome.failed += done.outcome.failed
    outcome.unaffected += [*done.outcome.unaffected, *done.unaffected]
    outcome.issues += done.all_issues
    outcome.signum = done.outcome.signum
    found.blocked += done.blocked


def _tell(run: Mutation, outcome: Outcome, chosen: Sequence[str], *, hook_blocked: bool = False) -> None:
    """Write the event of what was made. After a hook failure that blocks it waits for the apply that succeeds."""
    made = [operation for operation in outcome.completed if operation.kind == "checkout.clone"]
    names = list(dict.fromkeys(operation.repo for operation in made))
    seeded = {operation.repo for operation in outcome.completed if operation.kind == "cache.seed"}
    repos = {name: name in seeded for name in names}
    layout = run.session.layout
    if hook_blocked:
        for name, first in repos.items():
            withhold(layout, f"apply:{name}", [{"event_id": run.made_event_id, "repo": name, "first": first}])
        return
    for name in chosen:
        if withheld(layout, f"apply:{name}"):
            first = any(entry["first"] for entry in withheld(layout, f"apply:{name}"))
            repos[name] = repos.get(name, False) or first
    if repos:
        run.emit_once(
            WorkspaceMaterialized(
                repos=tuple(MaterializedRepo(repo=name, first_materialize=first) for name, first in repos.items())
            )
        )
    for name in repos:
        forget_withheld(layout, f"apply:{name}")


def _result(run: Mutation, found: Plan, outcome: Outcome) -> ApplyResult:
    issues = (*found.issues, *outcome.issues)
    status = run_status(
        completed=len(outcome.completed), failed=len(outcome.failed), blocked=len(found.blocked), issues=issues
    )
    if outcome.signum is not None:
        status = Status.INTERRUPTED
    elif status is Status.ATTENTION and any(issue.blocking for issue in issues):
        status = Status.PARTIAL_FAILURE if outcome.completed else Status.BLOCKED
    return ApplyResult(
        status=status,
        signum=outcome.signum,
        issues=issues,
        operation_id=run.operation_id,
        completed=tuple(outcome.completed),
        failed=tuple(outcome.failed),
        blocked=tuple(found.blocked),
        unaffected=(*outcome.unaffected, *found.unaffected),
    )
