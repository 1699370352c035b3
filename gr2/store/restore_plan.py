"""Works out, without touching the checkout, what putting saved work back would change in it, or that it conflicts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gr2.edges.git import Git, Place
from gr2.edges.git.blobs import DURABLE, NOBODY, index_sides, is_side, store_files, tree_of, tree_sides
from gr2.edges.git.refs import head_commit
from gr2.edges.git.work import GITLINK, Entry, Side, buried, find_work, has_file, look, mode_of
from gr2.store.snapshot import Snapshot
from gr2.store.worktree import checked_out


class RestoreConflict(Exception):
    """Saved work cannot go back as things are. `files`: where it conflicts; `reason`: one lower-case sentence.
    `in_commits`: with what was committed since, so that clearing the checkout does not help."""

    def __init__(self, reason: str, files: Sequence[str] = (), *, in_commits: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.in_commits = in_commits
        self.files = tuple(sorted(files))


def plan_restore(git: Git, place: Place, snapshot: Snapshot, *, scratch: str) -> tuple[Entry, ...]:
    """The entries that `put_back` has to write, those that are in place already left out.

    Where the commit below is the same, every byte is as it was; where it changed, the work is merged. Raises
    RestoreConflict when that fails, or when a path holds work that is not saved.
    """
    head = head_commit(place.git_dir)
    if head is None:
        raise RestoreConflict("the checkout has no commit")
    entries = snapshot.entries
    if head != snapshot.head and _base_changed(git, place, snapshot, head):
        entries = _merged(git, place, snapshot, head, scratch)
    return _without_present(git, place, entries)


def _base_changed(git: Git, place: Place, snapshot: Snapshot, head: str) -> bool:
    """Whether a path of the work, or a directory above or below it, differs between its commit and `head`."""
    args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", snapshot.head, head]
    listing = git.run(args, at=place).decode(errors="surrogateescape")
    changed = {path for path in listing.split("\0") if path}
    mine = {entry.path for entry in snapshot.entries}
    return any(mine & set(_and_above(path)) for path in changed) or any(
        changed & set(_and_above(path)) for path in mine
    )


def _and_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _without_present(git: Git, place: Place, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries that still have to be written. What stands in the way and is not committed is a conflict."""
    root = place.work_tree
    assert root is not None
    work = find_work(git, place)
    dirty = {*work.files, *work.unkeepable, *work.nested}
    index = index_sides(git, place)
    todo, blocked = [], []
    for entry in entries:
        if index.get(entry.path) == entry.index and is_side(root, entry.path, entry.work):
            continue
        if entry.path in dirty or not _is_free(root, entry):
            blocked.append(entry.path)
        todo.append(entry)
    leaving = {entry.path for entry in entries if look(root, entry.path) is not None}
    blocked += buried(root, [_as_head(entry) for entry in todo], leaving)
    if blocked:
        raise RestoreConflict("there is other work where it belongs", sorted(set(blocked)))
    return tuple(todo)


def _as_head(entry: Entry) -> Entry:
    return Entry(path=entry.path, head=entry.work)


def _is_free(root: str, entry: Entry) -> bool:
    """Whether what stands at a clean path is the commit's, not an ignored file's."""
    return entry.head is not None or not has_file(root, entry.path)


def _merged(git: Git, place: Place, snapshot: Snapshot, head: str, scratch: str) -> tuple[Entry, ...]:
    """The entries for a checkout whose commit has moved on: both the index and the working tree are merged, each
    against the commit the work was based on. Nothing in the checkout is touched."""
    theirs = _whole_tree(git, place, snapshot, scratch)
    base = _commit(git, place, f"{snapshot.head}^{{tree}}")
    ours = _commit(git, place, f"{head}^{{tree}}", base)
    work_tree = _merge(git, place, ours, _commit(git, place, theirs, base))
    index_tree = _merge(git, place, ours, _commit(git, place, f"{snapshot.stash}^2^{{tree}}", base))
    now = tree_sides(git, place, head)
    work, index = tree_sides(git, place, work_tree), tree_sides(git, place, index_tree)
    wanted = tree_sides(git, place, theirs)
    raw = {entry.path: entry for entry in snapshot.entries}
    fresh: dict[str, Side] = {}
    entries: list[Entry] = []
    for path in sorted({*now, *work, *index, *raw}):
        kept = raw.get(path)
        as_saved = kept is not None and work.get(path) == wanted.get(path) and kept.head == now.get(path)
        if as_saved and kept is not None:
            entries.append(Entry(path=path, head=now.get(path), index=index.get(path), work=kept.work))
        elif not (now.get(path) == work.get(path) == index.get(path)):
            if path in work:
                fresh[path] = work[path]
            entries.append(Entry(path=path, head=now.get(path), index=index.get(path), work=work.get(path)))
    return _with_raw(git, place, entries, fresh, scratch)


def _with_raw(
    git: Git, place: Place, entries: Sequence[Entry], fresh: Mapping[str, Side], scratch: str
) -> tuple[Entry, ...]:
    """The entries, with the raw bytes that git would check out for the `fresh` ones."""
    folder = os.path.join(scratch, "merged")
    plain = {path: side for path, side in fresh.items() if side.mode != GITLINK}
    written = checked_out(git, place, plain, folder)
    there = Place(place.git_dir, folder) if written else place
    modes = {path: mode_of(os.lstat(where)) for path, where in written.items()}
    sides = store_files(git, there, modes) if written else {}
    return tuple(replace(entry, work=sides[entry.path]) if entry.path in sides else entry for entry in entries)


def _whole_tree(git: Git, place: Place, snapshot: Snapshot, scratch: str) -> str:
    """The working tree that was saved, untracked files included, in git's own form (conversions applied)."""
    files = tree_sides(git, place, snapshot.stash)
    parents = git.text(["rev-list", "--parents", "-n", "1", "--end-of-options", snapshot.stash], at=place).split()
    if len(parents) > 3:
        files.update(tree_sides(git, place, parents[3]))
    return tree_of(git, place, files.items(), index=os.path.join(scratch, "whole.index"))


def _commit(git: Git, place: Place, tree: str, *parents: str) -> str:
    name = git.text(["rev-parse", "--verify", "--end-of-options", tree], at=place)
    args = ["commit-tree", name, *(word for parent in parents for word in ("-p", parent)), "-m", "gr2: merge"]
    return git.run(args, at=place, env=NOBODY).decode().strip()


def _merge(git: Git, place: Place, ours: str, theirs: str) -> str:
    """The tree of a merge that happens in the object database alone (git-merge-tree(1))."""
    args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs]
    output = git.run(args, at=place, ok=(0, 1), config=DURABLE).decode(errors="surrogateescape")
    tree, *names = [field for field in output.split("\0") if field]
    if names:
        # Where a directory took a file's place, merge-tree names the file `<path>~<commit>`.
        files = {name.removesuffix(f"~{ours}").removesuffix(f"~{theirs}") for name in names}
        raise RestoreConflict("the same lines were changed since", tuple(files), in_commits=True)
    return tree
