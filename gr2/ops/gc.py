"""`gc`: removes only what is provably unneeded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from gr2.edges.files import remove_tree
from gr2.edges.git import Place
from gr2.errors import Gr2Error
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.ops.checkouts import all_checkouts
from gr2.ops.doctor_checks import dead_temporaries
from gr2.ops.lane_leave import recover
from gr2.ops.mutation import mutation
from gr2.session import Session
from gr2.store.saved import KEPT_DAYS, Saved, SavedKind, SavedState, all_saved, remove_saved, trash_path
from gr2.store.saved_files import drop_files
from gr2.store.saved_work import SavedWork
from gr2.store.snapshot import PIN, unpin

_LOGS = ".grip/state/logs"
_HOOK_OUTPUT = ".grip/events/hook_output"


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Something that is gone, or (`--dry-run`) would go. kind: temporary, saved, rebased, log or hook_output."""

    kind: str
    path: str
    saved_id: str = ""


@dataclass(frozen=True, kw_only=True)
class GcResult(MutationResult):
    """What was removed; with `dry_run`, what would be."""

    removed: tuple[Removed, ...] = ()
    dry_run: bool = False


def gc(session: Session, *, dry_run: bool = False) -> GcResult:
    """Remove what killed operations left, saved work older than 30 days, branches as they were before a sync rebased
    them so long ago, and old logs. Never a stash that waits. What a killed operation began in a checkout is undone or
    finished first.

    With `dry_run` nothing is written. Raises what every mutating command raises before it starts.
    """
    if dry_run:
        return GcResult(status=Status.READY, removed=tuple(found for found, _ in _unneeded(session)), dry_run=True)
    temporaries = [Removed(kind="temporary", path=path) for path in dead_temporaries(session)]
    with mutation(session, "gc", markers=False, constraints=False) as run:
        # The frame has removed what killed operations left.
        removed = [item for item in temporaries if not os.path.lexists(session.layout.at(item.path))]
        issues = [*recover(run.session, all_checkouts(run.session))]
        for item, remove in _unneeded(run.session):
            if item.kind == "temporary":
                continue
            try:
                remove()
            except Gr2Error as error:
                issues.append(Issue.from_error(error, blocking=False))
                continue
            removed.append(item)
        status = Status.ATTENTION if issues else Status.SUCCESS
        return GcResult(status=status, issues=tuple(issues), operation_id=run.operation_id, removed=tuple(removed))


def _unneeded(session: Session) -> Iterator[tuple[Removed, Callable[[], object]]]:
    for path in dead_temporaries(session):
        yield Removed(kind="temporary", path=path), partial(remove_tree, path)
    for saved in all_saved(session.layout)[0]:
        if _is_expired(session, saved):
            item = Removed(kind="saved", path=saved.path, saved_id=saved.id)
            yield item, partial(_forget, session, saved)
    yield from _rebased(session)
    yield from _old_files(session, "log", _LOGS)
    yield from _old_files(session, "hook_output", _HOOK_OUTPUT)


def _rebased(session: Session) -> Iterator[tuple[Removed, Callable[[], object]]]:
    """The refs that keep a branch as it was before a sync rebased it, by the name of the operation."""
    for checkout in all_checkouts(session):
        place = Place.checkout(session.layout.at(checkout.path))
        folder = os.path.join(place.git_dir, PIN)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.startswith("op_") and _is_old(session, os.path.join(folder, name)):
                yield Removed(kind="rebased", path=checkout.path), partial(unpin, session.git, place, name)


def _is_old(session: Session, path: str) -> bool:
    limit = session.clock.now().astimezone(UTC) - timedelta(days=KEPT_DAYS)
    return datetime.fromtimestamp(os.lstat(path).st_mtime, UTC) < limit


def _is_expired(session: Session, saved: Saved) -> bool:
    """Whether its time is over: 30 days since it was saved, or since it was restored or dropped."""
    if saved.state is SavedState.SAVING or (saved.kind is SavedKind.STASH and saved.is_waiting):
        return False
    if saved.kind is SavedKind.ARCHIVE and holds_stash(trash_path(session.layout, saved.id)):
        return False
    try:
        since = datetime.fromisoformat(saved.ended_at or saved.created_at)
    except ValueError:
        return False
    return session.clock.now() - since > timedelta(days=KEPT_DAYS)


def holds_stash(folder: str) -> bool:
    """Whether a checkout below `folder` has a stash entry: a stash is never dropped, also not with its lane."""
    for place, names, _ in os.walk(folder):
        if ".git" in names:
            if os.path.exists(os.path.join(place, ".git/refs/stash")):
                return True
            names.clear()
    return False


def _forget(session: Session, saved: Saved) -> None:
    if saved.in_checkout and saved.state is not SavedState.DROPPED:
        SavedWork(session).drop(saved.id, forget=True)
        return
    if not saved.in_checkout:
        drop_files(session, saved)
    remove_saved(session.layout, saved.id)


def _old_files(session: Session, kind: str, folder: str) -> Iterator[tuple[Removed, Callable[[], object]]]:
    top = session.layout.at(folder)
    for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
        path = os.path.join(top, name)
        if _is_old(session, path):
            yield Removed(kind=kind, path=f"{folder}/{name}"), partial(remove_tree, path)
