"""`lane archive`: a finished lane goes to the trash, and its name is free (contract, page 3)."""

from __future__ import annotations

import os

from gr2.edges.locks import FileLock, LockTimeout
from gr2.model.event.lane import LaneArchived
from gr2.model.lane import Lane
from gr2.model.lease_terms import EDIT
from gr2.model.outcome import MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import lane_named, split_lane, unknown
from gr2.ops.lane_exit import record_left, unit_lock
from gr2.ops.lane_kept import kept_only_here
from gr2.ops.lane_leave import Left, blocked, failed, recover
from gr2.ops.lane_view import LaneView, view_with
from gr2.ops.lease import guard, retire
from gr2.ops.lease_grant import open_book, refuse
from gr2.ops.materialize import refuse_links
from gr2.ops.mutation import Mutation, locked_error, mutation
from gr2.session import Session
from gr2.store.lanes import LANE_FILE, current_lane, has_lane, lane_names, read_lane
from gr2.store.saved import Saved, SavedKind, all_saved, trash_path
from gr2.store.saved_files import archive_tree, finish_archives


@dataclass(frozen=True, kw_only=True)
class LaneArchiveResult(MutationResult):
    """Where the lane went. `lane` is how it was, None when it had been archived before; `saved_id` brings it back."""

    owner_unit: str
    lane_name: str
    saved_id: str
    lane: LaneView | None = None


def lane_archive(session: Session, lane: str = "", *, reason: str = "", force: bool = False) -> LaneArchiveResult:
    """Move the lane's checkouts, ignored files included, to the trash. `force`: also when there is work that is
    nowhere else, which then is in the trash only.

    Raises Blocked `dirty_lane_repo`, `unpushed_work`, `saved_work`, `operation_in_progress`, `lease_conflict`,
    `lease_lost`: then nothing is changed.
    """
    before = _gone(session, lane)
    unit, name = (before[0], before[1].lane) if before is not None else lane_named(session, lane)
    with (
        mutation(session, "lane.archive", unit=unit.name, lane=name) as run,
        unit_locked(run, unit),
    ):
        finish_archives(run.session, unit=unit.name, lane=name)
        found = read_lane(session.layout, unit, name)
        if found is None:
            return _again(run, unit, name)
        with guard(run.session, unit.name, name) as fence:
            checkouts = lane_checkouts(unit, found)
            recover(run.session, checkouts)
            rows, unreadable = inspect(run.session, checkouts)
            if not force:
                if unreadable:
                    raise failed(unreadable)
                issues = kept_only_here(run.session, unit, found, rows)
                if issues:
                    raise blocked(issues)
            view = view_with(run.session, unit, found, rows)
            fence.recheck()
            saved = _archive(run, unit, found, reason)
        return LaneArchiveResult(
            status=Status.SUCCESS,
            operation_id=run.operation_id,
            owner_unit=unit.name,
            lane_name=name,
            saved_id=saved.id,
            lane=view,
        )


def _gone(session: Session, lane: str) -> tuple[Unit, Saved] | None:
    """The record of the lane called `lane` when there is none any more, but was one that was archived."""
    if not lane:
        return None
    unit, name = split_lane(session, lane)
    saved = None if has_lane(session.layout, unit, name) else archived(session, unit, name)
    return (unit, saved) if saved is not None else None


def archived(session: Session, unit: Unit, name: str) -> Saved | None:
    """The newest record of an archived lane, restored since or not."""
    path = f"{unit.path}/lanes/{name}"
    found = [
        saved
        for saved in all_saved(session.layout)[0]
        if saved.kind is SavedKind.ARCHIVE and (saved.unit, saved.lane, saved.path) == (unit.name, name, path)
    ]
    return found[-1] if found else None


def _again(run: Mutation, unit: Unit, name: str) -> LaneArchiveResult:
    """The lane is gone already: see that nothing of a killed archiving is left."""
    saved = archived(run.session, unit, name)
    if saved is None:
        raise unknown("lane", name, lane_names(run.session.layout, unit), hint=f"gr2 lane list --unit {unit.name}")
    _remove_empty_folders(run.session, unit, name)
    return LaneArchiveResult(
        status=Status.SUCCESS,
        operation_id=run.operation_id,
        owner_unit=unit.name,
        lane_name=name,
        saved_id=saved.id,
    )


class unit_locked:
    """Nobody enters or leaves a lane of the unit meanwhile."""

    def __init__(self, run: Mutation, unit: Unit) -> None:
        session = run.session
        self._wait = session.wait_seconds
        self._lock = FileLock(session.layout.lock(unit_lock(unit)), wait=self._wait, pause=session.clock.sleep)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except LockTimeout as error:
            raise locked_error(error, self._wait) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _archive(run: Mutation, unit: Unit, lane: Lane, reason: str) -> Saved:
    """The rename to the trash is the commit; whatever goes with it comes before, so that a lane made again under the
    name inherits nothing."""
    session = run.session
    path = f"{unit.path}/lanes/{lane.name}"
    refuse_links(session.root, path)
    saved_id = session.ids.saved()
    with open_book(run, unit.name, lane.name) as book:
        refuse(session, book.table, EDIT)
        if current_lane(session.layout, unit.name) == lane.name:
            record_left(run, unit, lane.name, Left(), to_lane="")
        retire(run, book)
        event = LaneArchived(lane_name=lane.name, reason=reason)
        moved = os.path.join(trash_path(session.layout, saved_id), f"0-{os.path.basename(path)}", LANE_FILE)
        run.announce(event, unit=unit.name, path=moved, text="lane_name")
        saved = archive_tree(
            session,
            [path],
            path=path,
            unit=unit.name,
            lane=lane.name,
            operation_id=run.operation_id,
            files=lane.repos,
            saved_id=saved_id,
        )
    run.settle()
    _remove_empty_folders(session, unit, lane.name)
    return saved


def _remove_empty_folders(session: Session, unit: Unit, name: str) -> None:
    """The folders of a name like `feat/x`, as far as no other lane is in them."""
    parts = name.split("/")[:-1]
    while parts:
        try:
            os.rmdir(session.layout.lane(unit.path, "/".join(parts)))
        except OSError:
            return
        parts.pop()
