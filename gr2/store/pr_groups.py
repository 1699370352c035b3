"""PR groups on disk: `.grip/pr_groups/<pr_group_id>.json`, the group as contracted with its journal inside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

from gr2.errors import Failed, Gr2Error
from gr2.model.group import GROUP_VERSION, Checks, Child, ChildReview, Group, GroupState, Journal, PullStatus
from gr2.model.hints import quoted
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

_ID = re.compile(r"pg_[0-9a-f]{8}").fullmatch
_STATUSES = get_args(PullStatus)
_CHECKS = get_args(Checks)


def group_path(layout: Layout, group_id: str) -> str:
    """Where the group of this id is."""
    return os.path.join(layout.pr_groups, f"{group_id}.json")


def group_ids(layout: Layout) -> tuple[str, ...]:
    """The ids of all groups, sorted."""
    try:
        names = os.listdir(layout.pr_groups)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(sorted(name[:-5] for name in names if name.endswith(".json") and _ID(name[:-5])))


def read_group(layout: Layout, group_id: str) -> tuple[Group, Journal] | None:
    """The group and its journal, None when there is none. Raises Failed `invalid_pr_group` for a damaged file."""
    if not _ID(group_id):
        raise _invalid(layout, group_id, "its id is no id of a group")
    try:
        found = read_state(group_path(layout, group_id), version=GROUP_VERSION)
        if found is None:
            return None
        group = _group(found)
        if group.pr_group_id != group_id:
            raise ValueError(f"it holds the group {group.pr_group_id}")
        return group, _journal(found.get("journal", {}))
    except (Gr2Error, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = error.message if isinstance(error, Gr2Error) else str(error)
        raise _invalid(layout, group_id, reason) from error


def read_groups(layout: Layout) -> Iterator[tuple[Group, Journal] | Failed]:
    """Every group, by id; in place of a damaged one, its error."""
    for group_id in group_ids(layout):
        try:
            found = read_group(layout, group_id)
        except Failed as error:
            yield error
            continue
        if found is not None:
            yield found


def write_group(layout: Layout, group: Group, journal: Journal, *, temporary: str | None = None) -> None:
    """Write the group whole. Raises Invalid `newer_version`, Failed `disk_full`."""
    content = {**asdict(group), "journal": asdict(journal)}
    write_state(group_path(layout, group.pr_group_id), content, version=GROUP_VERSION, temporary=temporary)


def _invalid(layout: Layout, group_id: str, reason: str) -> Failed:
    path = group_path(layout, group_id)
    return Failed(
        "invalid_pr_group",
        f"{layout.relative(path)} cannot be used: {reason}",
        scope="lane",
        subject=group_id,
        hint=f"repair {quoted(path)}, or remove it: gr2 pr create finds open pull requests again",
    )


def _group(found: Mapping[str, Any]) -> Group:
    values = _known(Group, found)
    if values["state"] not in tuple(GroupState):
        raise ValueError(f"unknown state {values['state']!r}")
    _texts(values, "pr_group_id", "lane_name", "owner_unit", "title", "head_branch", "created_by", "created_at")
    return Group(**{**values, "prs": tuple(_child(child) for child in values["prs"])})


def _child(found: Mapping[str, Any]) -> Child:
    values = _known(Child, found)
    _texts(values, "repo", "platform", "base", "head", "head_sha")
    if values["status"] not in _STATUSES or values["checks"] not in _CHECKS:
        raise ValueError(f"unknown status of {values['repo']}")
    if values["pr_number"] is not None and type(values["pr_number"]) is not int:
        raise TypeError("pr_number must be an integer")
    reviews = tuple(ChildReview(**_known(ChildReview, review)) for review in values["reviews"])
    lists = {key: tuple(values[key]) for key in ("failed_checks", "blockers")}
    return Child(**{**values, **lists, "reviews": reviews})


def _journal(found: Mapping[str, Any]) -> Journal:
    values = _known(Journal, found)
    values.update({key: tuple(values[key]) for key in ("order", "unsent") if key in values})
    return Journal(**values)


def _known(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in found.items() if key in names}


def _texts(values: Mapping[str, Any], *keys: str) -> None:
    for key in keys:
        if not isinstance(values[key], str):
            raise TypeError(f"{key} must be a string")
