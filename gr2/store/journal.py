"""The journal of a checkout: what gr2 is about to do to it, so that the next gr2 can undo what a killed one began.

Whoever changes a checkout's files, index or branch does it inside `checkout_change`. One process at a time does, and
the git processes it starts keep the lock until they end, even when gr2 itself is killed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.files import failed_write, remove_tree, sync_directory
from gr2.edges.git import Git, Place
from gr2.edges.git.refs import head_branch, head_commit
from gr2.edges.git.stale_locks import remove_stale_locks
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Failed, Gr2Error, Interrupted
from gr2.model.outcome import Issue
from gr2.store.layout import Layout
from gr2.store.saved import Doors
from gr2.store.state_file import read_state, write_state

VERSION = 1

# Which checkouts this process is changing, by lock file: a flock is the process's, so its owner is known here only.
_held: dict[str, CheckoutChange] = {}
_guard = threading.Lock()


class CheckoutChange:
    """A checkout while it is being changed.

    path: workspace-relative. git: a door whose children keep the checkout's lock. recovered: what the undoing of an
    earlier, killed change could not put right. unfinished: a part of it failed and could not be undone yet, so the
    journal has to stay.
    """

    def __init__(self, doors: Doors, path: str, lock: FileLock, entry: Mapping[str, Any]) -> None:
        self.path = path
        self.place = Place.checkout(doors.layout.at(path))
        self.git = doors.git.inheriting(lock.descriptor)
        self.recovered: tuple[Issue, ...] = ()
        self.unfinished = False
        self._doors = doors
        self._entry = dict(entry)
        self._thread = threading.get_ident()

    @property
    def entry(self) -> Mapping[str, Any]:
        """What the journal says."""
        return self._entry

    @property
    def scratch_root(self) -> str:
        """Where temporaries of changes to this checkout live, on its own file system."""
        return os.path.join(self.place.git_dir, "gr2")

    def note(self, **facts: Any) -> None:
        """Write further facts into the journal, before what they tell of is done.

        saved: id of the work that is about to be put away; undoing brings it back. update: {"kind", "from", "to"}:
        HEAD is about to move ("fast-forward", "merge" or "rebase"); undoing ends git's own unfinished operation and
        puts files back that were half moved. restoring: {"saved", "entries"}: work is about to be put back; it is
        finished.
        """
        self._entry.update(facts)
        write_state(journal_path(self._doors.layout, self.path), self._entry, version=VERSION)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """An empty directory for temporaries. Raises Failed `disk_full` and the like."""
        path = os.path.join(self.scratch_root, self._doors.ids.hex(12))
        try:
            os.makedirs(path, 0o700)
        except OSError as error:
            raise failed_write(error, path) from error
        try:
            yield path
        finally:
            remove_tree(self.scratch_root)

    @property
    def is_mine(self) -> bool:
        """Whether the current thread is the one that makes the change."""
        return self._thread == threading.get_ident()


@contextmanager
def checkout_change(
    doors: Doors, path: str, *, what: str, operation_id: str = "", strategy: str = ""
) -> Iterator[CheckoutChange]:
    """Change the checkout at the workspace-relative `path`: lock it, undo what a killed gr2 left, write the journal.

    Inside another change of the same checkout by the same thread it joins that one. When the body raises, what it
    began is undone at once (`note` says what that is); a journal that could not be undone stays for the next command.
    Raises Blocked `workspace_locked` when another gr2 keeps the checkout longer than the session waits.
    """
    name = lock_path(doors.layout, path)
    with _guard:
        outer = _held.get(name)
    if outer is not None and outer.is_mine:
        yield from _joined(doors, outer)
        return
    lock = _locked(doors, path)
    try:
        change = CheckoutChange(doors, path, lock, _entry(doors, path, what, operation_id, strategy))
        change.recovered = recover_checkout(doors, path, change.git)
        change._entry.update(_position(change.place), since_ns=_now_ns(lock))
        with _guard:
            _held[name] = change
        try:
            yield from _journaled(doors, change)
        finally:
            with _guard:
                del _held[name]
    finally:
        lock.release()


def _journaled(doors: Doors, change: CheckoutChange) -> Iterator[CheckoutChange]:
    change.note()
    try:
        yield change
    except BaseException as error:
        _undo_now(doors, change, error)
        raise
    if not change.unfinished:
        _remove(doors.layout, change.path)


def _joined(doors: Doors, outer: CheckoutChange) -> Iterator[CheckoutChange]:
    try:
        yield outer
    except BaseException as error:
        # Whoever began the outer change may go on after this.
        outer.unfinished = not _undo_now(doors, outer, error)
        if not outer.unfinished:
            outer.note(saved=None, update=None, restoring=None)
        raise


def _undo_now(doors: Doors, change: CheckoutChange, error: BaseException) -> bool:
    if not isinstance(error, (Gr2Error, KeyboardInterrupt)):
        return False  # a bug: the next command looks at it with fresh eyes
    git = change.git.undisturbed() if isinstance(error, (Interrupted, KeyboardInterrupt)) else change.git
    try:
        recover_checkout(doors, change.path, git)
    except Gr2Error:
        return False  # a full disk, say: the journal stays
    return True


def recover_checkout(doors: Doors, path: str, git: Git) -> tuple[Issue, ...]:
    """Undo what the journal of the checkout says was begun. Call it with the checkout's lock held.

    Gives an issue for what had to be left as it is because somebody has worked on it since. Raises Gr2Error when it
    could not be undone now; the journal then stays.
    """
    place = Place.checkout(doors.layout.at(path))
    file = journal_path(doors.layout, path)
    entry = read_state(file, version=VERSION)
    if entry is None:
        return ()
    if not os.path.isdir(place.git_dir):
        _remove(doors.layout, path)
        return ()
    from gr2.store.undo import require_journal, undo

    try:
        require_journal(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failed("state_unreadable", f"{file} is not a journal of gr2", subject=path, hint="gr2 doctor") from error
    remove_stale_locks(place.git_dir, since_ns=int(entry["since_ns"]), work_tree=place.work_tree or "")
    remove_tree(os.path.join(place.git_dir, "gr2"))
    issues = undo(doors, path, git, entry)
    remove_tree(os.path.join(place.git_dir, "gr2"))
    _remove(doors.layout, path)
    return issues


def needs_recovery(layout: Layout, path: str) -> bool:
    """Whether a change of the checkout was begun and not ended (it may be going on right now)."""
    return os.path.exists(journal_path(layout, path))


def checkout_key(path: str) -> str:
    """The short name of a checkout in names of files: a hash of its workspace-relative path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def lock_path(layout: Layout, path: str) -> str:
    """The lock of the checkout at `path`."""
    return layout.lock(f"checkout-{checkout_key(path)}")


def journal_path(layout: Layout, path: str) -> str:
    """The journal of the checkout at `path`."""
    return os.path.join(layout.state, "checkouts", f"{checkout_key(path)}.json")


def _locked(doors: Doors, path: str) -> FileLock:
    def pause(seconds: float) -> None:
        doors.git.runner.cancellation.check()
        doors.clock.sleep(seconds)

    holder = {"pid": os.getpid(), "actor": doors.actor, "since": timestamp(doors.clock.now())}
    lock = FileLock(lock_path(doors.layout, path), wait=doors.wait_seconds, holder=holder, pause=pause)
    try:
        lock.acquire()
    except LockTimeout as error:
        who = f" by {error.holder['actor']}" if error.holder.get("actor") else ""
        raise Blocked(
            "workspace_locked",
            f"{path} is being changed{who}, and was not free within {doors.wait_seconds:g} s",
            scope="repo",
            subject=path,
            hint="run the same command again",
            details=error.holder,
        ) from error
    return lock


def _entry(doors: Doors, path: str, what: str, operation_id: str, strategy: str) -> dict[str, Any]:
    return {
        "checkout": path,
        "what": what,
        "operation_id": operation_id,
        "strategy": strategy,
        "actor": doors.actor,
        "started_at": timestamp(doors.clock.now()),
    }


def _position(place: Place) -> dict[str, Any]:
    return {"branch": head_branch(place.git_dir), "from_sha": head_commit(place.git_dir)}


def _now_ns(lock: FileLock) -> int:
    """The file system's own clock, by which git's lock files are dated."""
    os.utime(lock.descriptor)
    return os.fstat(lock.descriptor).st_mtime_ns


def _remove(layout: Layout, path: str) -> None:
    file = journal_path(layout, path)
    try:
        os.unlink(file)
        sync_directory(os.path.dirname(file))
    except FileNotFoundError:
        return
