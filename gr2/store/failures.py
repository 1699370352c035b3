"""Failure markers: `.grip/state/failures/<operation_id>.json`, a file for each operation that a person must decide on.

A marker blocks other mutating commands on the same lane (outside lanes: the same checkout) until it is resolved. The
file stays after that (contract, page 1). Hooks run side by side, so that one operation may fail in several places: its
file holds a marker for each, the further ones under `others`, and each is resolved for itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

VERSION = 1
RESOLUTIONS = ("retry", "skip", "escalate")
_TEXTS = ("stage", "hook_name", "repo", "owner_unit", "lane_name", "failed_at", "event_id")
_OPERATION_ID = re.compile(r"op_[0-9a-f]{12}").fullmatch


@dataclass(frozen=True, kw_only=True)
class PartialState:
    """How far the operation had come: names of repos."""

    repos_completed: tuple[str, ...] = ()
    repos_pending: tuple[str, ...] = ()
    repos_failed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A failure in one place that waits for a decision, or had one. `partial_state` is the operation's.

    `operation` is as in "lane.enter"; `stage` and `hook_name` are "" when no hook failed; `owner_unit` is "" for a
    shared checkout, `lane_name` outside lanes; `event_id` is that of the hook.failed event, or "". `resolved` is
    {at, by, resolution}, `escalated` {at, by}.
    """

    version: int = VERSION
    operation_id: str
    operation: str
    stage: str = ""
    hook_name: str = ""
    repo: str
    owner_unit: str = ""
    lane_name: str = ""
    failed_at: str
    event_id: str = ""
    partial_state: PartialState = field(default_factory=PartialState)
    resolved: Mapping[str, str] | None = None
    escalated: Mapping[str, str] | None = None

    def with_resolution(self, *, at: str, by: str, resolution: str) -> Marker:
        """The same marker, decided: `escalate` keeps it blocking."""
        if resolution == "escalate":
            return replace(self, escalated={"at": at, "by": by})
        return replace(self, resolved={"at": at, "by": by, "resolution": resolution})

    @property
    def what(self) -> tuple[str, ...]:
        """What failed and where: equal for two failures of the same hook in the same checkout."""
        return self.operation, self.stage, self.hook_name, self.repo, self.owner_unit, self.lane_name


def marker_path(layout: Layout, operation_id: str) -> str:
    """Where the marker of an operation is."""
    return os.path.join(layout.failures, f"{operation_id}.json")


def write_marker(layout: Layout, marker: Marker) -> None:
    """Add `marker` to those of its operation, in place of the one about the same failure."""
    write_markers(layout, [marker])


def write_markers(layout: Layout, markers: Sequence[Marker]) -> None:
    """Add `markers`, all of one operation, to what is known of it; with one rename."""
    with _lock(layout):
        try:
            known = read_markers(layout, markers[0].operation_id)
        except Failed:
            known = ()
        found = {marker.what: marker for marker in (*known, *markers)}
        _write(layout, list(found.values()), _partial(known, markers))


def note_partial(layout: Layout, operation_id: str, partial: PartialState) -> None:
    """Say how far the operation came in the end."""
    with _lock(layout):
        known = read_markers(layout, operation_id)
        if known:
            _write(layout, known, partial)


@contextmanager
def _lock(layout: Layout) -> Iterator[None]:
    """Hooks of one operation may fail at once, each in its thread."""
    try:
        with FileLock(layout.lock("failures"), wait=10.0):
            yield
    except LockTimeout as error:
        raise Failed("state_locked", "another gr2 notes failures", hint="run the same command again") from error


def _partial(known: Sequence[Marker], markers: Sequence[Marker]) -> PartialState:
    """What the last one says, but for the repos that others say failed."""
    failed = dict.fromkeys(repo for marker in (*known, *markers) for repo in marker.partial_state.repos_failed)
    last = markers[-1].partial_state
    return PartialState(
        repos_completed=tuple(repo for repo in last.repos_completed if repo not in failed),
        repos_pending=tuple(repo for repo in last.repos_pending if repo not in failed),
        repos_failed=tuple(failed),
    )


def _write(layout: Layout, markers: Sequence[Marker], partial: PartialState) -> None:
    # One that blocks comes first: whoever looks no further must not take the operation for resolved.
    first, *others = sorted(markers, key=lambda marker: marker.resolved is not None)
    said = {
        "operation_id": first.operation_id,
        "operation": first.operation,
        **{name: getattr(first, name) for name in _TEXTS},
        "partial_state": vars(partial),
        **_decision(first),
    }
    if others:
        said["others"] = [{**{name: getattr(each, name) for name in _TEXTS}, **_decision(each)} for each in others]
    write_state(marker_path(layout, first.operation_id), said, version=VERSION)


def _decision(marker: Marker) -> dict[str, Any]:
    escalated = {} if marker.escalated is None else {"escalated": marker.escalated}
    return {"resolved": marker.resolved, **escalated}


def read_markers(layout: Layout, operation_id: str) -> tuple[Marker, ...]:
    """The markers of an operation, those that block first. Raises Failed `state_unreadable`."""
    if not _OPERATION_ID(operation_id):
        return ()
    found = read_state(marker_path(layout, operation_id), version=VERSION)
    if found is None:
        return ()
    try:
        shared = {name: found.get(name) for name in ("version", "operation", "partial_state")}
        return tuple(_marker({**each, **shared}, operation_id) for each in (found, *found.get("others", ())))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        path = marker_path(layout, operation_id)
        raise Failed("state_unreadable", f"{path} is not a failure marker", hint="gr2 doctor") from error


def _marker(found: Mapping[str, Any], operation_id: str) -> Marker:
    partial = found.get("partial_state") or {}
    return Marker(
        version=found["version"],
        operation_id=operation_id,
        operation=str(found.get("operation") or ""),
        partial_state=PartialState(
            **{name: tuple(map(str, partial.get(name, ()))) for name in PartialState.__dataclass_fields__}
        ),
        resolved={key: found["resolved"][key] for key in ("resolution", "by", "at")} if found.get("resolved") else None,
        escalated=dict(found["escalated"]) if found.get("escalated") else None,
        **{name: str(found.get(name, "")) for name in _TEXTS},
    )


def all_markers(layout: Layout) -> tuple[list[Marker], list[Gr2Error]]:
    """Every marker, oldest failure first, and what could not be read."""
    try:
        names = sorted(os.listdir(layout.failures))
    except FileNotFoundError:
        return [], []
    markers: list[Marker] = []
    broken: list[Gr2Error] = []
    for name in names:
        try:
            markers += read_markers(layout, name.removesuffix(".json"))
        except Gr2Error as error:
            broken.append(error)
    return sorted(markers, key=lambda marker: (marker.failed_at, marker.operation_id)), broken


def unresolved(layout: Layout) -> list[Marker]:
    """The markers that still block something, oldest first."""
    return [marker for marker in all_markers(layout)[0] if marker.resolved is None]


def for_lane(layout: Layout, unit: str, lane: str) -> list[Marker]:
    """The markers that block the lane `lane` of `unit`."""
    return [marker for marker in unresolved(layout) if (marker.owner_unit, marker.lane_name) == (unit, lane)]


def for_checkout(layout: Layout, unit: str, repo: str) -> list[Marker]:
    """The markers that block a checkout outside lanes: that of `repo` in `unit`, the shared one when `unit` is ""."""
    found = unresolved(layout)
    return [marker for marker in found if (marker.owner_unit, marker.lane_name, marker.repo) == (unit, "", repo)]


def blocking_marker(layout: Layout, *, command: str, unit: str, lane: str) -> Blocked | None:
    """Why the command `command` may not change this lane, or None. The command that failed may be tried again.

    Outside lanes (`lane` is "") nothing blocks as a whole: ask `blocking_checkout` for each checkout.
    """
    if not lane:
        return None
    return _refusal(marker for marker in for_lane(layout, unit, lane) if marker.operation != command)


def blocking_checkout(layout: Layout, *, command: str, unit: str, repo: str) -> Blocked | None:
    """Why the command `command` may not change this checkout outside lanes, or None."""
    return _refusal(marker for marker in for_checkout(layout, unit, repo) if marker.operation != command)


def blocking_run(
    layout: Layout, *, command: str, stage: str, hook_name: str, repo: str, unit: str, lane: str
) -> Blocked | None:
    """Why the command `command`, which runs one hook, may not run this one, or None: only what failed may be tried
    again."""
    found = for_lane(layout, unit, lane) if lane else for_checkout(layout, unit, repo)
    what = (command, stage, hook_name, repo, unit, lane)
    return _refusal(marker for marker in found if marker.what != what)


def _refusal(markers: Iterable[Marker]) -> Blocked | None:
    marker = next(iter(markers), None)
    if marker is None:
        return None
    what = f"hook {marker.hook_name} of {marker.repo}" if marker.hook_name else f"repo {marker.repo}"
    where = f"{marker.owner_unit}/{marker.lane_name}" if marker.lane_name else marker.repo
    return Blocked(
        "unresolved_failure",
        f"{what} failed in {marker.operation}, and nobody has decided what to do about it",
        scope="lane" if marker.lane_name else "repo",
        subject=where,
        hint=f"run the failed command again, or gr2 failures resolve {marker.operation_id} --resolution skip",
        details={
            "operation_id": marker.operation_id,
            "operation": marker.operation,
            "stage": marker.stage,
            "hook_name": marker.hook_name,
            "repo": marker.repo,
            "escalated": marker.escalated is not None,
        },
    )
