"""Events about the workspace itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypedDict

from gr2.model.event.base import Event


class MaterializedRepo(TypedDict):
    """A repo that got a checkout; `first_materialize` when it had none before."""

    repo: str
    first_materialize: bool


@dataclass(frozen=True, kw_only=True)
class WorkspaceMaterialized(Event):
    """Checkouts were made."""

    TYPE: ClassVar[str] = "workspace.materialized"

    repos: tuple[MaterializedRepo, ...]


@dataclass(frozen=True, kw_only=True)
class WorkspaceFileProjected(Event):
    """A file of a repo was linked or copied to its place in the workspace."""

    TYPE: ClassVar[str] = "workspace.file_projected"

    repo: str
    kind: str
    src: str
    dest: str
