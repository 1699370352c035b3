"""Uncommitted work as one commit: what every file, link and index entry was, byte by byte.

The commit is pinned at `refs/gr2/saved/<id>` in the checkout. Its tree holds `manifest.json`, `index/<path>` and
`worktree/<path>` (raw bytes), so that people can read it with git alone. Its parents are the commit the work was based
on, and a commit in the form of an ordinary stash entry (git-stash(1), "Discussion"), in which git's conversions apply.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gr2.edges.files import failed_write
from gr2.edges.git import Git, Place
from gr2.edges.git.blobs import DURABLE, LENIENT, NOBODY, read_blob, store_bytes, store_files, tree_of
from gr2.edges.git.refs import is_object_id
from gr2.edges.git.stash_log import mend, stash_entries
from gr2.edges.git.work import Entry, Side, Work
from gr2.errors import Failed
from gr2.model.names import stays_below
from gr2.model.records import dataclass

VERSION = 1
_MANIFEST = "manifest.json"
PIN = "refs/gr2/saved/"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Work as it was kept. commit: what is pinned; stash: the ordinary stash entry; head: what both are based on."""

    commit: str
    stash: str
    head: str
    branch: str | None
    entries: tuple[Entry, ...]


def capture(git: Git, place: Place, work: Work, *, message: str, scratch: str) -> Snapshot:
    """Store `work` in the checkout's object database; nothing in the checkout changes, and nothing refers to it yet.

    scratch: an existing empty directory for temporary indexes. Raises GitError, Failed `disk_full`.
    """
    assert work.head is not None
    sides = store_files(git, place, work.modes)
    entries = tuple(replace(entry, work=sides.get(entry.path)) for entry in work.entries)
    stash = _stash_commit(git, place, work, entries, message=message, scratch=scratch)
    tree = _snapshot_tree(git, place, work, entries, scratch)
    commit = _commit(git, place, tree, (work.head, stash), f"gr2: saved work\n\n{message}")
    return Snapshot(commit=commit, stash=stash, head=work.head, branch=work.branch, entries=entries)


def _snapshot_tree(git: Git, place: Place, work: Work, entries: Sequence[Entry], scratch: str) -> str:
    rows: list[dict[str, Any]] = []
    files: list[tuple[str, Side | None]] = []
    for entry in entries:
        sides = {"head": entry.head, "index": entry.index, "work": entry.work}
        rows.append({"path": entry.path, **{key: side and [side.mode, side.sha] for key, side in sides.items()}})
        if entry.index is not None:
            files.append((f"index/{entry.path}", entry.index))
        if entry.work is not None:
            files.append((f"worktree/{entry.path}", entry.work))
    manifest = {"version": VERSION, "head": work.head, "branch": work.branch, "entries": rows}
    blob = store_bytes(git, place, json.dumps(manifest).encode())
    files.append((_MANIFEST, Side("100644", blob)))
    return tree_of(git, place, files, index=os.path.join(scratch, "snapshot.index"))


def _stash_commit(git: Git, place: Place, work: Work, entries: Sequence[Entry], *, message: str, scratch: str) -> str:
    """The three commits of a stash entry: the index, the untracked files, and the working tree over both."""
    assert work.head is not None
    index = os.path.join(scratch, "stash.index")
    copy_index(place, index)
    env = {"GIT_INDEX_FILE": index}
    where = work.branch or "(no branch)"
    index_tree = git.run(["write-tree"], at=place, env=env, config=DURABLE).decode().strip()
    parents = [work.head, _commit(git, place, index_tree, (work.head,), f"index on {where}: {work.head[:9]}")]
    tracked = [entry for entry in entries if entry.index is not None]
    gone = [(entry.path, None) for entry in tracked if entry.work is None]
    tree = tree_of(git, place, gone, index=index) if gone else index_tree
    here = [entry.path for entry in tracked if entry.work is not None]
    tree = _add(git, place, here, index) or tree
    untracked = [entry.path for entry in entries if entry.index is None and entry.work is not None]
    untracked_tree = _add(git, place, untracked, os.path.join(scratch, "untracked.index"))
    if untracked_tree is not None:
        parents.append(_commit(git, place, untracked_tree, (), f"untracked files on {where}: {work.head[:9]}"))
    return _commit(git, place, tree, parents, stash_subject(work.branch, message))


def stash_subject(branch: str | None, message: str) -> str:
    """The subject of a stash entry, as `git stash push -m` writes it."""
    return f"On {branch or '(no branch)'}: {message}"


def copy_index(place: Place, to: str) -> None:
    """Copy the checkout's index, so that it can be played with."""
    source = os.path.join(place.git_dir, "index")
    try:
        if os.path.exists(source):
            shutil.copyfile(source, to)
    except OSError as error:
        raise failed_write(error, to) from error


def _add(git: Git, place: Place, paths: Sequence[str], index: str) -> str | None:
    """The tree of the temporary `index` after `paths` were added as git would add them, None when there are none."""
    if not paths:
        return None
    env = {"GIT_INDEX_FILE": index}
    listing = "\0".join([*paths, ""]).encode(errors="surrogateescape")
    git.run(["update-index", "--add", "--replace", "-z", "--stdin"], at=place, input=listing, env=env, config=LENIENT)
    return git.run(["write-tree"], at=place, env=env, config=DURABLE).decode().strip()


def _commit(git: Git, place: Place, tree: str, parents: Iterable[str], message: str) -> str:
    args = ["commit-tree", tree]
    for parent in parents:
        args += ["-p", parent]
    text = message.encode(errors="surrogateescape")
    return git.run(args, at=place, input=text, env=NOBODY, config=DURABLE).decode().strip()


def pin(git: Git, place: Place, saved_id: str, commit: str) -> None:
    """Keep `commit` from ever being pruned, under the saved work's own ref."""
    git.run(["update-ref", "--no-deref", PIN + saved_id, commit], at=place, config=DURABLE)


def unpin(git: Git, place: Place, saved_id: str) -> None:
    """Let go of the commit; a ref that is not there is fine."""
    git.run(["update-ref", "--no-deref", "-d", PIN + saved_id], at=place)


def load(git: Git, place: Place, commit: str) -> Snapshot:
    """The snapshot that `commit` holds. Raises Failed `saved_unreadable`."""
    try:
        found = json.loads(read_blob(git, place, f"{commit}:{_MANIFEST}"))
        if found["version"] > VERSION:
            raise Failed("newer_version", "a newer gr2 saved this work", hint="use the newer gr2 that wrote it")
        entries = entries_from_rows(found["entries"])
        head, branch = found["head"], found["branch"]
    except (ValueError, KeyError, TypeError) as error:
        raise Failed("saved_unreadable", f"commit {commit} is not saved work of gr2", scope="repo") from error
    stash = git.text(["rev-parse", "--verify", "--end-of-options", f"{commit}^2"], at=place)
    return Snapshot(commit=commit, stash=stash, head=head, branch=branch, entries=entries)


def rows_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The entries as JSON."""

    def row(side: Side | None) -> list[str] | None:
        return None if side is None else [side.mode, side.sha]

    return [{"path": e.path, "head": row(e.head), "index": row(e.index), "work": row(e.work)} for e in entries]


def entries_from_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """The entries that `rows_of` wrote. Raises ValueError, KeyError or TypeError for any others."""

    def side(found: Sequence[str] | None) -> Side | None:
        if found is None:
            return None
        mode, sha = found
        if not is_object_id(sha):
            raise ValueError(f"not an object id: {sha}")
        return Side(mode, sha)

    for row in rows:
        if not row["path"] or not stays_below(row["path"]):
            raise ValueError(f"the path leads elsewhere: {row['path']}")
    return tuple(
        Entry(path=row["path"], head=side(row["head"]), index=side(row["index"]), work=side(row["work"]))
        for row in rows
    )


def push_stash(git: Git, place: Place, snapshot: Snapshot, message: str) -> None:
    """Make the snapshot's stash entry the newest of `git stash list`, unless it is in there."""
    _mend(place, snapshot.stash)
    if snapshot.stash not in stash_entries(place.git_dir):
        subject = stash_subject(snapshot.branch, message)
        git.run(["stash", "store", "--quiet", "-m", subject, snapshot.stash], at=place, config=DURABLE)


def drop_stash(git: Git, place: Place, stash: str) -> None:
    """Drop the entry whose object is `stash`, wherever in the list it is by now; none is fine."""
    _mend(place, stash)
    for _ in range(5):
        entries = stash_entries(place.git_dir)
        if stash not in entries:
            return
        name = f"stash@{{{entries.index(stash)}}}"
        if git.text(["rev-parse", "--verify", "--quiet", "--end-of-options", name], at=place, ok=(0, 1)) != stash:
            continue
        said = git.text(["stash", "drop", name], at=place)
        dropped = said.rpartition("(")[2].rstrip(")")
        if dropped == stash:
            return
        # Somebody pushed or dropped between the look and the deed: theirs goes back.
        subject = git.text(["log", "-1", "--format=%s", "--end-of-options", dropped], at=place)
        git.run(["stash", "store", "--quiet", "-m", subject, dropped], at=place)


def _mend(place: Place, stash: str) -> None:
    try:
        mend(place.git_dir, stash)
    except OSError as error:
        raise failed_write(error, os.path.join(place.git_dir, "refs/stash")) from error
