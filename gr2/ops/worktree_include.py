"""Ignored files that a checkout needs to run (`.env`, local settings): copied into a new lane when the repository
names them in `.worktreeinclude` (contract, page 3, "A lane that runs at once")."""

from __future__ import annotations

import os
import stat

from gr2.edges.files import failed_write, first_link
from gr2.edges.git import Place
from gr2.session import Session

INCLUDE_FILE = ".worktreeinclude"
# linux/fs.h: share the blocks of another file (btrfs, xfs, bcachefs).
_FICLONE = 0x40049409
_CHUNK = 1 << 20


def copy_included(session: Session, source_checkout: str, lane_checkout: str) -> tuple[str, ...]:
    """Copy into `lane_checkout`, just checked out, what its `.worktreeinclude` (gitignore syntax) matches among the
    ignored regular files of `source_checkout`. Links are not followed, existing files not overwritten.

    Both paths are absolute. Returns the copied paths, relative to the checkout. Raises Failed `disk_full` and the like;
    a file that cannot be read is passed over with a note.
    """
    copied = []
    for name in _included(session, source_checkout, lane_checkout):
        try:
            if _copy(source_checkout, lane_checkout, name):
                copied.append(name)
        except PermissionError as error:
            session.progress.note(f"{name} was not copied into the lane: {os.strerror(error.errno or 0).lower()}")
        except OSError as error:
            raise failed_write(error, os.path.join(lane_checkout, name)) from error
    return tuple(copied)


def _included(session: Session, source: str, lane: str) -> list[str]:
    """The ignored files of `source` that the lane's commit names, by git's own matching."""
    patterns = os.path.join(lane, INCLUDE_FILE)
    if not _is_regular(patterns):
        return []
    place = Place.checkout(source)
    matched = session.git.run(["ls-files", "--others", "--ignored", f"--exclude-from={patterns}", "-z"], at=place)
    if not matched:
        return []
    ignored = session.git.run(["check-ignore", "-z", "--stdin"], at=place, input=matched, ok=(0, 1))
    names = sorted(name for name in ignored.decode(errors="surrogateescape").split("\0") if name)
    if os.path.lexists(os.path.join(lane, ".git/info/sparse-checkout")):
        # Outside its cone a sparse checkout stays empty.
        names = [name for name in names if os.path.isdir(os.path.join(lane, os.path.dirname(name)))]
    return names


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _copy(source: str, lane: str, name: str) -> bool:
    """Whether the file was copied; no when it is no regular file, is there already, or a link is on the way."""
    origin, target = os.path.join(source, name), os.path.join(lane, name)
    if name.endswith("/") or not _is_regular(origin) or os.path.lexists(target):
        return False
    if first_link(source, name) is not None or first_link(lane, name) is not None:
        return False
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return False  # the lane's commit has a file where the other checkout has a directory
    reading = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(reading).st_mode)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not _share(reading, writing):
                while data := os.read(reading, _CHUNK):
                    view = memoryview(data)
                    while view:
                        view = view[os.write(writing, view) :]
            os.fchmod(writing, mode & 0o777)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return True


def _share(reading: int, writing: int) -> bool:
    """Let both files share their blocks, where the file system can."""
    import fcntl
    import sys

    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        return False
    return True
