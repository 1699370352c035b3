"""Failures that wait for a person's decision: `failures list|resolve`, also `lane resolve` (contract, page 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gr2.edges.clock import timestamp
from gr2.errors import Blocked
from gr2.model.event.failure import FailureResolved
from gr2.model.hooks import Hook
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
    read_markers,
    unresolved,
    write_markers,
)
from gr2.store.hook_state import count_once


@dataclass(frozen=True, kw_only=True)
class FailuresListResult(Result):
    """The markers, oldest failure first; `attention` while one of them blocks."""

    failures: tuple[Marker, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FailuresResolveResult(MutationResult):
    """The operation's markers as they are now, after those of earlier failures of the same that were decided with
    them."""

    failures: tuple[Marker, ...] = ()


def failures_list(session: Session, *, all_: bool = False) -> FailuresListResult:
    """The failures that wait for a decision, with `all_` also those that had one; with `--unit` that unit's."""
    markers, broken = all_markers(session.layout)
    unit = session.asked.unit
    markers = [marker for marker in markers if unit in {"", marker.owner_unit}]
    shown = tuple(marker for marker in markers if all_ or marker.resolved is None)
    issues = tuple(Issue.from_error(error, blocking=False) for error in broken)
    waiting = any(marker.resolved is None for marker in shown)
    status = Status.ATTENTION if issues or waiting else Status.OK
    return FailuresListResult(status=status, issues=issues, failures=shown)


def failures_resolve(session: Session, operation_id: str, *, resolution: str) -> FailuresResolveResult:
    """Decide about the failure of `operation_id`: `retry` clears it, `skip` clears it and counts the hook as completed
    once, `escalate` leaves it blocking for somebody else to decide. What clears it clears earlier failures of the same
    hook in the same checkout: those of the tries before. All that failed in the operation and waits is decided at once.

    Deciding the same again changes nothing. Raises Invalid `unknown_operation`, Blocked `already_resolved`.
    """
    first = _find(session, operation_id)[0]
    with mutation(session, "failures.resolve", unit=first.owner_unit, lane=first.lane_name, markers=False) as run:
        waiting = _waiting(_find(session, operation_id), resolution)
        decided: list[Marker] = []
        if waiting:
            if resolution == "skip":
                for marker in waiting:
                    _count_hook(session, marker)
            # Those that were named come last: as long as they are open, the same command finishes what was begun.
            same = [] if resolution == "escalate" else _same(session, waiting)
            decided = _decide(run, same, resolution)
            _decide(run, waiting, resolution)
        failures = (*decided, *_find(session, operation_id))
        return FailuresResolveResult(status=Status.SUCCESS, operation_id=run.operation_id, failures=failures)


def resolve_retried(
    run: Mutation, *, unit: str = "", lane: str = "", repos: Iterable[str] = (), hook: Hook | None = None
) -> None:
    """Resolve what the success of `run` makes good: the markers of the same command on this lane (with `repos` only
    theirs), or outside lanes on the checkouts of `repos` in `unit`; with `hook` only those of that hook. For mutating
    ops to call when they succeeded."""
    layout, names = run.session.layout, tuple(repos)
    if lane:
        found = [marker for marker in for_lane(layout, unit, lane) if not names or marker.repo in names]
    else:
        found = [marker for repo in names for marker in for_checkout(layout, unit, repo)]
    if hook is not None:
        found = [marker for marker in found if (marker.stage, marker.hook_name) == (hook.stage, hook.name)]
    _decide(run, [marker for marker in found if marker.operation == run.command], "retry")


def _find(session: Session, operation_id: str) -> Sequence[Marker]:
    markers = read_markers(session.layout, operation_id)
    if not markers:
        known = [marker.operation_id for marker in all_markers(session.layout)[0]]
        raise unknown("operation", operation_id, known, hint="gr2 failures list")
    return markers


def _same(session: Session, markers: Sequence[Marker]) -> list[Marker]:
    what, named = {marker.what for marker in markers}, markers[0].operation_id
    return [other for other in unresolved(session.layout) if other.what in what and other.operation_id != named]


def _waiting(markers: Sequence[Marker], resolution: str) -> list[Marker]:
    """Those of an operation that are still to be decided this way. Raises Blocked `already_resolved`."""
    waiting = [marker for marker in markers if marker.resolved is None]
    if waiting:
        return [marker for marker in waiting if not _is_decided(marker, resolution)]
    resolved = [marker.resolved for marker in markers if marker.resolved is not None]
    if any(each["resolution"] == resolution for each in resolved):
        return []
    operation_id, first = markers[0].operation_id, resolved[0]
    raise Blocked(
        "already_resolved",
        f"{operation_id} was resolved by {first['by']}: {first['resolution']}",
        subject=operation_id,
        hint="gr2 failures list --all",
        details={"resolved": dict(first)},
    )


def _is_decided(marker: Marker, resolution: str) -> bool:
    return marker.resolved is not None or (resolution == "escalate" and marker.escalated is not None)


def _decide(run: Mutation, markers: Iterable[Marker], resolution: str) -> list[Marker]:
    """Write what was decided about `markers`, one operation after the other."""
    by_operation: dict[str, list[Marker]] = {}
    for marker in markers:
        by_operation.setdefault(marker.operation_id, []).append(marker)
    return [decided for some in by_operation.values() for decided in _decide_operation(run, some, resolution)]


def _decide_operation(run: Mutation, markers: Sequence[Marker], resolution: str) -> list[Marker]:
    session, operation_id = run.session, markers[0].operation_id
    at = timestamp(session.clock.now())
    decided = [marker.with_resolution(at=at, by=session.actor, resolution=resolution) for marker in markers]
    path = marker_path(session.layout, operation_id)
    for unit, lane in _settled(session, markers, resolution):
        event = FailureResolved(
            operation_id=operation_id, resolved_by=session.actor, resolution=resolution, lane_name=lane
        )
        run.announce(event, unit=unit, path=path, text=f'"at": "{at}"')
    write_markers(session.layout, decided)
    run.settle()
    return decided


def _settled(session: Session, markers: Sequence[Marker], resolution: str) -> list[tuple[str, str]]:
    """The units and lanes where nothing of the operation waits once `markers` are decided: the event names no repo, so
    that it says all of it is."""
    what = {marker.what for marker in markers}
    others = (marker for marker in read_markers(session.layout, markers[0].operation_id) if marker.what not in what)
    waiting = {(other.owner_unit, other.lane_name) for other in others if not _is_decided(other, resolution)}
    places = dict.fromkeys((marker.owner_unit, marker.lane_name) for marker in markers)
    return [place for place in places if place not in waiting]


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
