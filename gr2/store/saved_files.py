"""Saved work outside git: copies of files that gr2 is about to overwrite, and directories moved to `.grip/trash`."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.files import failed_write, first_link, make_private_directory, remove_tree, sync_directory, write_whole
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hints import quoted
from gr2.model.outcome import Issue
from gr2.store.saved import (
    Doors,
    Saved,
    SavedKind,
    SavedState,
    copy_path,
    live_saved,
    remove_saved,
    set_state,
    trash_path,
    write_saved,
)
from gr2.store.saved_work import put_in_place, same_tree

_CONTENT = "content"


def keep_overwritten(
    doors: Doors,
    path: str,
    *,
    repo: str = "",
    unit: str = "",
    lane: str = "",
    operation_id: str = "",
    by: bytes = b"",
    by_link: str = "",
) -> Saved | None:
    """Keep a copy of the file or link at the workspace-relative `path`, which the caller is about to replace by the
    bytes `by`, or by a link to `by_link`. None when nothing is there.

    Call it before the change. A directory there is Blocked `path_conflict`.
    """
    full = doors.layout.at(path)
    try:
        found = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    is_link = stat.S_ISLNK(found.st_mode)
    if not is_link and not stat.S_ISREG(found.st_mode):
        hint = f"move {quoted(full)} away"
        raise Blocked("path_conflict", f"{path} is neither a file nor a link", subject=path, hint=hint)
    data: dict[str, Any] = {"link": os.readlink(full) if is_link else None, "mode": stat.S_IMODE(found.st_mode)}
    data["by"] = hashlib.sha256(by).hexdigest()
    if by_link:
        data["by_link"] = by_link
    moment = timestamp(doors.clock.now())
    for kept in live_saved(doors.layout, SavedKind.OVERWRITE):
        # A gr2 that was killed before it could replace the file has kept it already.
        if kept.is_overwrite_of(path) and kept.data == data and _is_copy(doors, kept, full):
            return write_saved(doors.layout, replace(kept, created_at=moment, operation_id=operation_id))
    saved_id = doors.ids.saved()
    if not is_link:
        _copy(full, os.path.join(copy_path(doors.layout, saved_id), _CONTENT))
    return write_saved(
        doors.layout,
        Saved(
            id=saved_id,
            kind=SavedKind.OVERWRITE,
            repo=repo,
            unit=unit,
            lane=lane,
            path=path,
            files=(os.path.basename(path),),
            created_at=moment,
            operation_id=operation_id,
            actor=doors.actor,
            state=SavedState.KEPT,
            data=data,
        ),
    )


def _copy(source: str, to: str) -> None:
    """Copy a file's bytes, durably."""
    make_private_directory(os.path.dirname(to))
    try:
        shutil.copyfile(source, to, follow_symlinks=False)
        with open(to, "rb") as file:
            os.fsync(file.fileno())
        sync_directory(os.path.dirname(to))
    except OSError as error:
        raise failed_write(error, to) from error


def restore_overwritten(doors: Doors, saved: Saved, *, to: str = "") -> tuple[Issue, ...]:
    """Put the copy back at its path (or write it to the absolute `to`).

    What is there now is replaced only if it is what gr2 put there; anything else is a `restore_conflict`.
    """
    target = to or doors.layout.at(saved.path)
    if _is_copy(doors, saved, target):
        return _restored(doors, saved, in_place=not to)
    if os.path.lexists(target) and (to or not _is_what_gr2_wrote(saved, target)):
        return (_conflict(saved, target),)
    link = saved.data.get("link")
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if isinstance(link, str):
            draft = f"{target}.{saved.id}.tmp"
            remove_tree(draft)
            os.symlink(link, draft)
            os.rename(draft, target)
        else:
            with open(os.path.join(copy_path(doors.layout, saved.id), _CONTENT), "rb") as file:
                write_whole(target, file.read())
            os.chmod(target, int(saved.data["mode"]))
    except OSError as error:
        raise failed_write(error, target) from error
    return _restored(doors, saved, in_place=not to)


def _restored(doors: Doors, saved: Saved, *, in_place: bool) -> tuple[Issue, ...]:
    if in_place and saved.is_waiting:
        set_state(doors, saved, SavedState.RESTORED)
    return ()


def _is_copy(doors: Doors, saved: Saved, path: str) -> bool:
    link = saved.data.get("link")
    if isinstance(link, str):
        return os.path.islink(path) and os.readlink(path) == link
    return os.path.lexists(path) and same_tree(os.path.join(copy_path(doors.layout, saved.id), _CONTENT), path)


def _is_what_gr2_wrote(saved: Saved, path: str) -> bool:
    if os.path.islink(path):
        return os.readlink(path) == saved.data.get("by_link")
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == saved.data.get("by")


def _conflict(saved: Saved, path: str) -> Issue:
    return Issue(
        code="restore_conflict",
        scope="workspace",
        subject=saved.path,
        message=f"{saved.id} was not put back: something else is at {path}",
        hint=f"move it away, or gr2 saved restore {saved.id} --to PATH",
        details={"saved_id": saved.id, "path": saved.path, "conflicting_files": [saved.path]},
    )


def archive_tree(
    doors: Doors,
    paths: Sequence[str],
    *,
    path: str,
    repo: str = "",
    unit: str = "",
    lane: str = "",
    operation_id: str = "",
    files: Sequence[str] = (),
    saved_id: str = "",
) -> Saved:
    """Move the workspace-relative directories `paths` to `.grip/trash/<saved id>/`, ignored files and all.

    path: what the record calls them together, for example the lane's root. saved_id: of the new record, a fresh one
    from `doors.ids` by default. Each move is one rename; killed in between,
    `finish_archives` moves the rest. Raises Failed `archive_failed` or Blocked `read_only` when one cannot be
    moved; those before it are then moved back.
    """
    layout = doors.layout
    saved_id = saved_id or doors.ids.saved()
    moves = [[each, f"{number}-{os.path.basename(each)}"] for number, each in enumerate(paths)]
    saved = write_saved(
        layout,
        Saved(
            id=saved_id,
            kind=SavedKind.ARCHIVE,
            repo=repo,
            unit=unit,
            lane=lane,
            path=path,
            files=tuple(files) or tuple(paths),
            created_at=timestamp(doors.clock.now()),
            operation_id=operation_id,
            actor=doors.actor,
            data={"moves": moves},
        ),
    )
    make_private_directory(trash_path(layout, saved_id))
    try:
        _move_all(doors, saved)
    except Gr2Error:
        _move_back(doors, saved)
        remove_tree(trash_path(layout, saved_id))
        remove_saved(layout, saved_id)
        raise
    return set_state(doors, saved, SavedState.KEPT)


def _pairs(doors: Doors, saved: Saved) -> list[tuple[str, str]]:
    """Where each directory belongs, and where it is in the trash. Raises Failed when a link leads to one of them."""
    top = trash_path(doors.layout, saved.id)
    for source, _ in saved.data["moves"]:
        link = first_link(doors.layout.root, os.path.dirname(source)) if "/" in source else None
        if link is not None:
            raise Failed("archive_failed", f"{link} is a symbolic link", subject=saved.path, hint="move it away")
    return [(doors.layout.at(source), os.path.join(top, name)) for source, name in saved.data["moves"]]


def _move_all(doors: Doors, saved: Saved) -> None:
    for source, target in _pairs(doors, saved):
        if os.path.lexists(source) and not os.path.lexists(target):
            try:
                os.rename(source, target)
                sync_directory(os.path.dirname(source))
                sync_directory(os.path.dirname(target))
            except OSError as error:
                if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
                    raise failed_write(error, source) from error
                reason = os.strerror(error.errno or 0).lower()
                raise Failed("archive_failed", f"cannot move {source}: {reason}", subject=saved.path) from error


def _move_back(doors: Doors, saved: Saved) -> None:
    for source, target in _pairs(doors, saved):
        if os.path.lexists(target) and not os.path.lexists(source):
            os.rename(target, source)


def finish_archives(doors: Doors, *, unit: str | None = None, lane: str = "") -> list[Saved]:
    """Finish archivings that were cut short: those of a lane, or (`unit` None) all. One of which nothing was moved yet
    is forgotten. Gives those that are now complete. Call it with the workspace lock held."""
    finished = []
    for saved in live_saved(doors.layout, SavedKind.ARCHIVE):
        if saved.state is not SavedState.SAVING:
            continue
        if unit is not None and (saved.unit, saved.lane) != (unit, lane):
            continue
        if not any(os.path.lexists(target) for _, target in _pairs(doors, saved)):
            remove_tree(trash_path(doors.layout, saved.id))
            remove_saved(doors.layout, saved.id)
            continue
        _move_all(doors, saved)
        finished.append(set_state(doors, saved, SavedState.KEPT))
    return finished


def restore_archive(doors: Doors, saved: Saved, *, to: str = "") -> tuple[Issue, ...]:
    """Move the directories back to where they were; or copy them below the new absolute directory `to`.

    Something else at one of the places is a `restore_conflict`, and nothing is moved.
    """
    if to:
        return _copy_archive(doors, saved, to)
    pairs = _pairs(doors, saved)
    for source, target in pairs:
        if os.path.lexists(source) and os.path.lexists(target):
            return (_conflict(saved, source),)
    try:
        for source, target in pairs:
            if os.path.lexists(target):
                os.makedirs(os.path.dirname(source), exist_ok=True)
                os.rename(target, source)
                sync_directory(os.path.dirname(source))
    except OSError as error:
        raise failed_write(error, saved.path) from error
    if saved.is_waiting:
        set_state(doors, saved, SavedState.RESTORED)
    return ()


def _copy_archive(doors: Doors, saved: Saved, to: str) -> tuple[Issue, ...]:
    draft = f"{to}.{saved.id}.tmp"
    try:
        remove_tree(draft)
        os.makedirs(draft)
        for source, target in _pairs(doors, saved):
            if os.path.lexists(target):
                shutil.copytree(target, os.path.join(draft, os.path.basename(source)), symlinks=True)
        put_in_place(draft, to)
    except (OSError, shutil.Error) as error:
        if isinstance(error, OSError) and error.errno:
            raise failed_write(error, to) from error
        raise Failed("write_failed", f"cannot copy to {to}") from error
    finally:
        remove_tree(draft)
    return ()


def drop_files(doors: Doors, saved: Saved) -> None:
    """Remove the copies or the archived directories, and all but a record that they were."""
    set_state(doors, saved, SavedState.DROPPED)
    remove_tree(copy_path(doors.layout, saved.id))
    remove_tree(trash_path(doors.layout, saved.id))
