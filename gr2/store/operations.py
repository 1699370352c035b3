"""Running operations on disk: a directory for what is half-made, a lock that tells whether anyone is still at it, and
a journal of what must be told once it happened.

`.grip/tmp/<operation_id>.<lock>/` exists while the operation runs; `<lock>` is the workspace-wide lock it runs under,
`FREE` for none. Its `lock` file is held by gr2 and by every git that gr2 started for it; when nobody holds it, the
operation is dead and the next mutating command clears it up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from gr2.edges.files import failed_write, make_private_directory, read_regular, remove_dead_draft, remove_tree
from gr2.edges.locks import FileLock, LockTimeout, is_held
from gr2.errors import Blocked
from gr2.model.hints import quoted
from gr2.model.records import dataclass
from gr2.store.layout import Layout

_JOURNAL_LIMIT = 64 << 20
_JOURNAL = "journal.jsonl"
_LOCK = "lock"
FREE = "free"


class LiveOperation:
    """An operation of this process. `path` is its directory for temporaries."""

    def __init__(self, layout: Layout, operation_id: str, *, under: str, holder: Mapping[str, Any]) -> None:
        self.path = os.path.join(layout.temporary, f"{operation_id}.{under}")
        self.operation_id = operation_id
        # Creation and clearing-up exclude each other, so that no directory is seen before its lock is held.
        with FileLock(layout.lock("temporary"), wait=30.0):
            try:
                make_private_directory(self.path)
            except OSError as error:
                raise failed_write(error, self.path) from error
            self._lock = FileLock(os.path.join(self.path, _LOCK), holder=holder)
            self._lock.acquire()
        self._journal: int | None = None

    @property
    def descriptor(self) -> int:
        """The open lock, to be inherited by children."""
        return self._lock.descriptor

    def record(self, entry: Mapping[str, Any]) -> None:
        """Append `entry` to the journal. It survives the death of this process, not that of the machine."""
        path = os.path.join(self.path, _JOURNAL)
        try:
            if self._journal is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._journal = os.open(path, flags, 0o600)
            # The line feed before it: an entry that a full disk tore must not take the next one with it.
            data = b"\n" + json.dumps(entry).encode() + b"\n"
            while data:
                data = data[os.write(self._journal, data) :]
        except OSError as error:
            raise failed_write(error, path) from error

    def close(self, *, keep: bool = False) -> None:
        """The operation is over: remove its directory, unless its journal must be kept for others, then let go."""
        try:
            if self._journal is not None:
                os.close(self._journal)
            if not keep:
                remove_tree(self.path)
        finally:
            self._lock.release()


@dataclass(frozen=True)
class DeadOperation:
    """What a killed operation left behind. `entries` are its journal, a torn last line left out."""

    operation_id: str
    path: str
    entries: tuple[dict[str, Any], ...]


def refuse_linked_directories(layout: Layout) -> None:
    """Raise Blocked `path_conflict` when one of gr2's own directories is a link, as it may be in a workspace that came
    from somebody else: what gr2 clears away there would be another's."""
    for folder in (layout.grip, layout.state, layout.saved, layout.events):
        try:
            with os.scandir(folder) as entries:
                links = [folder] if os.path.islink(folder) else []
                links += [entry.path for entry in entries if entry.is_symlink() and entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        if links:
            raise Blocked(
                "path_conflict",
                f"{layout.relative(links[0])} is a symbolic link, and gr2 keeps its own files there",
                hint=f"put a directory in its place, or move {quoted(links[0])} away",
            )


def dead_operations(layout: Layout, *, under: str | None, wait: float) -> Iterator[DeadOperation]:
    """Each operation that nobody works on any more; its directory is removed when the caller asks for the next.

    Call it with the lock `under` held: an operation under the same lock that seems alive then belongs to a killed gr2
    whose children live on, and is waited for at most `wait` seconds (then LockTimeout). Other live ones stay.
    With None, for those who hold no lock, only dead operations that held none either.
    """
    try:
        names = sorted(os.listdir(layout.temporary))
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(layout.temporary, name)
        operation_id, dot, kind = name.partition(".")
        if not operation_id.startswith("op_") or not dot:
            _remove_stray(path)
            continue
        if under is None and kind != FREE:
            continue
        lock = FileLock(os.path.join(path, _LOCK), wait=wait if kind == under else 0.0, make=False)
        if not _take(layout, lock, must=kind == under):
            continue
        try:
            yield DeadOperation(operation_id, path, tuple(_entries(path)))
            remove_tree(path)
        finally:
            lock.release()


def is_running(layout: Layout, operation_id: str) -> bool:
    """Whether some process is still at the operation."""
    try:
        names = os.listdir(layout.temporary)
    except FileNotFoundError:
        return False
    mine = (name for name in names if name.partition(".")[0] == operation_id)
    return any(is_held(os.path.join(layout.temporary, name, _LOCK)) for name in mine)


def _take(layout: Layout, lock: FileLock, *, must: bool) -> bool:
    """Take a dead operation's lock; False when it lives, or somebody else has just cleared it up."""
    with FileLock(layout.lock("temporary"), wait=30.0):
        pass  # whoever is making a directory now has its lock by the time this is free
    try:
        lock.acquire()
    except FileNotFoundError:
        # Killed between making the directory and its lock.
        remove_tree(os.path.dirname(lock.path))
        return False
    except NotADirectoryError:
        return False
    except LockTimeout:
        if must:
            raise
        return False
    if os.path.exists(lock.path):
        return True
    lock.release()
    return False


def _remove_stray(path: str) -> None:
    if os.path.isfile(path) and not os.path.islink(path):
        remove_dead_draft(path)
    else:
        remove_tree(path)


def _entries(path: str) -> Iterator[dict[str, Any]]:
    try:
        data = read_regular(os.path.join(path, _JOURNAL), limit=_JOURNAL_LIMIT)
    except OSError:
        return
    for line in (data or b"").split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


__all__ = ["DeadOperation", "LiveOperation", "LockTimeout", "dead_operations", "is_running"]
