"""Writes a spec as TOML that people like to read and edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gr2.model.spec import Repo, Spec, Unit, WorkspaceConstraints
from gr2.store.toml_text import toml_string

_TOP = """\
# What this workspace should contain. Edit it, then: gr2 plan, gr2 apply.
# Every key is explained by: gr2 spec schema

"""
_NO_REPOS = """
# One table for each repository:
#
# [[repos]]
# name = "app"
# path = "repos/app"                         # its shared checkout
# url = "https://example.org/shop/app.git"   # no passwords or tokens in here
# groups = ["backend"]                       # optional: gr2 apply --group backend
"""
_NO_UNITS = """
# One table for each person or agent who works here; lanes belong to units:
#
# [[units]]
# name = "alpha"
# path = "agents/alpha"
# repos = ["app"]
"""


def spec_text(spec: Spec, *, explain: bool = False) -> str:
    """`spec` as TOML; keys that have their default value are left out. `explain`: with comments for who edits it."""
    lines = [f"version = {spec.version}", f"workspace_name = {toml_string(spec.workspace_name)}"]
    for repo in spec.repos:
        lines += ["", "[[repos]]", *_repo(repo)]
    if explain and not spec.repos:
        lines += _NO_REPOS.rstrip("\n").split("\n")
    for unit in spec.units:
        lines += ["", "[[units]]", *_unit(unit)]
    if explain and not spec.units:
        lines += _NO_UNITS.rstrip("\n").split("\n")
    lines += _limits(spec.workspace_constraints)
    for name, table in spec.plugins.items():
        lines += _table(f"plugins.{_key(name)}", table)
    return (_TOP if explain else "") + "\n".join(lines) + "\n"


def _repo(repo: Repo) -> Iterator[str]:
    plain = Repo(name="", path="", url="")
    for key in ("name", "path", "url", "default_branch", "platform", "reference", "revision", "filter", "groups"):
        value = getattr(repo, key)
        if value != getattr(plain, key):
            yield f"{key} = {_value(value)}"


def _unit(unit: Unit) -> Iterator[str]:
    plain = Unit(name="", path="")
    for key in ("name", "path", "agent_id", "repos"):
        value = getattr(unit, key)
        if value != getattr(plain, key):
            yield f"{key} = {_value(value)}"
    limits = _changed(unit.constraints, plain.constraints)
    if limits:
        yield "[units.constraints]"
        yield from (f"{key} = {_value(value)}" for key, value in limits.items())


def _limits(limits: WorkspaceConstraints) -> list[str]:
    found = _changed(limits, WorkspaceConstraints())
    reviewers, order = found.pop("required_reviewers", {}), found.pop("merge_order", None)
    if order is not None:
        found["merge_order"] = _changed(order, WorkspaceConstraints().merge_order)
    if reviewers:
        found["required_reviewers"] = reviewers
    return _table("workspace_constraints", found) if found else []


def _changed(value: Any, plain: Any) -> dict[str, Any]:
    return {key: item for key, item in vars(value).items() if item != getattr(plain, key)}


def _table(header: str, table: Mapping[str, Any]) -> list[str]:
    """A table with its sub-tables under headers of their own. The depth of a spec is limited, so is this."""
    own = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    lines = ["", f"[{header}]", *own]
    if not own and table:
        lines = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _table(f"{header}.{_key(key)}", value)
    return lines


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(_value(item) for item in value) + "]"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else toml_string(name)
