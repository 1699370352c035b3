"""Puts a checkout's uncommitted work away, exactly, and back: what every dirty strategy stands on."""

from __future__ import annotations

import os
from typing import Literal, Protocol

from gr2.edges.clock import timestamp
from gr2.edges.files import failed_write, is_inside, remove_tree
from gr2.edges.git import Git, GitError, Place
from gr2.edges.git.blobs import write_blobs
from gr2.edges.git.refs import read_refs
from gr2.edges.git.status import in_progress
from gr2.edges.git.work import Work, find_work
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hints import git_at
from gr2.model.outcome import Issue
from gr2.store.journal import CheckoutChange, checkout_change, needs_recovery
from gr2.store.restore_plan import RestoreConflict, plan_restore
from gr2.store.saved import (
    Doors,
    Saved,
    SavedKind,
    SavedState,
    find_saved,
    live_saved,
    read_saved,
    remove_saved,
    set_state,
    write_saved,
)
from gr2.store.snapshot import PIN, Snapshot, capture, drop_stash, load, pin, push_stash, rows_of, unpin
from gr2.store.undo import finish_restore
from gr2.store.worktree import put_back, take_away


class DirtyPlace(Protocol):
    """The checkout whose work is meant, as `DirtyCheckout` has it: an absolute path, and what to call the work."""

    @property
    def path(self) -> str: ...
    @property
    def repo(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def files(self) -> tuple[str, ...]: ...
    @property
    def message(self) -> str: ...
    @property
    def operation_id(self) -> str: ...


class SavedWork:
    """Saves and restores the uncommitted work of checkouts of one workspace.

    Everything is kept byte by byte: content, executable bit, link target, index entries. Ignored files are never
    touched. Killed at any moment, nothing is lost: the next change of the checkout undoes or finishes it.
    """

    def __init__(self, session: Doors) -> None:
        self._doors = session

    def look(self, checkout: DirtyPlace) -> Work:
        """What there is to put away. Reads only; raises GitError."""
        return find_work(self._doors.git, Place.checkout(checkout.path))

    def refusal(self, checkout: DirtyPlace, work: Work | None = None) -> Issue | None:
        """Why the work cannot be put away: `operation_in_progress` or `dirty_not_savable`; None when it can.

        Repositories inside the checkout are in the way only when `checkout.files` names them, or names nothing.
        """
        work = work or self.look(checkout)
        where = self._relative(checkout.path)
        if work.in_progress is not None:
            return in_progress_issue(self._doors.layout.root, where, work.in_progress)
        reasons = dict(work.unkeepable)
        named = {name.rstrip("/") for name in checkout.files}
        reasons.update({path: "it is a repository of its own" for path in work.nested if not named or path in named})
        if work.head is None and work.entries:
            reasons.setdefault(work.entries[0].path, "the checkout has no commit yet")
        if not reasons:
            return None
        first, reason = min(reasons.items())
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return Issue(
            code="dirty_not_savable",
            scope="repo",
            subject=where,
            message=f"{first} cannot be saved exactly: {reason}{more}",
            hint=f"{git_at(self._doors.layout.root, where, 'status')}, then commit or move it",
            details={"path": where, "files": reasons},
        )

    def put_away(self, checkout: DirtyPlace, kind: Literal["stash", "discard"]) -> Saved | None:
        """Save the work and leave the checkout clean; None when it is clean already.

        stash: also the newest ordinary `git stash` entry, called `checkout.message`. Raises Blocked for what `refusal`
        says, Failed `disk_full` and the like with the work in place.
        """
        path = self._relative(checkout.path)
        operation_id = checkout.operation_id
        with checkout_change(self._doors, path, what=kind, operation_id=operation_id, strategy=kind) as change:
            work = find_work(change.git, change.place)
            issue = self.refusal(checkout, work)
            if issue is not None:
                raise blocked(issue)
            if not work.entries:
                return None
            return self._put_away(change, checkout, work, SavedKind(kind))

    def _put_away(self, change: CheckoutChange, checkout: DirtyPlace, work: Work, kind: SavedKind) -> Saved:
        doors, git, place = self._doors, change.git, change.place
        message = checkout.message or f"gr2: {kind} of {change.path}"
        with change.scratch() as scratch:
            snapshot = capture(git, place, work, message=message, scratch=scratch)
        saved = Saved(
            id=doors.ids.saved(),
            kind=kind,
            repo=checkout.repo,
            unit=checkout.unit,
            lane=checkout.lane,
            path=change.path,
            files=work.files,
            created_at=timestamp(doors.clock.now()),
            operation_id=checkout.operation_id,
            actor=doors.actor,
            commit=snapshot.commit,
            stash=snapshot.stash,
            message=message,
        )
        change.note(saved=saved.id)
        write_saved(doors.layout, saved)
        pin(git, place, saved.id, saved.commit)
        if kind is SavedKind.STASH:
            push_stash(git, place, snapshot, message)
        take_away(git, place, snapshot.entries, work.signatures)
        return set_state(doors, saved, SavedState.KEPT)

    def restore(self, saved_id: str) -> tuple[Issue, ...]:
        """Put the work back into its checkout, index entries included, merged where the commit below has moved on.

        On a conflict the checkout and the saved work stay as they are, and the answer is one `restore_conflict`. Work
        that is back already is left alone. Raises Invalid `unknown_saved`, Blocked `operation_in_progress`.
        """
        saved = find_saved(self._doors.layout, saved_id)
        self._require_checkout(saved)
        with checkout_change(self._doors, saved.path, what="restore", operation_id=saved.operation_id) as change:
            again = read_saved(self._doors.layout, saved_id)
            if again is None:
                return ()  # its putting away had been cut short and was undone just now
            busy = in_progress(change.place.git_dir)
            if busy is not None:
                raise blocked(in_progress_issue(self._doors.layout.root, saved.path, busy))
            try:
                self._restore(change, again)
            except RestoreConflict as conflict:
                return (self._conflict(again, conflict),)
            return ()

    def _restore(self, change: CheckoutChange, saved: Saved) -> None:
        git, place = change.git, change.place
        snapshot = _snapshot(git, place, saved)
        with change.scratch() as scratch:
            entries = plan_restore(git, place, snapshot, scratch=scratch)
            if entries:
                change.note(restoring={"saved": saved.id, "entries": rows_of(entries)})
                put_back(git, place, entries, scratch=scratch)
        if saved.is_waiting:
            finish_restore(self._doors, git, place, saved)
        change.note(restoring=None, saved=None)

    def _conflict(self, saved: Saved, conflict: RestoreConflict) -> Issue:
        hint = f"commit or remove what is there, then gr2 saved restore {saved.id}; or add --to DIRECTORY"
        if conflict.in_commits:
            hint = f"gr2 saved restore {saved.id} --to DIRECTORY, and take over by hand what is still wanted"
        shown = ", ".join(conflict.files[:3]) + (", ..." if len(conflict.files) > 3 else "")
        return Issue(
            code="restore_conflict",
            scope="repo",
            subject=saved.path,
            message=f"{saved.id} was not put back: {conflict.reason}" + (f" ({shown})" if shown else ""),
            hint=hint,
            details={
                "saved_id": saved.id,
                "path": saved.path,
                "conflicting_files": list(conflict.files),
                "stash": saved.stash if saved.kind is SavedKind.STASH else "",
            },
        )

    def export(self, saved_id: str, to: str) -> None:
        """Write the files that were in the working tree below the new directory `to` (absolute), byte by byte; the
        saved work stays. Raises Blocked `path_conflict` when something else is there."""
        saved = find_saved(self._doors.layout, saved_id)
        self._require_checkout(saved)
        place = Place.checkout(self._doors.layout.at(saved.path))
        git = self._doors.git
        entries = [entry for entry in _snapshot(git, place, saved).entries if entry.work is not None]
        draft = f"{to}.{saved.id}.tmp"
        try:
            remove_tree(draft)
            os.makedirs(draft)
            for entry in entries:
                os.makedirs(os.path.join(draft, os.path.dirname(entry.path)), exist_ok=True)
            wanted = [(entry.work, os.path.join(draft, entry.path)) for entry in entries if entry.work is not None]
            write_blobs(git, place, wanted)
            put_in_place(draft, to)
        except OSError as error:
            raise failed_write(error, to) from error
        finally:
            remove_tree(draft)

    def drop(self, saved_id: str, *, forget: bool = False) -> None:
        """Throw the saved work away: stash entry, pin, and all but a record that it was (with `forget`, that too).
        Raises Invalid `unknown_saved`."""
        saved = find_saved(self._doors.layout, saved_id)
        if not os.path.isdir(Place.checkout(self._doors.layout.at(saved.path)).git_dir):
            self._drop_record(saved, forget=forget)
            return
        with checkout_change(self._doors, saved.path, what="drop") as change:
            again = read_saved(self._doors.layout, saved_id)
            if again is None:
                return
            if again.kind is SavedKind.STASH:
                drop_stash(change.git, change.place, again.stash)
            unpin(change.git, change.place, again.id)
            self._drop_record(again, forget=forget)

    def _drop_record(self, saved: Saved, *, forget: bool) -> None:
        if forget:
            remove_saved(self._doors.layout, saved.id)
        else:
            set_state(self._doors, saved, SavedState.DROPPED)

    def recover(self, path: str) -> tuple[Issue, ...]:
        """Undo what a killed gr2 began in the checkout at the workspace-relative `path`, if anything."""
        if not needs_recovery(self._doors.layout, path):
            return ()
        with checkout_change(self._doors, path, what="recover") as change:
            return change.recovered

    def _require_checkout(self, saved: Saved) -> None:
        layout = self._doors.layout
        if os.path.isdir(Place.checkout(layout.at(saved.path)).git_dir):
            return
        archives = [other.id for other in live_saved(layout, SavedKind.ARCHIVE) if is_inside(saved.path, other.path)]
        raise Blocked(
            "path_conflict",
            f"the checkout {saved.path} that holds this work is not there",
            scope="repo",
            subject=saved.path,
            hint=f"gr2 saved restore {archives[-1]}" if archives else f"put the checkout back at {saved.path}",
            details={"saved_id": saved.id},
        )

    def _relative(self, path: str) -> str:
        return self._doors.layout.relative(path)


def _snapshot(git: Git, place: Place, saved: Saved) -> Snapshot:
    """What was saved. Raises Failed `saved_unreadable`, also when it went with the checkout that held it."""
    try:
        return load(git, place, saved.commit)
    except GitError as error:
        if saved.id in read_refs(place.git_dir, PIN):
            raise
        raise Failed(
            "saved_unreadable",
            f"{saved.id} is not in {saved.path} any more: the checkout was made anew since",
            scope="repo",
            subject=saved.path,
            hint=f"gr2 saved drop {saved.id}",
        ) from error


def put_in_place(draft: str, final: str) -> None:
    """Move a finished directory to `final`, where nothing or an empty directory may be; the same content there already
    is fine. Raises Blocked `path_conflict`."""
    if os.path.lexists(final) and same_tree(draft, final):
        return
    try:
        os.rename(draft, final)
    except OSError as error:
        if os.path.lexists(final):
            raise Blocked("path_conflict", f"{final} is there already", hint="name a new directory") from error
        raise


def same_tree(one: str, other: str) -> bool:
    """Whether two files, links or directories hold the same."""
    if os.path.islink(one) or os.path.islink(other):
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
    if os.path.isdir(one) and os.path.isdir(other):
        names = sorted(os.listdir(one))
        return names == sorted(os.listdir(other)) and all(
            same_tree(os.path.join(one, name), os.path.join(other, name)) for name in names
        )
    if not (os.path.isfile(one) and os.path.isfile(other)):
        return False
    with open(one, "rb") as first, open(other, "rb") as second:
        while chunk := first.read(1 << 20):
            if second.read(len(chunk)) != chunk:
                return False
        return not second.read(1)


def in_progress_issue(root: str, path: str, what: str) -> Issue:
    """The refusal for a checkout of the workspace at `root` in which a person is in the middle of something."""
    return Issue(
        code="operation_in_progress",
        scope="repo",
        subject=path,
        message=f"a {what} is in progress",
        hint=f"finish or abort it: {git_at(root, path, 'status')}",
        details={"path": path, "in_progress": what},
    )


def blocked(issue: Issue) -> Gr2Error:
    """The refusal that tells the same as `issue`."""
    return Blocked(
        issue.code,
        issue.message,
        scope=issue.scope,
        subject=issue.subject,
        hint=issue.hint,
        details=dict(issue.details),
    )
