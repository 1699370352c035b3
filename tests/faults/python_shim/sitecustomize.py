"""What shim.c does, for machines without a C compiler: in Python, and so for the first process only.

Reached through PYTHONPATH. The variables FAULT_FILE, FAULT_KIND and FAULT_AT and the shared file are those of shim.c,
except that for "child" the FAULT_AT-th child that the first process starts dies at once.
"""

import builtins
import errno
import io
import mmap
import os
import signal
import stat
import struct
import subprocess
import threading
import time

_HEADER = struct.Struct("=QQii")
_TRACE_AT = 64
_TRACE = 1 << 20


class _Shim:
    def __init__(self, path: str, kind: str, at: int) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.shared = mmap.mmap(descriptor, _TRACE_AT + _TRACE)
        os.close(descriptor)
        self.kind, self.at, self.lock = kind, at, threading.RLock()
        total, child, first, fired = _HEADER.unpack_from(self.shared)
        self.is_first = first == 0
        if self.is_first:
            self.pid = os.getpid()
            _HEADER.pack_into(self.shared, 0, total, child, self.pid, fired)

    def arrive(self, what: str, *, child: bool = False) -> int:
        """Count a call; its number in the order that FAULT_AT is about."""
        if not self.is_first or os.getpid() != self.pid:
            return 0
        with self.lock:
            total, children, first, fired = _HEADER.unpack_from(self.shared)
            if fired and self.kind == "tree":
                self.stop()
            total += not child
            children += child
            _HEADER.pack_into(self.shared, 0, total, children, first, fired)
            if not child and total <= _TRACE:
                self.shared[_TRACE_AT + total - 1] = ord(what)
            if self.kind == "child":
                return children if child else 0
            return 0 if child else total

    def is_due(self, number: int) -> bool:
        return bool(self.at and number) and (number >= self.at if self.kind == "enospc" else number == self.at)

    def act(self, number: int) -> None:
        if not self.is_due(number):
            return
        struct.pack_into("=i", self.shared, 20, 1)
        if self.kind == "tree":
            self.stop()
        elif self.kind == "gr2":
            os.kill(self.pid, signal.SIGKILL)
            self.stop()

    def point(self, what: str, *, needs_space: bool = False, name: str = "") -> None:
        number = self.arrive(what)
        if self.kind != "enospc":
            self.act(number)
        elif needs_space and self.is_due(number):
            struct.pack_into("=i", self.shared, 20, 1)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    def stop(self) -> None:
        while True:
            time.sleep(60)


def _install(shim: _Shim) -> None:
    real_open, real_write, real_pwrite, real_file = os.open, os.write, os.pwrite, io.open
    real_spawn = subprocess._fork_exec

    def is_regular(descriptor: int) -> bool:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)

    def opening(path: object, flags: int, folder: int | None = None) -> None:
        name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not flags & (os.O_CREAT | os.O_TRUNC) or name.startswith("/dev/"):
            return
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            shim.point("o", needs_space=bool(flags & os.O_CREAT), name=name)
        else:
            if flags & os.O_TRUNC:
                shim.point("o")

    def fault_open(path, flags, mode=0o777, *, dir_fd=None):
        opening(path, flags, dir_fd)
        return real_open(path, flags, mode, dir_fd=dir_fd)

    def torn(write, descriptor, data, *where):
        if not is_regular(descriptor):
            return write(descriptor, data, *where)
        shim.point("w", needs_space=True)
        if len(data) > 1 and shim.is_due(number := shim.arrive("t")):
            part = write(descriptor, memoryview(data)[: len(data) // 2], *where)
            shim.act(number)
            return part
        return write(descriptor, data, *where)

    class FaultFile(io.FileIO):
        def write(self, data):
            return torn(lambda _, part: io.FileIO.write(self, part), self.fileno(), bytes(data))

    def fault_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if isinstance(file, int) or opener is not None or not set(mode) & set("wax"):
            return real_file(file, mode, buffering, encoding, errors, newline, closefd, opener)
        opening(file, os.O_CREAT | (os.O_TRUNC if "w" in mode else 0))
        raw = FaultFile(file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode
        return text

    def fault_spawn(*args):
        shim.point("x")
        pid = real_spawn(*args)
        started = shim.arrive("x", child=True)
        if shim.kind == "child" and shim.is_due(started):
            struct.pack_into("=i", shim.shared, 20, 1)
            os.kill(pid, signal.SIGKILL)
        return pid

    def wrapped(name: str, what: str, needs_space: bool) -> None:
        real = getattr(os, name)

        def call(*args, **kwargs):
            shim.point(what, needs_space=needs_space, name=str(args[0]))
            return real(*args, **kwargs)

        setattr(os, name, call)
        # shutil and os look for functions in these sets to learn what the platform can do.
        for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if real in known:
                known.add(call)

    os.open = fault_open
    os.supports_dir_fd.add(fault_open)
    os.write = lambda descriptor, data: torn(real_write, descriptor, data)
    os.pwrite = lambda descriptor, data, where: torn(real_pwrite, descriptor, data, where)
    io.open = builtins.open = fault_file
    subprocess._fork_exec = fault_spawn
    for name, what in (("mkdir", "m"), ("link", "l"), ("symlink", "l")):
        wrapped(name, what, True)
    for name, what in (
        ("rename", "r"), ("replace", "r"), ("unlink", "u"), ("remove", "u"), ("rmdir", "u"), ("ftruncate", "n"),
        ("truncate", "n"), ("chmod", "c"), ("fchmod", "c"), ("fsync", "s"), ("fdatasync", "s"), ("utime", "i"),
    ):  # fmt: skip
        if hasattr(os, name):
            wrapped(name, what, False)


if "FAULT_FILE" in os.environ:
    _shim = _Shim(os.environ["FAULT_FILE"], os.environ["FAULT_KIND"], int(os.environ["FAULT_AT"]))
    if _shim.is_first:
        _install(_shim)
