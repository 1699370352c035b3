"""Locks between processes: flock(2) on files of their own, which are never removed.

A lock dies with its process (and the children it was handed to). What a lock file says of its holder is text for
people, never authority.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from gr2.edges.files import failed_write, make_private_directory


class LockTimeout(Exception):
    """The lock was not free in time. `holder` is what its file says of who has it."""

    def __init__(self, path: str, holder: Mapping[str, Any]) -> None:
        super().__init__(path)
        self.path = path
        self.holder = dict(holder)


class FileLock:
    """An exclusive (or shared) lock on the file `path`, for use in a `with` statement.

    `wait` is how many seconds to wait for it; 0 asks once. `holder` is written into the file for others to show.
    Without `make` the file has to be there (FileNotFoundError). Raises LockTimeout, and Gr2Error when the file cannot
    be made.
    """

    def __init__(
        self,
        path: str,
        *,
        wait: float = 0.0,
        shared: bool = False,
        holder: Mapping[str, Any] | None = None,
        pause: Callable[[float], None] = time.sleep,
        make: bool = True,
    ) -> None:
        self.path = path
        self._wait = wait
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._holder = holder
        self._pause = pause
        self._make = make
        self._descriptor: int | None = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def descriptor(self) -> int:
        """The open file; a child that inherits it keeps the lock until it ends."""
        assert self._descriptor is not None, "the lock is not held"
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock, waiting at most `wait` seconds."""
        descriptor = self._open()
        deadline = time.monotonic() + self._wait
        pause = 0.005
        try:
            while not _try(descriptor, self._kind):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LockTimeout(self.path, _read_holder(descriptor))
                self._pause(min(pause, left))
                pause = min(pause * 1.5, 0.1)
            if self._holder is not None:
                _write_holder(descriptor, self._holder)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; a lock that is not held is left alone."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        if not self._make:
            return os.open(self.path, flags)
        flags |= os.O_CREAT
        try:
            try:
                return os.open(self.path, flags, 0o600)
            except FileNotFoundError:
                make_private_directory(os.path.dirname(self.path))
                return os.open(self.path, flags, 0o600)
        except OSError as error:
            raise failed_write(error, self.path) from error


def is_held(path: str) -> bool:
    """Whether some process holds the lock at `path`. Writes nothing and makes no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True


def _write_holder(descriptor: int, holder: Mapping[str, Any]) -> None:
    # The lock is held either way: a full disk only costs others the holder's name.
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        return


def _read_holder(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
