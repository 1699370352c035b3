"""Failures that wait for a person's decision: `failures list|resolve`, also `lane resolve` (contract, page 1)."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.edges.clock import timestamp
from gr2.errors import Blocked
from gr2.model.event.failure import FailureResolved
from gr2.model.outcome import Issue, MutationResult, Result, Status
from gr2.model.records import dataclass
from gr2.ops.context import unknown
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.failures import (
    Marker,
    all_markers,
    for_checkout,
    for_lane,
    marker_path,
    read_marker,
    unresolved,
    write_marker,
)
from gr2.store.hook_state import count_once


@dataclass(frozen=True, kw_only=True)
class FailuresListResult(Result):
    """The markers, oldest failure first; `attention` while one of them blocks."""

    failures: tuple[Marker, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FailuresResolveResult(MutationResult):
    """The marker as it is now, after those of earlier failures of the same that were decided with it."""

    failures: tuple[Marker, ...] = ()


def failures_list(session: Session, *, all_: bool = False) -> FailuresListResult:
    """The failures that wait for a decision, with `all_` also those that had one."""
    markers, broken = all_markers(session.layout)
    shown = tuple(marker for marker in markers if all_ or marker.resolved is None)
    issues = tuple(Issue.from_error(error, blocking=False) for error in broken)
    waiting = any(marker.resolved is None for marker in shown)
    status = Status.ATTENTION if issues or waiting else Status.OK
    return FailuresListResult(status=status, issues=issues, failures=shown)


def failures_resolve(session: Session, operation_id: str, *, resolution: str) -> FailuresResolveResult:
    """Decide about the failure of `operation_id`: `retry` clears it, `skip` clears it and counts the hook as completed
    once, `escalate` leaves it blocking for somebody else to decide. What clears it clears earlier failures of the same
    hook in the same checkout: those of the tries before.

    Deciding the same again changes nothing. Raises Invalid `unknown_operation`, Blocked `already_resolved`.
    """
    marker = _find(session, operation_id)
    unit, lane = marker.owner_unit, marker.lane_name
    with mutation(session, "failures.resolve", unit=unit, lane=lane, markers=False) as run:
        marker = _find(session, operation_id)
        decided = [marker]
        if not _is_decided(marker, resolution):
            if resolution == "skip":
                _count_hook(session, marker)
            # The one that was named comes last: as long as it is open, the same command finishes what was begun.
            same = [] if resolution == "escalate" else _same(session, marker)
            decided = [_decide(run, each, resolution) for each in (*same, marker)]
        return FailuresResolveResult(status=Status.SUCCESS, operation_id=run.operation_id, failures=tuple(decided))


def resolve_retried(run: Mutation, *, unit: str = "", lane: str = "", repos: Iterable[str] = ()) -> None:
    """Resolve what the success of `run` makes good: the markers of the same command on this lane, or outside lanes on
    the checkouts of `repos` in `unit`. For mutating ops to call when they succeeded."""
    layout = run.session.layout
    if lane:
        found = for_lane(layout, unit, lane)
    else:
        found = [marker for repo in repos for marker in for_checkout(layout, unit, repo)]
    for marker in found:
        if marker.operation == run.command:
            _decide(run, marker, "retry")


def _find(session: Session, operation_id: str) -> Marker:
    marker = read_marker(session.layout, operation_id)
    if marker is None:
        known = [marker.operation_id for marker in all_markers(session.layout)[0]]
        raise unknown("operation", operation_id, known, hint="gr2 failures list")
    return marker


def _same(session: Session, marker: Marker) -> list[Marker]:
    return [
        other
        for other in unresolved(session.layout)
        if other.what == marker.what and other.operation_id != marker.operation_id
    ]


def _is_decided(marker: Marker, resolution: str) -> bool:
    if marker.resolved is None:
        return resolution == "escalate" and marker.escalated is not None
    if marker.resolved["resolution"] == resolution:
        return True
    raise Blocked(
        "already_resolved",
        f"{marker.operation_id} was resolved by {marker.resolved['by']}: {marker.resolved['resolution']}",
        subject=marker.operation_id,
        hint="gr2 failures list --all",
        details={"resolved": dict(marker.resolved)},
    )


def _decide(run: Mutation, marker: Marker, resolution: str) -> Marker:
    session = run.session
    decided = marker.with_resolution(at=timestamp(session.clock.now()), by=session.actor, resolution=resolution)
    event = FailureResolved(
        operation_id=marker.operation_id,
        resolved_by=session.actor,
        resolution=resolution,
        lane_name=marker.lane_name,
    )
    said = decided.escalated if resolution == "escalate" else decided.resolved
    assert said is not None
    path = marker_path(session.layout, marker.operation_id)
    run.announce(event, unit=marker.owner_unit, path=path, text=f'"at": "{said["at"]}"')
    write_marker(session.layout, decided)
    run.settle()
    return decided


def _count_hook(session: Session, marker: Marker) -> None:
    if not marker.hook_name:
        return
    layout, repo = session.layout, session.spec.repo(marker.repo)
    unit = session.spec.unit(marker.owner_unit) if marker.owner_unit else None
    if unit is None and repo is None:
        return
    if unit is None:
        assert repo is not None
        path = layout.shared_checkout(repo.path)
    elif marker.lane_name:
        path = layout.lane_checkout(unit.path, marker.lane_name, marker.repo)
    else:
        path = layout.unit_checkout(unit.path, marker.repo)
    count_once(layout, layout.relative(path), stage=marker.stage, hook_name=marker.hook_name)
