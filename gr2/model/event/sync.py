"""Events about bringing mirrors and checkouts up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class SyncStarted(Event):
    """A sync begins; also of one that is then blocked."""

    TYPE: ClassVar[str] = "sync.started"

    repos: tuple[str, ...]
    strategy: str
    dirty: str


@dataclass(frozen=True, kw_only=True)
class SyncCacheSeeded(Event):
    """A repo's mirror was made."""

    TYPE: ClassVar[str] = "sync.cache_seeded"

    repo: str
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class SyncCacheRefreshed(Event):
    """A repo's mirror was fetched, and a ref moved."""

    TYPE: ClassVar[str] = "sync.cache_refreshed"

    repo: str
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class SyncRepoUpdated(Event):
    """A checkout's branch moved from `old_sha` to `new_sha`."""

    TYPE: ClassVar[str] = "sync.repo_updated"

    repo: str
    scope: str
    lane_name: str
    branch: str
    old_sha: str
    new_sha: str
    strategy: str
    commits_pulled: int


@dataclass(frozen=True, kw_only=True)
class SyncRepoSkipped(Event):
    """A checkout was left alone, for `reason`; with reason `dirty_discarded` it was updated and `discarded_files`
    tells what was discarded before."""

    TYPE: ClassVar[str] = "sync.repo_skipped"
    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"discarded_files"})

    repo: str
    scope: str
    lane_name: str
    reason: str
    discarded_files: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class SyncConflict(Event):
    """Something stood in a sync's way. Which fields are there depends on `reason`: rebase_conflict and merge_conflict
    have `repo`, `lane_name`, `conflicting_files`; lease_conflict `lane_name`, `lease`; workspace_locked `holder`."""

    TYPE: ClassVar[str] = "sync.conflict"
    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"repo", "lane_name", "conflicting_files", "lease", "holder"})

    reason: str
    repo: str | None = None
    lane_name: str | None = None
    conflicting_files: tuple[str, ...] | None = None
    lease: Mapping[str, Any] | None = None
    holder: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class SyncCompleted(Event):
    """A sync is over: the only terminal event of a sync. The three counts are numbers of repos."""

    TYPE: ClassVar[str] = "sync.completed"

    status: str
    repos_updated: int
    repos_skipped: int
    repos_failed: int
    duration_ms: int
