"""The spec as a value: which repositories and units a workspace should contain (contract, page 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gr2.model.records import dataclass

SPEC_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Repo:
    """One repository of the spec. `path` is its shared checkout, relative to the workspace."""

    name: str
    path: str
    url: str
    default_branch: str | None = None
    platform: str | None = None
    reference: bool = False
    revision: str = ""
    filter: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnitConstraints:
    """Limits on a unit, compiled elsewhere and enforced here."""

    lane_limit: int | None = None
    allowed_lane_kinds: tuple[str, ...] | None = None
    channels_enabled: bool = True
    recall_enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Who owns lanes: a person or an agent. `path` is relative to the workspace."""

    name: str
    path: str
    agent_id: str | None = None
    repos: tuple[str, ...] = ()
    constraints: UnitConstraints = UnitConstraints()


@dataclass(frozen=True, kw_only=True)
class MergeOrder:
    """In which order a group's PRs are merged; repositories not named follow in declared order."""

    strategy: str = "declared"
    order: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorkspaceConstraints:
    """Limits on the whole workspace."""

    max_concurrent_edit_leases_global: int | None = None
    lane_naming_convention: str | None = None
    requires: tuple[str, ...] = ()
    required_reviewers: Mapping[str, int] = field(default_factory=dict)
    merge_order: MergeOrder = MergeOrder()


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A validated spec. `version` above `SPEC_VERSION` is readable, and everything mutating refuses it."""

    workspace_name: str
    version: int = SPEC_VERSION
    repos: tuple[Repo, ...] = ()
    units: tuple[Unit, ...] = ()
    workspace_constraints: WorkspaceConstraints = WorkspaceConstraints()
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def repo(self, name: str) -> Repo | None:
        """The repository called `name`, or None."""
        return next((repo for repo in self.repos if repo.name == name), None)

    def unit(self, name: str) -> Unit | None:
        """The unit called `name`, or None."""
        return next((unit for unit in self.units if unit.name == name), None)

    def repos_of_group(self, group: str) -> tuple[Repo, ...]:
        """The repositories that belong to `group`, in declared order."""
        return tuple(repo for repo in self.repos if group in repo.groups)
