"""Which unit and which lane a command is about, when its options leave it open (contract, page 1, "Context")."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from gr2.edges.files import is_inside
from gr2.errors import Failed, Gr2Error, Invalid
from gr2.model.hints import quoted
from gr2.model.lane import Lane
from gr2.model.names import nearest
from gr2.model.spec import Repo, Unit
from gr2.store.lanes import current_lane, has_lane, lane_names, read_lane
from gr2.workspace import Workspace


def unknown(what: str, name: str, known: Iterable[str], *, hint: str = "") -> Invalid:
    """The error for a `what` ("repo", "unit", "lane", ...) that does not exist, with the nearest that does."""
    names = list(known)
    close = nearest(name, names)
    details = {"suggestion": close} if close else {}
    return Invalid(
        f"unknown_{what}",
        f"there is no {what} {name!r}" + (f"; did you mean {close!r}?" if close else ""),
        scope=what if what in {"repo", "unit", "lane", "plugin", "gate"} else "workspace",
        subject=name,
        hint=hint,
        details=details,
    )


def find_unit(session: Workspace, name: str) -> Unit:
    """The unit called `name`. Raises Invalid `unknown_unit`."""
    unit = session.spec.unit(name)
    if unit is None:
        raise unknown("unit", name, (unit.name for unit in session.spec.units), hint="gr2 spec show")
    return unit


def find_repo(session: Workspace, name: str) -> Repo:
    """The repo called `name`. Raises Invalid `unknown_repo`."""
    repo = session.spec.repo(name)
    if repo is None:
        raise unknown("repo", name, (repo.name for repo in session.spec.repos), hint="gr2 spec show")
    return repo


def select_repos(session: Workspace, names: Iterable[str] = (), groups: Iterable[str] = ()) -> tuple[Repo, ...]:
    """The repos that options name, in declared order; all when they name none.

    Raises Invalid `unknown_repo`, or `unknown_group` for a group that no repo belongs to.
    """
    names, groups = tuple(names), tuple(groups)
    chosen = {find_repo(session, name).name for name in names}
    for group in groups:
        members = session.spec.repos_of_group(group)
        if not members:
            known = sorted({group for repo in session.spec.repos for group in repo.groups})
            raise unknown("group", group, known, hint="gr2 spec show")
        chosen |= {repo.name for repo in members}
    if not names and not groups:
        return session.spec.repos
    return tuple(repo for repo in session.spec.repos if repo.name in chosen)


def named_units(session: Workspace) -> tuple[Unit, ...]:
    """The units that a command over the whole workspace is about: the one that `--unit` names, else all.

    Raises Invalid `unknown_unit`.
    """
    return (find_unit(session, session.asked.unit),) if session.asked.unit else session.spec.units


def unit_of(session: Workspace) -> Unit:
    """The unit a command is about: named, from `GR2_UNIT`, around the current directory, or the only one.

    Raises Invalid `unit_required` or `unknown_unit`.
    """
    named = session.asked.unit or session.asked.environ.get("GR2_UNIT", "")
    if named:
        return find_unit(session, named)
    around = unit_around(session)
    if around is not None:
        return around
    units = session.spec.units
    if len(units) == 1:
        return units[0]
    raise Invalid(
        "unit_required",
        "which unit? " + (f"there are {', '.join(unit.name for unit in units)}" if units else "the spec has none"),
        scope="unit",
        hint="--unit UNIT, or GR2_UNIT" if units else "add a [[units]] entry to .grip/workspace_spec.toml",
        details={"units": [unit.name for unit in units]},
    )


def unit_around(session: Workspace) -> Unit | None:
    """The unit whose path holds the current directory, or None."""
    here = os.path.realpath(session.asked.cwd)
    root = os.path.realpath(session.root)
    for unit in session.spec.units:
        if is_inside(here, os.path.join(root, unit.path)):
            return unit
    return None


def lane_around(session: Workspace) -> tuple[Unit, str] | None:
    """The lane that holds the current directory, or None."""
    unit = unit_around(session)
    if unit is None:
        return None
    top = os.path.realpath(session.layout.lanes(unit.path))
    here = os.path.realpath(session.asked.cwd)
    if here == top or not is_inside(here, top):
        return None
    parts = os.path.relpath(here, top).split("/")
    for count in range(1, len(parts) + 1):
        name = "/".join(parts[:count])
        if has_lane(session.layout, unit, name):
            return unit, name
    return None


def split_lane(session: Workspace, text: str) -> tuple[Unit, str]:
    """The unit and lane that `text` names: "unit/lane" when its first part is a unit's name, else of the unit in
    context."""
    first, slash, rest = text.partition("/")
    unit = session.spec.unit(first) if slash and rest else None
    return (unit, rest) if unit is not None else (unit_of(session), text)


def lane_named(session: Workspace, argument: str = "") -> tuple[Unit, str]:
    """Unit and name of the lane a command is about: its argument or `--lane`, `GR2_LANE`, the one around the current
    directory, or the unit's current lane. Raises Invalid `lane_required`, `unknown_lane` or what `unit_of` raises."""
    named = argument or session.asked.lane or session.asked.environ.get("GR2_LANE", "")
    if named:
        unit, name = split_lane(session, named)
    else:
        around = lane_around(session)
        asked = session.asked.unit or session.asked.environ.get("GR2_UNIT", "")
        # Who speaks for a unit is not in the lane of another because the shell happens to stand there.
        if around is not None and asked in {"", around[0].name}:
            return around
        unit = unit_of(session)
        current = current_lane(session.layout, unit.name)
        if current is None:
            raise Invalid(
                "lane_required",
                f"which lane? unit {unit.name} is in none",
                scope="lane",
                hint="name one: gr2 lane list",
                details={"unit": unit.name},
            )
        name = current
    if not has_lane(session.layout, unit, name):
        raise unknown("lane", name, lane_names(session.layout, unit), hint=f"gr2 lane list --unit {unit.name}")
    return unit, name


def lane_of(session: Workspace, argument: str = "") -> tuple[Unit, Lane]:
    """The lane a command is about, read; see `lane_named`."""
    unit, name = lane_named(session, argument)
    lane = read_lane(session.layout, unit, name)
    if lane is None:
        raise _vanished(unit, name)
    return unit, lane


def lane_option(session: Workspace, unit: str, lane: str) -> str:
    """` --lane UNIT/LANE` for a command line, when the lane was named and a command without it would not find it; else
    ""."""
    if not session.asked.lane and not session.asked.unit:
        return ""
    unnamed = Workspace(root=session.root, asked=replace(session.asked, lane="", unit=""))
    unnamed.__dict__["_spec"] = session.spec
    try:
        found, name = lane_named(unnamed)
    except Gr2Error:
        found = None
    if found is not None and (found.name, name) == (unit, lane):
        return ""
    return f" --lane {quoted(f'{unit}/{lane}')}"


def _vanished(unit: Unit, name: str) -> Gr2Error:
    return Failed("invalid_lane", "the lane went away while it was read", scope="lane", subject=f"{unit.name}/{name}")
