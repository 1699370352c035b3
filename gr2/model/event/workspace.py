"""Events about the workspace itself."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class MaterializedRepo:
    """A repo that got a checkout; `first_materialize` when it had none before."""

    repo: str
    first_materialize: bool


@dataclass(frozen=True, kw_only=True)
class WorkspaceMaterialized(Event):
    """Checkouts were made."""

    TYPE: ClassVar[str] = "workspace.materialized"
    ITEMS: ClassVar[frozenset[str]] = frozenset({"repos"})

    repos: tuple[MaterializedRepo, ...]


@dataclass(frozen=True, kw_only=True)
class WorkspaceFileProjected(Event):
    """A file of a repo was linked or copied to its place in the workspace."""

    TYPE: ClassVar[str] = "workspace.file_projected"

    repo: str
    kind: str
    src: str
    dest: str
