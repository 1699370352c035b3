"""`status`: one screen that says what needs a person, and what to type."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import ClassVar

from gr2.errors import Gr2Error
from gr2.model.checkout import RepoRow
from gr2.model.group import Blocker, Group, GroupState
from gr2.model.hints import git_at, quoted
from gr2.model.lane import Lane, LaneState
from gr2.model.outcome import Issue, Result, read_status
from gr2.model.records import dataclass
from gr2.ops.apply_plan import make_plan
from gr2.ops.checkouts import inspect, lane_checkouts, shared_checkouts, unit_checkouts
from gr2.ops.context import named_units, select_repos
from gr2.ops.hook_seek import has_hooks
from gr2.ops.lane_view import LaneView, view_with
from gr2.ops.required_plugins import required_plugins
from gr2.session import Session
from gr2.store.cursor_glance import all_at_end
from gr2.store.failures import Marker, unresolved
from gr2.store.lanes import current_lane, read_lanes, read_unit_state
from gr2.store.pr_groups import read_group
from gr2.store.saved import Saved, waiting_stashes

_OWNERS = frozenset({Blocker.DRAFT, Blocker.CLOSED, Blocker.CHANGES_REQUESTED, Blocker.CONFLICT})
"""What no check or reviewer lifts: the pull request waits for whoever made it."""


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """A unit and the lane it is in."""

    unit: str
    path: str
    agent_id: str | None
    current_lane: str | None
    lanes: int


@dataclass(frozen=True, kw_only=True)
class StatusResult(Result):
    """The whole workspace. `issues` are what needs a person; each has the command to type as its hint."""

    shows_issues: ClassVar[bool] = True

    workspace: str
    root: str
    units: tuple[UnitRow, ...]
    repos: tuple[RepoRow, ...]
    lanes: tuple[LaneView, ...]
    failures: tuple[Marker, ...]


def status(session: Session, *, repos: Sequence[str] = (), groups: Sequence[str] = ()) -> StatusResult:
    """Look at every checkout, lane and failure marker, with `--unit` at those of that unit. Contacts no remote and
    writes nothing."""
    spec, named = session.spec, session.asked.unit
    units = {unit.name: unit for unit in named_units(session)}
    selected = select_repos(session, repos, groups)
    chosen = {repo.name for repo in selected}
    lanes = [lane for lane in read_lanes(session.layout, spec, tuple(units)) if lane.state is not LaneState.ARCHIVED]
    base = [] if named else shared_checkouts(spec.repos)
    base += [item for unit in units.values() for item in unit_checkouts(unit)]
    base = [item for item in base if item.repo in chosen]
    of_lanes = [[item for item in lane_checkouts(units[lane.unit], lane) if item.repo in chosen] for lane in lanes]
    rows, issues = inspect(session, [*base, *(item for group in of_lanes for item in group)])
    views, start = [], len(base)
    for lane, group in zip(lanes, of_lanes, strict=True):
        views.append(view_with(session, units[lane.unit], lane, rows[start : start + len(group)]))
        start += len(group)
    failures = tuple(marker for marker in unresolved(session.layout) if named in {"", marker.owner_unit})
    plan = make_plan(session, selected, whole=not repos and not groups, unit=named)
    wanted = {step.path for step in plan.checkouts}
    in_the_way = [*required_plugins(session), *(issue for issue in plan.issues if issue.code != "repo_not_in_spec")]
    issues = [*(_failure(marker) for marker in failures), *issues]
    issues += [replace(issue, blocking=False) for issue in in_the_way]
    issues += _of_rows(session, rows[: len(base)], wanted)
    issues += _of_hooks(session, lanes, chosen)
    kept = waiting_stashes(session.layout)
    issues += _of_saved([saved for saved in kept if saved.repo in chosen and named in {"", saved.unit}])
    lanes_with_saved = {(saved.unit, saved.lane) for saved in kept}
    for view in views:
        issues += _of_lane(session, view, wanted, has_saved=(view.owner_unit, view.lane_name) in lanes_with_saved)
    issues += _of_consumers(session)
    return StatusResult(
        status=read_status(issues),
        issues=tuple(issues),
        workspace=spec.workspace_name,
        root=session.root,
        units=tuple(_unit_row(session, name, views) for name in units),
        repos=tuple(rows[: len(base)]),
        lanes=tuple(views),
        failures=failures,
    )


def _unit_row(session: Session, name: str, views: Sequence[LaneView]) -> UnitRow:
    unit = session.spec.unit(name)
    assert unit is not None
    lanes = {view.lane_name for view in views if view.owner_unit == name}
    current = current_lane(session.layout, name)
    return UnitRow(
        unit=name,
        path=unit.path,
        agent_id=unit.agent_id,
        # Somebody may have removed its directory by hand.
        current_lane=current if current in lanes else None,
        lanes=len(lanes),
    )


def _note(code: str, scope: str, subject: str, message: str, hint: str) -> Issue:
    return Issue(code=code, scope=scope, subject=subject, message=message, hint=hint, blocking=False)


def _failure(marker: Marker) -> Issue:
    where = f"{marker.owner_unit}/{marker.lane_name}" if marker.lane_name else marker.repo
    what = f"hook {marker.hook_name!r}" if marker.hook_name else marker.operation
    return _note(
        "unresolved_failure",
        "hook" if marker.hook_name else "lane",
        where,
        f"{what} failed in {where}",
        "gr2 failures list",
    )


def _of_rows(session: Session, rows: Sequence[RepoRow], wanted: Container[str]) -> list[Issue]:
    """`wanted`: the checkouts that `apply` would make; why it would not make another is told elsewhere."""
    found = []
    missing = [row.path for row in rows if row.path in wanted]
    if missing:
        count = f"{len(missing)} checkouts are" if len(missing) > 1 else f"{missing[0]} is"
        found.append(_note("not_materialized", "workspace", "", f"{count} not there yet", "gr2 apply"))
    behind = [row.path for row in rows if row.behind and not row.ahead]
    if behind:
        count = f"{len(behind)} checkouts are" if len(behind) > 1 else f"{behind[0]} is"
        found.append(_note("behind", "workspace", "", f"{count} behind the remote", "gr2 sync run"))
    for row in rows:
        if row.behind and row.ahead and not row.in_progress:
            hint = f"gr2 sync run --strategy rebase --repo {quoted(row.repo)}"
            found.append(_note("branch_diverged", "repo", row.path, f"{row.path} and the remote have diverged", hint))
        if row.in_progress:
            message = f"a {row.in_progress} is in progress in {row.path}"
            found.append(
                _note("operation_in_progress", "repo", row.path, message, git_at(session.root, row.path, "status"))
            )
        elif row.dirty:
            code = f"dirty_{row.scope}_repo"
            found.append(
                _note(
                    code, "repo", row.path, f"uncommitted work in {row.path}", git_at(session.root, row.path, "status")
                )
            )
    return found


def _of_hooks(session: Session, lanes: Sequence[Lane], chosen: Container[str]) -> Sequence[Issue]:
    """Hooks files that do not act until somebody approves them."""
    if not has_hooks(session, lanes):
        return ()
    from gr2.ops.hook_places import all_places
    from gr2.ops.hook_trust import waiting_for_trust

    # What only a unit's checkout has, `hooks trust` cannot be pointed at.
    places = (place for place in all_places(session, lanes) if place.repo.name in chosen and place.scope != "unit")
    return waiting_for_trust(session, places)


def _of_saved(kept: Sequence[Saved]) -> list[Issue]:
    """What was put away in shared and unit checkouts. A lane's is offered when it is entered again."""
    paths = dict.fromkeys(saved.path for saved in kept if not saved.lane)
    return [_note("saved_work", "repo", path, f"{path} has saved work", "gr2 saved list") for path in paths]


def _of_consumers(session: Session) -> list[Issue]:
    """Who gets no events any more, because the log was cut off or put back."""
    if all_at_end(session.layout):
        return []
    from gr2.store.cursors import invalid_cursors

    try:
        errors: Sequence[Gr2Error] = invalid_cursors(session.layout)
    except Gr2Error as error:
        errors = [error]
    return [Issue.from_error(error, blocking=False) for error in errors]


def _of_lane(session: Session, view: LaneView, wanted: Container[str], *, has_saved: bool) -> list[Issue]:
    name = f"{view.owner_unit}/{view.lane_name}"
    try:
        read = read_group(session.layout, view.pr_group_id) if view.pr_group_id else None
        group, found = read[0] if read else None, []
    except Gr2Error as error:
        group, found = None, [Issue.from_error(error, blocking=False)]
    found = _of_work(session, view, name, wanted, group) + found
    if group is not None:
        unsent = any(issue.code in {"branch_diverged", "unpushed_work"} for issue in found)
        found += _of_group(group, name, unsent=unsent)
    if has_saved:
        found.append(_note("saved_work", "lane", name, f"lane {name} has saved work", _way_back(session, view, name)))
    return found


def _way_back(session: Session, view: LaneView, name: str) -> str:
    """The command that brings saved work of the lane back: `--restore` does so once in a stay, older work by its id."""
    noted = read_unit_state(session.layout, view.owner_unit).get("restoring") or {}
    return "gr2 saved list" if noted.get("lane") == view.lane_name else f"gr2 lane enter {quoted(name)} --restore"


def _of_group(group: Group, name: str, *, unsent: bool) -> list[Issue]:
    """What the lane's pull requests wait for, as last recorded. `unsent`: there are commits that they lack, so that to
    merge them now would leave those behind."""
    state = GroupState(group.state)
    held_up = _held_up(group)
    if held_up:
        message = f"the pull requests of {name} are held up: {held_up}"
        return [_note("pr_blocked", "lane", name, message, f"gr2 pr status --lane {quoted(name)}")]
    if state in {GroupState.MERGEABLE, GroupState.PARTIALLY_MERGED} and not unsent:
        message = f"the pull requests of {name} are {state.value.replace('_', ' ')}"
        return [_note(f"pr_{state.value}", "lane", name, message, f"gr2 pr merge --lane {quoted(name)}")]
    if state is GroupState.CHECKS_FAILING:
        message = f"checks of the pull requests of {name} fail"
        return [_note("pr_checks_failing", "lane", name, message, f"gr2 pr checks --lane {quoted(name)}")]
    return []


def _held_up(group: Group) -> str:
    """What keeps which pull request from being merged until its owner does something, "" for nothing. Checks that fail
    and nothing else have a command of their own."""
    if group.is_over or not any({*child.blockers} & _OWNERS for child in group.prs):
        return ""
    from gr2.ops.pr_next import words_of

    told = _OWNERS | {Blocker.CHECKS_FAILING}
    found = [(child.name, [words_of(blocker) for blocker in child.blockers if blocker in told]) for child in group.prs]
    return ", ".join(f"{child} ({', '.join(words)})" for child, words in found if words)


def _of_work(session: Session, view: LaneView, name: str, wanted: Container[str], group: Group | None) -> list[Issue]:
    if any(row.path in wanted for row in view.repos):
        return [_note("not_materialized", "lane", name, f"lane {name} lacks a checkout", "gr2 apply")]
    if any(not row.exists or row.is_unreadable for row in view.repos):
        return []
    stuck = [row for row in view.repos if row.in_progress]
    if stuck:
        message = f"a {stuck[0].in_progress} is in progress in {stuck[0].path}"
        return [_note("operation_in_progress", "lane", name, message, git_at(session.root, stuck[0].path, "status"))]
    if view.progress == "merged":
        return [_note("lane_merged", "lane", name, f"lane {name} is merged", f"gr2 lane archive {quoted(name)}")]
    if view.progress in {"unpushed", "in_review"}:
        return _of_commits(session, view, name, group)
    return []


def _of_commits(session: Session, view: LaneView, name: str, group: Group | None) -> list[Issue]:
    """The commits of a lane that are nowhere else, or that its open pull requests lack."""
    from gr2.ops.lane_work import apart

    in_review = view.progress == "in_review" and group is not None
    unsent = not in_review
    for row in view.repos:
        child = group.child(row.repo) if group is not None and in_review else None
        if child is not None and (child.status == "merged" or child.head_sha == row.head):
            continue
        ours, theirs = apart(session, row)
        if ours and theirs:
            message = f"{row.path} and its branch on the remote have diverged"
            hint = f"gr2 sync run --strategy rebase --lane {quoted(name)}"
            return [_note("branch_diverged", "lane", name, message, hint)]
        unsent = unsent or ours
    if not unsent:
        return []
    message = f"lane {name} has commits that " + ("its pull requests lack" if in_review else "are nowhere else")
    command = f"gr2 pr create --lane {quoted(name)}"
    # A group has its title.
    command += "" if group is not None and in_review else " --title TITLE"
    return [_note("unpushed_work", "lane", name, message, command)]
