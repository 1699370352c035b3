"""Lanes on disk: `lane.toml` in each lane's root, and each unit's current lane."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from gr2.edges.files import read_regular, write_whole
from gr2.errors import Failed, Invalid
from gr2.model.hints import quoted
from gr2.model.lane import LANE_VERSION, Lane, LaneState
from gr2.model.names import is_lane_name
from gr2.model.spec import Spec, Unit
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state
from gr2.store.toml_text import toml_text

LANE_FILE = "lane.toml"
_LIMIT = 1 << 20
_UNIT_STATE_VERSION = 1


def lane_names(layout: Layout, unit: Unit) -> tuple[str, ...]:
    """The names of a unit's lanes, sorted. A directory is a lane when it holds `lane.toml`."""
    top = layout.lanes(unit.path)
    found: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(os.path.join(top, folder)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if folder and any(entry.name == LANE_FILE for entry in entries):
            found.append(folder)
            continue
        pending += [
            f"{folder}/{entry.name}" if folder else entry.name
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
        ]
    return tuple(sorted(found))


def has_lane(layout: Layout, unit: Unit, name: str) -> bool:
    """Whether the unit has a lane called `name`."""
    return is_lane_name(name) and os.path.isfile(os.path.join(layout.lane(unit.path, name), LANE_FILE))


def read_lane(layout: Layout, unit: Unit, name: str) -> Lane | None:
    """The lane, or None when there is none. Raises Failed `invalid_lane` when its `lane.toml` is damaged."""
    if not is_lane_name(name):
        return None
    path = os.path.join(layout.lane(unit.path, name), LANE_FILE)
    try:
        data = read_regular(path, limit=_LIMIT)
        if data is None:
            return None
        import tomllib

        return _decode(tomllib.loads(data.decode()), unit=unit.name, name=name)
    except (OSError, ValueError, RecursionError, _Damaged) as error:
        raise Failed(
            "invalid_lane",
            f"{layout.relative(path)} cannot be read: {error}",
            scope="lane",
            subject=f"{unit.name}/{name}",
            hint=f"repair or remove {quoted(path)}",
        ) from error


def read_lanes(layout: Layout, spec: Spec, units: tuple[str, ...] = ()) -> Iterator[Lane]:
    """Every lane of the units named (of all units when none is), in the order of the spec, then by name."""
    for unit in spec.units:
        if not units or unit.name in units:
            for name in lane_names(layout, unit):
                lane = read_lane(layout, unit, name)
                if lane is not None:
                    yield lane


def lane_text(lane: Lane) -> str:
    """The content of the lane's `lane.toml`."""
    return toml_text(
        {
            "version": lane.version,
            "lane_name": lane.name,
            "owner_unit": lane.unit,
            "agent_id": lane.agent_id,
            "lane_type": lane.kind,
            "state": lane.state.value,
            "reason": lane.reason or None,
            "repos": list(lane.repos),
            "base_named": lane.base_named or None,
            "sparse": list(lane.sparse) or None,
            "pr_group_id": lane.pr_group_id,
            "continues": lane.continues,
            "continued_by": list(lane.continued_by) or None,
            "port_base": lane.port_base,
            "created_by": lane.created_by,
            "created_at": lane.created_at,
            "operation_id": lane.operation_id,
            "branch_map": dict(lane.branch_map),
            "base_map": dict(lane.base_map),
            "start_map": dict(lane.start_map),
        },
        comment="A lane of gr2, written by gr2. Change it with `gr2 lane ...`.",
    )


def write_lane(layout: Layout, unit: Unit, lane: Lane) -> None:
    """Write the lane's `lane.toml`. Raises Invalid `newer_version` for one that a newer gr2 wrote."""
    if lane.version > LANE_VERSION:
        raise Invalid(
            "newer_version",
            f"lane {lane.id} has version {lane.version}, this gr2 writes version {LANE_VERSION}",
            scope="lane",
            subject=lane.id,
            hint="use the newer gr2 that wrote it",
        )
    path = os.path.join(layout.lane(unit.path, lane.name), LANE_FILE)
    write_whole(path, lane_text(lane).encode(), temporary=layout.temporary)


class _Damaged(Exception):
    pass


def _decode(table: Mapping[str, Any], *, unit: str, name: str) -> Lane:
    def text(key: str, default: str | None = None) -> Any:
        value = table.get(key, default)
        if value is not None and not isinstance(value, str):
            raise _Damaged(f"{key} must be a string")
        return value

    def texts(key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _Damaged(f"{key} must be a list of strings")
        return tuple(value)

    def mapping(key: str) -> dict[str, str]:
        value = table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise _Damaged(f"{key} must be a table of strings")
        return value

    version, ports = table.get("version"), table.get("port_base", 0)
    if type(version) is not int or type(ports) is not int:
        raise _Damaged("version and port_base must be integers")
    state = text("state", "active")
    if state not in tuple(LaneState):
        raise _Damaged(f"unknown state {state!r}")
    return Lane(
        name=name,
        unit=unit,
        version=version,
        kind=text("lane_type", "feature"),
        state=LaneState(state),
        agent_id=text("agent_id"),
        repos=texts("repos"),
        branch_map=mapping("branch_map"),
        base_map=mapping("base_map"),
        start_map=mapping("start_map"),
        base_named=table.get("base_named") is True,
        pr_group_id=text("pr_group_id"),
        continues=text("continues"),
        continued_by=texts("continued_by"),
        sparse=texts("sparse"),
        port_base=ports,
        reason=text("reason", ""),
        created_by=text("created_by", ""),
        created_at=text("created_at", ""),
        operation_id=text("operation_id", ""),
    )


def _unit_state(layout: Layout, unit: str) -> str:
    return os.path.join(layout.state, "units", f"{unit}.json")


def read_unit_state(layout: Layout, unit: str) -> dict[str, Any]:
    """What gr2 remembers of a unit: `current_lane`, and notes about the change to it that is under way.

    entered_by, left_by: the operation that made the last change. leaving: {lane, operations} while work is put away.
    restoring: {lane, saved} while work is put back. switch: {from_lane, to_lane, stashed, discarded} between the two
    halves of a switch.
    """
    return read_state(_unit_state(layout, unit), version=_UNIT_STATE_VERSION) or {}


def write_unit_state(layout: Layout, unit: str, state: Mapping[str, Any]) -> None:
    """Replace what gr2 remembers of a unit; empty notes are left out."""
    kept = {key: value for key, value in state.items() if value or key == "current_lane"}
    write_state(_unit_state(layout, unit), kept, version=_UNIT_STATE_VERSION)


def current_lane(layout: Layout, unit: str) -> str | None:
    """The name of the lane the unit is in, None when it is in none."""
    name = read_unit_state(layout, unit).get("current_lane")
    return name if isinstance(name, str) else None


def unit_state_file(layout: Layout, unit: str) -> str:
    """The state file whose rename commits a change of the unit's current lane."""
    return _unit_state(layout, unit)
