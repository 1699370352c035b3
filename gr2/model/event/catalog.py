"""All event types by name, and where their classes are. Nothing is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from gr2.model.event.base import Event

CATALOG: Mapping[str, str] = {
    "lane.created": "lane:LaneCreated",
    "lane.entered": "lane:LaneEntered",
    "lane.exited": "lane:LaneExited",
    "lane.switched": "lane:LaneSwitched",
    "lane.archived": "lane:LaneArchived",
    "lane.frozen": "lane:LaneFrozen",
    "lane.unfrozen": "lane:LaneUnfrozen",
    "lease.acquired": "lease:LeaseAcquired",
    "lease.renewed": "lease:LeaseRenewed",
    "lease.released": "lease:LeaseReleased",
    "lease.expired": "lease:LeaseExpired",
    "lease.reclaimed": "lease:LeaseReclaimed",
    "lease.force_broken": "lease:LeaseForceBroken",
    "hook.started": "hook:HookStarted",
    "hook.completed": "hook:HookCompleted",
    "hook.failed": "hook:HookFailed",
    "hook.skipped": "hook:HookSkipped",
    "exec.started": "execution:ExecStarted",
    "exec.completed": "execution:ExecCompleted",
    "exec.failed": "execution:ExecFailed",
    "sync.started": "sync:SyncStarted",
    "sync.cache_seeded": "sync:SyncCacheSeeded",
    "sync.cache_refreshed": "sync:SyncCacheRefreshed",
    "sync.repo_updated": "sync:SyncRepoUpdated",
    "sync.repo_skipped": "sync:SyncRepoSkipped",
    "sync.conflict": "sync:SyncConflict",
    "sync.completed": "sync:SyncCompleted",
    "pr.created": "pr:PrCreated",
    "pr.status_changed": "pr:PrStatusChanged",
    "pr.checks_passed": "pr:PrChecksPassed",
    "pr.checks_failed": "pr:PrChecksFailed",
    "pr.review_submitted": "pr:PrReviewSubmitted",
    "pr.merged": "pr:PrMerged",
    "pr.merge_failed": "pr:PrMergeFailed",
    "failure.resolved": "failure:FailureResolved",
    "workspace.materialized": "workspace:WorkspaceMaterialized",
    "workspace.file_projected": "workspace:WorkspaceFileProjected",
    "gate.passed": "gate:GatePassed",
    "gate.failed": "gate:GateFailed",
}


def event_class(type_name: str) -> type[Event] | None:
    """The class of the events called `type_name`, None for a type this gr2 does not know."""
    reference = CATALOG.get(type_name)
    if reference is None:
        return None
    module, _, name = reference.partition(":")
    found: type[Event] = getattr(import_module(f"gr2.model.event.{module}"), name)
    return found
