"""Files: written whole or not at all, private where they are gr2's own, never through a link."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from gr2.errors import Blocked, Failed, Gr2Error

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def failed_write(error: OSError, path: str) -> Gr2Error:
    """The error a person should see when `path` could not be written."""
    name = error.filename if isinstance(error.filename, str) else path
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Failed(
            "disk_full", f"no space left to write {name}", hint="free some space and run the same command again"
        )
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return Blocked("read_only", f"cannot write {name}: {os.strerror(error.errno).lower()}")
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return Failed("write_failed", f"cannot write {name}: {reason}")


def make_private_directory(path: str) -> None:
    """Make `path` and its missing parents, 0700 whatever the umask."""
    try:
        os.mkdir(path, PRIVATE_DIRECTORY)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_private_directory(os.path.dirname(path))
        return make_private_directory(path)


def sync_directory(path: str) -> None:
    """Make the entries of the directory `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: str, data: bytes, *, private: bool = False, temporary: str | None = None) -> None:
    """Replace the file `path` by `data`: written beside it (or in the directory `temporary`, made when missing, on the
    same file system), fsynced, renamed, directory fsynced. Readers see the old file or the new one, never a part.

    The draft is locked while somebody writes it (see `remove_dead_draft`).
    Raises Gr2Error `disk_full`, `read_only` or `write_failed`; then the old file is as it was.
    """
    mode = PRIVATE_FILE if private else 0o666
    prefix = os.path.join(temporary or os.path.dirname(path), f".{os.path.basename(path)}")
    try:
        if temporary is not None:
            make_private_directory(temporary)
        draft, descriptor = _open_draft(prefix, mode)
        try:
            if private:
                os.fchmod(descriptor, mode)
            elif (kept := mode_of(path)) is not None:
                os.fchmod(descriptor, kept)
            _write_all(descriptor, data)
            os.fsync(descriptor)
            os.rename(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        finally:
            os.close(descriptor)
        sync_directory(os.path.dirname(path))
    except OSError as error:
        if isinstance(error.filename, str) and error.filename.startswith(f"{prefix}."):
            # Nobody knows the draft.
            error.filename = path
        raise failed_write(error, path) from error


def _open_draft(prefix: str, mode: int) -> tuple[str, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        draft = f"{prefix}.{os.urandom(6).hex()}.tmp"
        descriptor = os.open(draft, flags, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return draft, descriptor
        except BlockingIOError:
            pass
        # Somebody who clears up took it for dead before it was locked.
        os.close(descriptor)


def remove_dead_draft(path: str) -> None:
    """Remove the file `path` that `write_whole` did not live to rename; one that is being written stays."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def mode_of(path: str) -> int | None:
    """The permission bits of the regular file `path`, or None when there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def read_regular(path: str, *, limit: int) -> bytes | None:
    """The content of the regular file `path`, at most `limit` bytes; None when there is no such file.

    Never waits on a FIFO and never follows a link at the last component: both raise OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if found.st_size > limit:
            raise OSError(errno.EFBIG, "file too large", path)
        return file.read(limit + 1)


def remove_tree(path: str) -> None:
    """Remove `path` and everything below it, read-only directories included; nothing there is fine."""
    import shutil

    def unlock(function: object, name: str, _: object) -> None:
        parent = os.path.dirname(name)
        os.chmod(parent, stat.S_IRWXU)
        if os.path.isdir(name) and not os.path.islink(name):
            os.chmod(name, stat.S_IRWXU)
            shutil.rmtree(name)
        elif os.path.lexists(name):
            os.unlink(name)

    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.lexists(path):
        shutil.rmtree(path, onerror=unlock)


def first_link(root: str, relative: str) -> str | None:
    """The first component of `relative` below `root` that is a symbolic link, as a path relative to `root`."""
    here = root
    for part in relative.split("/"):
        here = os.path.join(here, part)
        if os.path.islink(here):
            return os.path.relpath(here, root)
    return None


def is_inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it; both absolute and normalised."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def parents(path: str) -> Iterator[str]:
    """`path` and every directory above it, nearest first."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above
