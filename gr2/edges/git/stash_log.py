"""The list of stashes, from its files (gitrepository-layout(5)): the reflog of `refs/stash` is the list, and its newest
entry is what the ref names. A git that was killed between the two leaves them apart; `mend` brings them together again.
"""

from __future__ import annotations

import os

from gr2.edges.git.refs import read_ref

_REF = "refs/stash"


def stash_entries(git_dir: str) -> list[str]:
    """The objects of `git stash list`, newest first."""
    return [
        words[1].decode("ascii", "replace") for line in reversed(_lines(git_dir)) if len(words := line.split(b" ")) > 2
    ]


def _lines(git_dir: str) -> list[bytes]:
    try:
        with open(os.path.join(git_dir, "logs", _REF), "rb") as file:
            return file.read().splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError):
        return []


def mend(git_dir: str, stash: str) -> None:
    """Undo what a killed `git stash store` or `drop` of the entry `stash` left half done; anything else is left alone.

    An entry that the list has and the ref does not know was not stored yet; a ref that names what the list has no more
    was not dropped wholly. Does nothing while another git has the ref locked. Raises OSError.
    """
    ref, entries = read_ref(git_dir, _REF), stash_entries(git_dir)
    half_stored = bool(entries) and entries[0] == stash != ref
    half_dropped = ref == stash and stash not in entries
    if not (half_stored or half_dropped):
        return
    lock = os.path.join(git_dir, _REF + ".lock")
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return
    try:
        if half_stored:
            _write_log(git_dir, _lines(git_dir)[:-1])
        elif entries:
            os.write(descriptor, entries[0].encode() + b"\n")
            os.fsync(descriptor)
            os.rename(lock, os.path.join(git_dir, _REF))
        else:
            _remove(os.path.join(git_dir, "logs", _REF))
            _remove(os.path.join(git_dir, _REF))
    finally:
        os.close(descriptor)
        _remove(lock)


def _write_log(git_dir: str, lines: list[bytes]) -> None:
    path = os.path.join(git_dir, "logs", _REF)
    if not lines:
        _remove(path)
        return
    with open(path + ".lock", "wb") as file:
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".lock", path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
