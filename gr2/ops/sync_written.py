"""Which paths an update makes and takes away, worked out beforehand in the object database.

git replaces ignored files without a word when it merges or rebases; what stands between the two ends is not all that it
writes: a merge may move files into renamed folders, and a rebase writes what each commit that is replayed had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Ask(Protocol):
    """Runs git in the checkout, with the mirror's objects at hand; what it printed."""

    def __call__(self, *args: str, ok: tuple[int, ...] = (0,), input: bytes | None = None) -> bytes: ...


def added_and_removed(ask: Ask, kind: str, head: str, to: str, base: str) -> tuple[list[str], set[str]]:
    """The paths that `head` does not have and the update writes, be it for a moment, and those of `head` that it takes
    away. kind: fast-forward, pin, merge or rebase; base: where the commits begin that a rebase replays."""
    first: dict[str, str] = {}
    for before, after in _moves(ask, kind, head, to, base):
        for change, path in _changes(ask, before, after):
            first.setdefault(path, change)
    added = [path for path, change in first.items() if change == "A"]
    return added, {path for path, change in first.items() if change == "D"}


def _moves(ask: Ask, kind: str, head: str, to: str, base: str) -> Iterator[tuple[str, str]]:
    """What the working tree goes through: from which commit or tree to which."""
    if kind == "merge":
        yield head, _merged(ask, head, to)[0]
        return
    yield head, to
    if kind == "rebase":
        yield from _replayed(ask, head, to, base)


def _replayed(ask: Ask, head: str, to: str, base: str) -> Iterator[tuple[str, str]]:
    """The steps of a rebase, up to the first that conflicts."""
    own = f"{base}..{head}" if base else head
    rows = ask("rev-list", "--reverse", "--topo-order", "--no-merges", "--parents", own, "--").decode().splitlines()
    here = to
    for commit, *parents in (row.split() for row in rows):
        if parents:
            after, is_clean = _merged(ask, _commit(ask, here, parents[0]), commit)
        else:
            nothing = ask("commit-tree", ask("mktree", input=b"").decode().strip(), "-m", "gr2").decode().strip()
            after, is_clean = _merged(ask, _commit(ask, here, nothing), _commit(ask, commit, nothing))
        yield here, after
        if not is_clean:
            return
        here = after


def _merged(ask: Ask, ours: str, theirs: str) -> tuple[str, bool]:
    """The tree that merging leaves in the files, marks and all, and whether that is free of conflict."""
    args = ["merge-tree", "--write-tree", "-z", "--allow-unrelated-histories", ours, theirs]
    fields = ask(*args, ok=(0, 1)).split(b"\0")
    return fields[0].decode(), len(fields) == 2


def _commit(ask: Ask, name: str, parent: str) -> str:
    """A commit for a moment, with the files of the commit or tree `name`: a merge takes `parent` for its base."""
    return ask("commit-tree", f"{name}^{{tree}}", "-p", parent, "-m", "gr2").decode().strip()


def _changes(ask: Ask, before: str, after: str) -> Iterator[tuple[str, str]]:
    args = ["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AD", "--name-status", "--end-of-options"]
    fields = ask(*args, before, after).decode(errors="surrogateescape").split("\0")
    yield from zip(fields[::2], fields[1::2], strict=False)
