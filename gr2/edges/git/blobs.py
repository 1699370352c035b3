"""Bytes into and out of git's object store as they are: no filter, no end-of-line conversion, any size."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from gr2.edges.files import failed_write
from gr2.edges.git.door import Git, Place
from gr2.edges.git.work import LINK, Side, look, mode_of
from gr2.errors import Failed, Gr2Error

# What must outlive a power cut is fsynced with its object (git-config(1), core.fsync).
DURABLE = (("core.fsync", "all"),)
# Conversion that would refuse work because it cannot be undone: the raw bytes are kept as well.
LENIENT = (*DURABLE, ("core.safecrlf", "false"))
NOBODY = {
    "GIT_AUTHOR_NAME": "gr2",
    "GIT_AUTHOR_EMAIL": "gr2@localhost",
    "GIT_COMMITTER_NAME": "gr2",
    "GIT_COMMITTER_EMAIL": "gr2@localhost",
}
_ABSENT = "0" * 40


def store_files(git: Git, place: Place, modes: Mapping[str, str]) -> dict[str, Side]:
    """Store the files at `modes` (path below the checkout to git's mode), and give each its object."""
    root = place.work_tree
    assert root is not None
    regular = [path for path, mode in modes.items() if mode != LINK]
    found: dict[str, Side] = {}
    if regular:
        listing = b"".join(_quoted(path) + b"\n" for path in regular)
        args = ["hash-object", "-w", "--no-filters", "--stdin-paths"]
        shas = git.run(args, at=place, input=listing, config=DURABLE).split()
        found = {path: Side(modes[path], sha.decode()) for path, sha in zip(regular, shas, strict=True)}
    for path, mode in modes.items():
        if mode == LINK:
            target = os.readlink(os.fsencode(os.path.join(root, path)))
            found[path] = Side(LINK, store_bytes(git, place, target))
    return found


def _quoted(path: str) -> bytes:
    """`path` quoted as in C, byte by byte, as git's --stdin-paths takes it."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in os.fsencode(path)) + b'"'


def store_bytes(git: Git, place: Place, data: bytes) -> str:
    """Store `data` as a blob and give its id."""
    args = ["hash-object", "-w", "--no-filters", "--stdin"]
    return git.run(args, at=place, input=data, config=DURABLE).decode().strip()


def read_blob(git: Git, place: Place, name: str) -> bytes:
    """The content of a (small) blob."""
    return git.run(["cat-file", "blob", name], at=place)


def write_blobs(git: Git, place: Place, wanted: Sequence[tuple[Side, str]]) -> None:
    """Write each object to its path (absolute; nothing may be there), executable or as a link where its mode says so.

    Raises Failed `object_missing` when an object is not there, `disk_full` and the like.
    """
    files = [(side, path) for side, path in wanted if side.mode != LINK]
    if files:
        receiver = _Receiver(files)
        try:
            names = b"".join(side.sha.encode() + b"\n" for side, _ in files)
            _batch(git, place, names, receiver)
        finally:
            receiver.close()
        receiver.check()
    for side, path in wanted:
        if side.mode == LINK:
            os.symlink(read_blob(git, place, side.sha), os.fsencode(path))


def _batch(git: Git, place: Place, names: bytes, receiver: _Receiver) -> None:
    from dataclasses import replace

    command = git.command(["cat-file", "--batch"], at=place, input=names, listener=receiver.take)
    completed = git.runner.run(replace(command, head=0, tail=0))
    if completed.exit_code != 0:
        raise git.error(completed)


class _Receiver:
    """Takes `cat-file --batch` output as it comes: "<sha> <type> <size>", a line feed, the bytes, a line feed."""

    def __init__(self, files: Sequence[tuple[Side, str]]) -> None:
        self._files = list(files)
        self._next = 0
        self._header = bytearray()
        self._left = 0
        self._out: BinaryIO | None = None
        self._error: Gr2Error | None = None

    def take(self, stream: str, data: bytes) -> None:
        if stream != "stdout" or self._error is not None:
            return
        try:
            view = memoryview(data)
            while view and self._error is None:
                view = self._body(view) if self._out is not None else self._head(view)
        except OSError as error:
            self._error = failed_write(error, self._files[min(self._next, len(self._files) - 1)][1])

    def _head(self, view: memoryview) -> memoryview:
        text = bytes(view)
        end = text.find(b"\n")
        if end < 0:
            self._header += text
            return view[len(text) :]
        self._header += text[:end]
        words = bytes(self._header).split(b" ")
        self._header.clear()
        if len(words) != 3 or words[1] != b"blob":
            self._error = Failed("object_missing", f"git has no file {words[0].decode()}", scope="repo")
            return view[:0]
        side, path = self._files[self._next]
        permissions = 0o777 if side.mode == "100755" else 0o666
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._out = os.fdopen(os.open(path, flags, permissions), "wb")
        self._left = int(words[2]) + 1
        return view[end + 1 :]

    def _body(self, view: memoryview) -> memoryview:
        assert self._out is not None
        content = view[: max(self._left - 1, 0)]
        self._out.write(content)
        used = min(len(view), self._left)
        self._left -= used
        if self._left == 0:
            self._out.close()
            self._out = None
            self._next += 1
        return view[used:]

    def close(self) -> None:
        if self._out is not None:
            self._out.close()

    def check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._next < len(self._files):
            raise Failed("object_missing", f"git has no file {self._files[self._next][0].sha}", scope="repo")


def index_lines(sides: Iterable[tuple[str, Side | None]]) -> bytes:
    """Lines for `update-index -z --index-info`; None removes. Removals come first, so that a file can give way to a
    directory of its name."""
    rows = list(sides)
    gone = [f"0 {_ABSENT}\t{path}\0" for path, side in rows if side is None]
    there = [f"{side.mode} {side.sha}\t{path}\0" for path, side in rows if side is not None]
    return "".join([*gone, *there]).encode(errors="surrogateescape")


def tree_of(git: Git, place: Place, sides: Iterable[tuple[str, Side | None]], *, index: str) -> str:
    """The tree that holds `sides`, made with the temporary index file `index`; what that holds already is kept."""
    env = {"GIT_INDEX_FILE": index}
    args = ["update-index", "--add", "-z", "--index-info"]
    git.run(args, at=place, input=index_lines(sides), env=env)
    return git.run(["write-tree"], at=place, env=env, config=DURABLE).decode().strip()


def blob_name(path: str, *, like: str) -> str | None:
    """The name git would give the raw content of the file or link at the absolute `path`; None for anything else.

    like: any object's name of the repository, which tells its hash function.
    """
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(os.fsencode(path))
            return _digest(like, b"blob %d\0" % len(target), target)
        if not stat.S_ISREG(found.st_mode):
            return None
        with open(path, "rb") as file:
            digest = _hash(like)
            digest.update(b"blob %d\0" % os.fstat(file.fileno()).st_size)
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _hash(like: str) -> hashlib._Hash:
    return hashlib.sha1(usedforsecurity=False) if len(like) == 40 else hashlib.sha256()


def _digest(like: str, *parts: bytes) -> str:
    digest = _hash(like)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def is_side(root: str, path: str, side: Side | None) -> bool:
    """Whether exactly `side` (raw bytes; None: nothing) stands at `path` below `root`."""
    found = look(root, path)
    if side is None or found is None:
        return side is None and (found is None or stat.S_ISDIR(found.st_mode))
    if stat.S_ISDIR(found.st_mode) or mode_of(found) != side.mode:
        return False
    return blob_name(os.path.join(root, path), like=side.sha) == side.sha


def index_sides(git: Git, place: Place) -> dict[str, Side]:
    """Every entry of the index. A path in conflict has the mode "conflict"."""
    found: dict[str, Side] = {}
    listing = git.run(["ls-files", "--stage", "-z"], at=place).decode(errors="surrogateescape")
    for line in listing.split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            mode, sha, stage = facts.split(" ")
            found[path] = Side(mode if stage == "0" else "conflict", sha)
    return found


def tree_sides(git: Git, place: Place, tree: str) -> dict[str, Side]:
    """Every file of a tree or commit."""
    listing = git.run(["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree], at=place)
    found: dict[str, Side] = {}
    for line in listing.decode(errors="surrogateescape").split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            mode, _, sha = facts.split(" ")
            found[path] = Side(mode, sha)
    return found
