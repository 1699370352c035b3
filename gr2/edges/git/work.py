"""Uncommitted work in a checkout: what there is, file by file, and why it could not be kept exactly."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from gr2.edges.files import first_link
from gr2.edges.git.door import Git, Place
from gr2.edges.git.status import in_progress
from gr2.model.records import dataclass

REGULAR, EXECUTABLE, LINK, GITLINK = "100644", "100755", "120000", "160000"
_STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=all",
    "--ignore-submodules=none",
    "--no-renames",
)


@dataclass(frozen=True)
class Side:
    """A file in one place: git's mode and the object that holds its content."""

    mode: str
    sha: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One path that differs somewhere: in the commit, the index, the working tree (raw bytes). None: not there."""

    path: str
    head: Side | None = None
    index: Side | None = None
    work: Side | None = None


@dataclass(frozen=True)
class Signature:
    """What tells, without reading it, that a file is still the one that was looked at."""

    mode: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a checkout holds besides its commit. `work` of the entries is still unread: `modes` and `signatures` have a
    row for each file that is there.

    nested: repositories inside this one that are untracked, or submodules that differ. unkeepable: path to the reason
    why it cannot be kept exactly.
    """

    head: str | None
    branch: str | None
    entries: tuple[Entry, ...]
    modes: Mapping[str, str]
    signatures: Mapping[str, Signature]
    nested: tuple[str, ...]
    unkeepable: Mapping[str, str]
    in_progress: str | None

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the entries, sorted."""
        return tuple(entry.path for entry in self.entries)


def find_work(git: Git, place: Place) -> Work:
    """The uncommitted work in the checkout at `place`. Ignored files are no work. Raises GitError."""
    assert place.work_tree is not None
    return _Reading(place.work_tree).read(git.run(_STATUS, at=place), in_progress(place.git_dir))


class _Reading:
    def __init__(self, root: str) -> None:
        self._root = root
        self._found: dict[str, Entry] = {}
        self._nested: list[str] = []
        self._unkeepable: dict[str, str] = {}
        self._head: str | None = None
        self._branch: str | None = None

    def read(self, output: bytes, busy: str | None) -> Work:
        for record in output.decode(errors="surrogateescape").split("\0"):
            if record:
                self._record(record)
        modes: dict[str, str] = {}
        signatures: dict[str, Signature] = {}
        for path in self._found:
            self._look(path, modes, signatures)
        work = Work(
            head=self._head,
            branch=self._branch,
            entries=tuple(self._found[path] for path in sorted(self._found)),
            modes=modes,
            signatures=signatures,
            nested=tuple(sorted(self._nested)),
            unkeepable=self._unkeepable,
            in_progress=busy,
        )
        for path in buried(self._root, work.entries, set(modes)):
            self._unkeepable[path] = "ignored files are where git has a file"
        return work

    def _record(self, record: str) -> None:
        kind = record[:2]
        if kind == "# ":
            name, _, value = record[2:].partition(" ")
            if name == "branch.oid":
                self._head = None if value == "(initial)" else value
            elif name == "branch.head":
                self._branch = None if value == "(detached)" else value
        elif kind == "1 ":
            self._changed(record)
        elif kind == "u ":
            self._unkeepable[record.split(" ", 10)[-1]] = "it is in conflict"
        elif kind == "? ":
            path = record[2:]
            if path.endswith("/"):
                self._nested.append(path.rstrip("/"))
            else:
                self._found.setdefault(path, Entry(path=path))
        else:
            raise ValueError(f"not porcelain v2: {record[:40]!r}")

    def _changed(self, record: str) -> None:
        _, states, submodule, mode_head, mode_index, _, sha_head, sha_index, path = record.split(" ", 8)
        if submodule[0] == "S":
            if states[0] == ".":
                self._nested.append(path)
            else:
                self._unkeepable[path] = "it is a submodule"
            return
        if states[1] == "A":
            self._unkeepable[path] = "it is added with intent only (git add -N)"
            return
        head = Side(mode_head, sha_head) if int(mode_head, 8) else None
        index = Side(mode_index, sha_index) if int(mode_index, 8) else None
        if GITLINK in {mode_head, mode_index}:
            self._unkeepable[path] = "it is a submodule"
        self._found[path] = Entry(path=path, head=head, index=index)

    def _look(self, path: str, modes: dict[str, str], signatures: dict[str, Signature]) -> None:
        found = look(self._root, path)
        if found is None or stat.S_ISDIR(found.st_mode):
            return
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            self._unkeepable[path] = "it is neither a file nor a link"
            return
        modes[path] = mode_of(found)
        signatures[path] = signature_of(found)


def look(root: str, path: str) -> os.stat_result | None:
    """What stands at `path` below `root`, links not followed anywhere; None when there is nothing."""
    folder = os.path.dirname(path)
    if folder and first_link(root, folder) is not None:
        return None
    try:
        return os.lstat(os.path.join(root, path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def has_file(root: str, path: str) -> bool:
    """Whether something that is not a directory stands at `path` below `root`."""
    found = look(root, path)
    return found is not None and not stat.S_ISDIR(found.st_mode)


def mode_of(found: os.stat_result) -> str:
    """The mode git would record."""
    if stat.S_ISLNK(found.st_mode):
        return LINK
    return EXECUTABLE if found.st_mode & 0o100 else REGULAR


def signature_of(found: os.stat_result) -> Signature:
    """The signature of a file."""
    return Signature(found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def buried(root: str, entries: Iterable[Entry], known: set[str]) -> list[str]:
    """The entries whose file in the commit cannot be put back without removing something that is not in `known`:
    a directory stands there that holds more, or a file stands where its directory belongs."""
    found = []
    for entry in entries:
        if entry.head is None or entry.path in known:
            continue
        if _is_in_the_way(root, entry.path, known):
            found.append(entry.path)
    return found


def _is_in_the_way(root: str, path: str, known: set[str]) -> bool:
    parts = path.split("/")
    for count in range(1, len(parts)):
        folder = "/".join(parts[:count])
        if folder in known:
            return False  # goes away with the rest
        full = os.path.join(root, folder)
        if os.path.islink(full) or (os.path.lexists(full) and not os.path.isdir(full)):
            return True
    for folder, names, files in os.walk(os.path.join(root, path)):
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            if os.path.relpath(os.path.join(folder, name), root) not in known:
                return True
    return False
