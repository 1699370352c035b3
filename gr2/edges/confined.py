"""Files below one directory, reached step by step from an open descriptor: no link on the way is ever followed, also
not one that is swapped in meanwhile (openat(2), O_NOFOLLOW)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gr2.model.records import dataclass

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class InTheWay(Exception):
    """Something else is at `path` (relative to the root), or on the way there. `reason` is a lower-case phrase."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is at a place. kind: missing, file, link, directory or other. data: a file's bytes; target: a link's."""

    kind: str
    data: bytes = b""
    target: str = ""
    mode: int = 0


MISSING = Seen(kind="missing")


@contextmanager
def folder(root: str, relative: str, *, make: bool = False) -> Iterator[int]:
    """The directory `relative` below the absolute directory `root`, open; "" is the root. With `make`, missing ones
    are made. Raises InTheWay for links and files on the way, FileNotFoundError, OSError."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done: list[str] = []
        for part in filter(None, relative.split("/")):
            done.append(part)
            following = _step(here, part, "/".join(done), make)
            os.close(here)
            here = following
        yield here
    finally:
        os.close(here)


def _step(here: int, part: str, path: str, make: bool) -> int:
    if part in {".", ".."}:
        raise InTheWay(path, "leaves its root")
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=here)
    try:
        return os.open(part, _DIRECTORY, dir_fd=here)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}:
            raise InTheWay(path, _what_is_there(here, part)) from error
        raise


def _what_is_there(here: int, part: str) -> str:
    try:
        mode = os.stat(part, dir_fd=here, follow_symlinks=False).st_mode
    except OSError:
        return "is no directory"
    return "is a symbolic link" if stat.S_ISLNK(mode) else "is no directory"


def look(root: str, relative: str, *, limit: int) -> Seen:
    """What is at `relative` below `root`. Raises InTheWay for links on the way and files over `limit` bytes."""
    above, _, name = relative.rpartition("/")
    try:
        with folder(root, above) as here:
            return _look_at(here, name, relative, limit)
    except FileNotFoundError:
        return MISSING


def _look_at(here: int, name: str, relative: str, limit: int) -> Seen:
    found = os.stat(name, dir_fd=here, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        return Seen(kind="link", target=os.readlink(name, dir_fd=here))
    if stat.S_ISDIR(found.st_mode):
        return Seen(kind="directory")
    if not stat.S_ISREG(found.st_mode):
        return Seen(kind="other")
    try:
        descriptor = os.open(name, _FILE, dir_fd=here)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise InTheWay(relative, "is a symbolic link") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        opened = os.fstat(file.fileno())
        if not stat.S_ISREG(opened.st_mode):
            return Seen(kind="other")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InTheWay(relative, f"is over {limit >> 20} MiB")
    return Seen(kind="file", data=data, mode=stat.S_IMODE(opened.st_mode))


def put_file(root: str, relative: str, data: bytes, *, mode: int, temporary: str, replace: bool) -> None:
    """Have a file with `data` at `relative` below `root`, whole or not at all, folders included.

    temporary: a directory of gr2's own on the same file system. Without `replace` nothing that is there is touched:
    InTheWay. A directory there is InTheWay always. Raises OSError.
    """
    draft = os.path.join(temporary, f"projection-{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        _put(root, relative, draft, replace)
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


def put_link(root: str, relative: str, target: str, *, temporary: str, replace: bool) -> None:
    """Have a symbolic link to `target` at `relative` below `root`; as `put_file`."""
    draft = os.path.join(temporary, f"projection-{os.urandom(8).hex()}")
    try:
        os.symlink(target, draft)
        _put(root, relative, draft, replace)
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


def _put(root: str, relative: str, draft: str, replace: bool) -> None:
    above, _, name = relative.rpartition("/")
    with folder(root, above, make=True) as here:
        try:
            if replace:
                os.rename(draft, name, dst_dir_fd=here)
            else:
                # link(2) never replaces anything, whoever was faster.
                os.link(draft, name, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise InTheWay(relative, "has something else at its place") from error
            raise
        os.fsync(here)
