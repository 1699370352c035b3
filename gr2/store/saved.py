"""Records of saved work, one for everything that was stashed, discarded, overwritten or archived. Where the bytes are
depends on the kind; the record finds them (contract, page 1, "Saved work").

A record is `.grip/state/saved/<kind>/<id>.json` while its work can be had back and was not yet, then
`.grip/state/saved/ended/<id>.json` until `gc`: entering a lane reads what waits, not what a month has put back. Work
does not begin to wait again, so where a crash left a record in both, the ended one is true.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, Protocol

from gr2.edges.clock import Clock, Ids, timestamp
from gr2.edges.git import Git
from gr2.edges.git.refs import is_object_id
from gr2.errors import Failed, Gr2Error, Invalid
from gr2.model.names import stays_below
from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

VERSION = 1
KEPT_DAYS = 30
_ENDED = "ended"
_SAVED_ID = re.compile(r"sv_[0-9a-f]{12}").fullmatch


class Doors(Protocol):
    """What saving needs of a session."""

    @property
    def layout(self) -> Layout: ...
    @property
    def git(self) -> Git: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def actor(self) -> str: ...
    @property
    def wait_seconds(self) -> float: ...


class SavedKind(StrEnum):
    """How work came to be saved, and so where it is."""

    STASH = "stash"  # an entry of `git stash list`, and a commit in the checkout
    DISCARD = "discard"  # a commit in the checkout
    OVERWRITE = "overwrite"  # a copy beside the record
    ARCHIVE = "archive"  # moved below .grip/trash


class SavedState(StrEnum):
    """How far it is. Only `kept` work waits for somebody."""

    SAVING = "saving"  # written before the work is taken away
    KEPT = "kept"
    RESTORED = "restored"  # put back; the copy stays until `gc`
    DROPPED = "dropped"  # only the record is left, so that dropping again is no error


@dataclass(frozen=True, kw_only=True)
class Saved:
    """One piece of saved work.

    path: where it was, relative to the workspace: a checkout (stash, discard), a file (overwrite), a directory
    (archive). files: relative to `path`, at most as many as were affected. ended_at: when it was restored or dropped.
    commit, stash: for work kept in a checkout. data: what else the kind needs.
    """

    id: str
    kind: SavedKind
    repo: str = ""
    unit: str = ""
    lane: str = ""
    path: str
    files: tuple[str, ...] = ()
    created_at: str
    operation_id: str = ""
    actor: str = ""
    state: SavedState = SavedState.SAVING
    ended_at: str = ""
    commit: str = ""
    stash: str = ""
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION

    @property
    def is_waiting(self) -> bool:
        """Whether it can be had back and was not yet."""
        return self.state in {SavedState.SAVING, SavedState.KEPT}

    def is_overwrite_of(self, path: str) -> bool:
        """Whether it is a copy of what was at the workspace-relative `path`, to be had back."""
        return (self.kind, self.state, self.path) == (SavedKind.OVERWRITE, SavedState.KEPT, path)

    @property
    def folder(self) -> str:
        """The directory of its record, below that of all records."""
        return self.kind.value if self.is_waiting else _ENDED

    @property
    def in_checkout(self) -> bool:
        """Whether its bytes are objects of the checkout it came from."""
        return self.kind in {SavedKind.STASH, SavedKind.DISCARD}


def is_saved_id(text: str) -> bool:
    """Whether `text` has the form of a saved id."""
    return _SAVED_ID(text) is not None


def _record_path(layout: Layout, folder: str, saved_id: str) -> str:
    return os.path.join(layout.saved, folder, f"{saved_id}.json")


def copy_path(layout: Layout, saved_id: str) -> str:
    """The directory of the copies that belong to the record."""
    return os.path.join(layout.saved, saved_id)


def trash_path(layout: Layout, saved_id: str) -> str:
    """The directory that archived trees are moved to."""
    return os.path.join(layout.trash, saved_id)


def write_saved(layout: Layout, saved: Saved) -> Saved:
    """Write the record, replacing the one of the same id, and give it back."""
    write_state(_record_path(layout, saved.folder, saved.id), vars(saved), version=VERSION)
    if saved.folder == _ENDED:
        _remove(_record_path(layout, saved.kind.value, saved.id))
    return saved


def set_state(doors: Doors, saved: Saved, state: SavedState, **changes: Any) -> Saved:
    """The record in another state, written."""
    ended = state in {SavedState.RESTORED, SavedState.DROPPED}
    ended_at = timestamp(doors.clock.now()) if ended else ""
    return write_saved(doors.layout, replace(saved, state=state, ended_at=ended_at, **changes))


def remove_saved(layout: Layout, saved_id: str) -> None:
    """Forget the record. What it named must be gone, or back in its place."""
    for folder in (*SavedKind, _ENDED):  # the ended one last: a record left beside it must not count again
        _remove(_record_path(layout, folder, saved_id))


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def read_saved(layout: Layout, saved_id: str) -> Saved | None:
    """The record, None when there is none. Raises Failed `state_unreadable`."""
    if not is_saved_id(saved_id):
        return None
    for folder in (_ENDED, *SavedKind, _ENDED):  # once more: it may end between two looks
        found = _read(_record_path(layout, folder, saved_id), saved_id)
        if found is not None:
            return found
    return None


def _read(path: str, saved_id: str) -> Saved | None:
    found = read_state(path, version=VERSION)
    if found is None:
        return None
    try:
        return _decode(found, saved_id)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failed("state_unreadable", f"{path} is not a record of saved work", hint="gr2 doctor") from error


def _decode(found: Mapping[str, Any], saved_id: str) -> Saved:
    texts = ("repo", "unit", "lane", "path", "created_at", "operation_id", "actor", "ended_at", "commit", "stash")
    moves = [path for pair in (found.get("data") or {}).get("moves", ()) for path in pair]
    if not all(stays_below(str(path)) for path in (found["path"], *found["files"], *moves)):
        raise ValueError("a path leads elsewhere")
    if any(found[name] and not is_object_id(found[name]) for name in ("commit", "stash")):
        raise ValueError("not an object id")
    return Saved(
        id=saved_id,
        version=found["version"],
        kind=SavedKind(found["kind"]),
        state=SavedState(found["state"]),
        files=tuple(map(str, found["files"])),
        message=str(found.get("message", "")),
        data=dict(found.get("data") or {}),
        **{name: str(found[name]) for name in texts},
    )


def find_saved(layout: Layout, saved_id: str) -> Saved:
    """The record. Raises Invalid `unknown_saved` also for work that was dropped."""
    saved = read_saved(layout, saved_id)
    if saved is None or saved.state is SavedState.DROPPED:
        raise unknown_saved(saved_id)
    return saved


def unknown_saved(saved_id: str) -> Invalid:
    """The error for an id that names no saved work."""
    return Invalid("unknown_saved", f"there is no saved work {saved_id!r}", subject=saved_id, hint="gr2 saved list")


def all_saved(layout: Layout) -> tuple[list[Saved], list[Gr2Error]]:
    """Every record, oldest first, whatever its state; and what could not be read."""
    return _records(layout, (*SavedKind, _ENDED))


def live_saved(layout: Layout, *kinds: SavedKind) -> list[Saved]:
    """The records of these kinds whose work can be had back and was not yet, oldest first."""
    return [saved for saved in _records(layout, kinds)[0] if saved.is_waiting]


def _records(layout: Layout, folders: Iterable[str]) -> tuple[list[Saved], list[Gr2Error]]:
    found: dict[str, Saved] = {}
    broken: list[Gr2Error] = []
    for folder in folders:
        for saved_id in _ids_in(layout, folder):
            if folder != _ENDED and os.path.lexists(_record_path(layout, _ENDED, saved_id)):
                continue
            try:
                saved = _read(_record_path(layout, folder, saved_id), saved_id)
            except Gr2Error as error:
                broken.append(error)
                continue
            if saved is not None:
                found[saved_id] = saved
    return sorted(found.values(), key=lambda saved: (saved.created_at, saved.id)), broken


def _ids_in(layout: Layout, folder: str) -> list[str]:
    try:
        names = os.listdir(os.path.join(layout.saved, folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(
        saved_id for name in names if is_saved_id(saved_id := name.removesuffix(".json")) and saved_id != name
    )


def waiting(layout: Layout, *, unit: str, lane: str) -> list[Saved]:
    """The stashes of a lane that wait to be put back, oldest first.

    One that its owner took or dropped with git itself no longer waits (it can still be had back).
    """
    mine = [saved for saved in live_saved(layout, SavedKind.STASH) if (saved.unit, saved.lane) == (unit, lane)]
    return [saved for saved in mine if not _was_taken(layout, saved)]


def waiting_stashes(layout: Layout) -> list[Saved]:
    """The stashes of the whole workspace that wait like that, read in one go."""
    return [saved for saved in live_saved(layout, SavedKind.STASH) if not _was_taken(layout, saved)]


def _was_taken(layout: Layout, saved: Saved) -> bool:
    """Whether its owner popped or dropped the stash entry with git itself."""
    from gr2.edges.git.stash_log import stash_entries

    if saved.kind is not SavedKind.STASH or saved.state is not SavedState.KEPT:
        return False
    return saved.stash not in stash_entries(os.path.join(layout.at(saved.path), ".git"))
