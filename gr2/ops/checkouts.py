"""Which checkouts a workspace has, and their git state: one git process each, many at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from gr2.edges.git import MIRROR_MISSING, CheckoutState, Place, parse_status
from gr2.edges.git.refs import head_branch
from gr2.edges.git.status import STATUS_ARGS, in_progress
from gr2.edges.process import Command
from gr2.errors import Gr2Error
from gr2.model.checkout import Checkout, RepoRow
from gr2.model.lane import Lane, LaneState
from gr2.model.outcome import Issue
from gr2.model.spec import Repo, Unit
from gr2.session import Session
from gr2.store.lanes import read_lanes

# git status is one short-lived process that waits for the disk: a few more than there are cores keep both busy.
STATUS_JOBS = 4


def shared_checkouts(repos: Iterable[Repo]) -> list[Checkout]:
    """The shared checkout of each repo."""
    return [Checkout(repo=repo.name, scope="shared", path=repo.path) for repo in repos]


def unit_checkouts(unit: Unit) -> list[Checkout]:
    """The unit's own checkouts."""
    return [Checkout(repo=name, scope="unit", unit=unit.name, path=f"{unit.path}/repos/{name}") for name in unit.repos]


def lane_checkouts(unit: Unit, lane: Lane) -> list[Checkout]:
    """The lane's checkouts, in its order."""
    return [
        Checkout(
            repo=name,
            scope="lane",
            unit=unit.name,
            lane=lane.name,
            path=f"{unit.path}/lanes/{lane.name}/repos/{name}",
            base=lane.base_map.get(name, ""),
        )
        for name in lane.repos
    ]


def all_checkouts(session: Session, lanes: Sequence[Lane] | None = None) -> list[Checkout]:
    """Every checkout of the workspace: shared, unit, then lane checkouts."""
    spec = session.spec
    found = shared_checkouts(spec.repos)
    for unit in spec.units:
        found += unit_checkouts(unit)
    for lane in read_lanes(session.layout, spec) if lanes is None else lanes:
        unit_found = spec.unit(lane.unit)
        if unit_found is not None and lane.state is not LaneState.ARCHIVED:
            found += lane_checkouts(unit_found, lane)
    return found


def inspect(session: Session, checkouts: Iterable[Checkout]) -> tuple[list[RepoRow], list[Issue]]:
    """The state of each checkout, in order, and an issue for each that git could not answer for.

    `checkouts` is gone through while git looks at the first of them: finding them out may take its time.
    """
    known: list[Checkout] = []
    rows: dict[int, RepoRow] = {}
    issues: dict[int, Issue] = {}
    asked: list[int] = []
    against_base: set[int] = set()

    def commands() -> Iterable[Command]:
        for index, checkout in enumerate(checkouts):
            known.append(checkout)
            path = session.layout.at(checkout.path)
            if not os.path.lexists(os.path.join(path, ".git")):
                rows[index] = _row(checkout, exists=False)
                continue
            try:
                config = _base_as_upstream(checkout, path) if checkout.base else []
                command = session.git.command(list(STATUS_ARGS), at=Place.checkout(path), config=config)
            except Gr2Error as error:
                issues[index] = _issue(checkout, error)
                rows[index] = _row(checkout, exists=True)
                continue
            asked.append(index)
            if config:
                against_base.add(index)
            yield command

    for number, completed in session.git.ask_many(commands(), jobs=STATUS_JOBS):
        index = asked[number]
        checkout = known[index]
        if completed.exit_code != 0:
            issues[index] = _issue(checkout, session.git.error(completed))
            rows[index] = _row(checkout, exists=True)
        else:
            state = parse_status(completed.stdout)
            rows[index] = _row_of(session, checkout, state, None if index in against_base else state.upstream)
    told = _told_once((known[index], issues[index]) for index in sorted(issues))
    return [rows[index] for index in sorted(rows)], told


def _told_once(found: Iterable[tuple[Checkout, Issue]]) -> list[Issue]:
    """The issues, with one for all the checkouts of a repo that miss their mirror."""
    issues: list[Issue] = []
    lost: dict[tuple[str, str], list[str]] = {}
    for checkout, issue in found:
        if issue.code == MIRROR_MISSING:
            lost.setdefault((checkout.repo, issue.hint), []).append(checkout.path)
        else:
            issues.append(issue)
    for (repo, hint), paths in lost.items():
        what = f"{len(paths)} checkouts" if len(paths) > 1 else paths[0]
        message = f"the mirror of {repo} is not there, so {what} cannot be read"
        issues.append(
            Issue(
                code=MIRROR_MISSING,
                scope="repo",
                subject=repo,
                message=message,
                hint=hint,
                blocking=False,
                details={"checkouts": paths},
            )
        )
    return issues


def _base_as_upstream(checkout: Checkout, path: str) -> list[tuple[str, str]]:
    """Configuration that makes git count a branch without upstream against the checkout's base, in the same process."""
    git_dir = os.path.join(path, ".git")
    branch = head_branch(git_dir)
    if branch is None or has_upstream(git_dir, branch):
        return []
    return [(f"branch.{branch}.remote", "origin"), (f"branch.{branch}.merge", f"refs/heads/{checkout.base}")]


def has_upstream(git_dir: str, branch: str) -> bool:
    """Whether the configuration of the repository at `git_dir` says which branch of a remote `branch` follows."""
    return "merge" in _branch_section(git_dir, branch)


def follows_its_own(git_dir: str, branch: str) -> bool:
    """Whether `branch` follows the branch of the same name on origin, and no other branch or remote."""
    section = _branch_section(git_dir, branch)
    return (section.get("remote"), section.get("merge")) == ("origin", f"refs/heads/{branch}")


def _branch_section(git_dir: str, branch: str) -> dict[str, str]:
    """What the configuration of the repository at `git_dir` says of `branch`, as git itself writes it."""
    try:
        with open(os.path.join(git_dir, "config"), encoding="utf-8", errors="surrogateescape") as file:
            config = file.read(1 << 20)
    except OSError:
        return {}
    section: dict[str, str] = {}
    _, found, after = f"\n{config}".partition(f'\n[branch "{branch}"]')
    for line in after.split("\n")[1:] if found else ():
        if line[:1] not in (" ", "\t"):
            break
        name, _, value = line.partition("=")
        section[name.strip()] = value.strip()
    return section


def _row_of(session: Session, checkout: Checkout, state: CheckoutState, upstream: str | None) -> RepoRow:
    git_dir = os.path.join(session.layout.at(checkout.path), ".git")
    return _row(
        checkout,
        exists=True,
        branch=state.branch,
        head=state.head,
        upstream=upstream,
        ahead=state.ahead,
        behind=state.behind,
        dirty=state.dirty,
        staged=state.staged,
        unstaged=state.unstaged,
        untracked=state.untracked,
        conflicted=state.conflicted,
        in_progress=in_progress(git_dir),
    )


def _row(checkout: Checkout, **values: object) -> RepoRow:
    return RepoRow(
        repo=checkout.repo,
        scope=checkout.scope,
        unit=checkout.unit or None,
        lane=checkout.lane or None,
        path=checkout.path,
        **values,  # type: ignore[arg-type]
    )


def _issue(checkout: Checkout, error: Gr2Error) -> Issue:
    return Issue(
        code=error.code,
        scope="repo",
        subject=checkout.path,
        message=error.message,
        hint=error.hint,
        blocking=False,
        details=error.details,
    )
