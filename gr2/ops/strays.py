"""What lies in the workspace and the spec no longer names. It is told, and left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from gr2.edges.files import read_regular
from gr2.edges.git.refs import head_commit
from gr2.model.hints import place_at
from gr2.model.lane import LaneState
from gr2.model.names import is_name
from gr2.model.outcome import Issue
from gr2.model.spec import Unit
from gr2.session import Session
from gr2.store.lanes import lane_names, read_lanes


def not_in_spec(session: Session) -> list[Issue]:
    """Mirrors, checkouts and units that the spec no longer names; they are left alone."""
    known = {repo.name for repo in session.spec.repos}
    mirrors = [name for name in _entries(session.layout.mirrors) if name.endswith(".git")]
    gone = [name.removesuffix(".git") for name in mirrors if name.removesuffix(".git") not in known]
    left = [*_left_of_units(session)]
    if gone:
        left += [*_left_of_shared(session, gone), *_left_of_lanes(session, gone)]
    issues = []
    for name in gone:
        first = "remove its checkouts, then" if any(repo == name for repo, _, _ in left) else "remove"
        path = f".grip/cache/repos/{name}.git"
        hint = f"add {name} to the spec, or {first} {place_at(session.root, path)} yourself"
        issues.append(_stray(name, path, hint))
    for name, path, unit in left:
        where = f"the repos of {unit}" if unit and name in known else "the spec"
        hint = f"add {name} to {where}, or remove {place_at(session.root, path)} yourself"
        issues.append(_stray(name, path, hint, where=where))
    return [*issues, *_units_left(session)]


def _units_left(session: Session) -> Iterator[Issue]:
    """Units that were made beside those of the spec, or where units are usually put."""
    known = {unit.name: unit.path for unit in session.spec.units}
    # A repo may have a file of that name, too.
    named = {*known.values(), *(repo.path for repo in session.spec.repos)}
    folders = dict.fromkeys(["agents", *sorted(os.path.dirname(path) for path in known.values())])
    for folder in folders:
        for entry in _entries(session.layout.at(folder)):
            path = f"{folder}/{entry}" if folder else entry
            name = _unit_name(session, path) if path not in named else ""
            if name:
                lanes = lane_names(session.layout, Unit(name=name, path=path))
                count = f" with {len(lanes)} {'lane' if len(lanes) == 1 else 'lanes'}" if lanes else ""
                where = f"in {known[name]} by the spec" if name in known else "not in the spec"
                again = f"give unit {name} that path in" if name in known else f"add unit {name} with that path to"
                yield Issue(
                    code="repo_not_in_spec",
                    scope="unit",
                    subject=name,
                    message=f"unit {name} is in {path}{count}, and {where}; it is left alone",
                    hint=f"{again} the spec again, or move {place_at(session.root, path)} away yourself",
                    blocking=False,
                    details={"path": path, "lanes": list(lanes)},
                )


def _unit_name(session: Session, path: str) -> str:
    """The name in the `unit.toml` that gr2 wrote at `path`, "" when there is none."""
    import tomllib

    try:
        data = read_regular(session.layout.at(f"{path}/unit.toml"), limit=1 << 16)
        found = tomllib.loads((data or b"").decode()).get("name")
    except (OSError, ValueError, RecursionError):
        return ""
    return found if isinstance(found, str) and is_name(found) else ""


def _left_of_units(session: Session) -> Iterator[tuple[str, str, str]]:
    """Repo, path and unit of each checkout in the place of a unit's that the unit does not name."""
    for unit in session.spec.units:
        for entry in _entries(session.layout.at(f"{unit.path}/repos")):
            path = f"{unit.path}/repos/{entry}"
            if entry not in unit.repos and head_commit(session.layout.at(f"{path}/.git")):
                yield entry, path, unit.name


def _left_of_shared(session: Session, gone: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The same for checkouts beside the shared ones that borrow from the mirror of a repo that is gone."""
    named = {repo.path for repo in session.spec.repos}
    folders = dict.fromkeys(["repos", *(os.path.dirname(path) for path in named)])
    for folder in folders:
        for entry in _entries(session.layout.at(folder)):
            path = f"{folder}/{entry}" if folder else entry
            if path not in named:
                lender = _lender(session, path)
                if lender in gone:
                    yield lender, path, ""


def _left_of_lanes(session: Session, gone: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The same for the checkouts of lanes."""
    for lane in read_lanes(session.layout, session.spec):
        unit = session.spec.unit(lane.unit)
        for repo in lane.repos:
            if repo in gone and unit is not None and lane.state is not LaneState.ARCHIVED:
                yield repo, f"{unit.path}/lanes/{lane.name}/repos/{repo}", lane.unit


def _lender(session: Session, path: str) -> str:
    """The repo whose mirror the checkout at `path` borrows objects from, "" for none."""
    try:
        data = read_regular(session.layout.at(f"{path}/.git/objects/info/alternates"), limit=1 << 16)
    except OSError:
        return ""
    first = os.fsdecode((data or b"").split(b"\n", 1)[0])
    mirror, objects = os.path.split(first)
    inside = objects == "objects" and os.path.dirname(mirror) == session.layout.mirrors
    return os.path.basename(mirror).removesuffix(".git") if inside else ""


def _entries(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _stray(name: str, path: str, hint: str, *, where: str = "the spec") -> Issue:
    return Issue(
        code="repo_not_in_spec",
        scope="repo",
        subject=name,
        message=f"{path} is not in {where}; it is left alone",
        hint=hint,
        blocking=False,
        details={"path": path},
    )
