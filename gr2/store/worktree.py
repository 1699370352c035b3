"""Takes saved work out of a checkout and puts it back, path by path, without touching anything else.

Every step can be repeated: a path is changed only while it is as it was left, so what a killed gr2 half did is finished
or undone, and what a person did in between is never overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from gr2.edges.files import failed_write, first_link
from gr2.edges.git import Git, Place
from gr2.edges.git.blobs import DURABLE, index_lines, index_sides, is_side, tree_of, write_blobs
from gr2.edges.git.work import GITLINK, Entry, Side, Signature, has_file, look, signature_of
from gr2.errors import Failed


def take_away(git: Git, place: Place, entries: Sequence[Entry], signatures: Mapping[str, Signature]) -> None:
    """Bring the entries' paths to the state of the commit. Their work must be safe already.

    A file that is not the one that was looked at any more stays: Failed `work_changed`.
    """
    root = _root(place)
    here = [entry.path for entry in entries if entry.work is not None]
    for path in here:
        _require_unchanged(root, path, signatures[path])
    _write_index(git, place, [(entry.path, entry.head) for entry in entries if entry.index != entry.head])
    for path in here:
        _require_unchanged(root, path, signatures[path])
        _unlink(root, path)
    listing = "".join(f"{entry.path}\0" for entry in entries if entry.head is not None)
    if listing:
        args = ["checkout-index", "--force", "-u", "-z", "--stdin"]
        git.run(args, at=place, input=listing.encode(errors="surrogateescape"))


def _require_unchanged(root: str, path: str, signature: Signature) -> None:
    found = look(root, path)
    if found is None or signature_of(found) != signature:
        raise Failed(
            "work_changed",
            f"{path} was changed while it was being put away",
            scope="repo",
            hint="run the same command again",
        )


def _unlink(root: str, path: str) -> None:
    """Remove a file and the directories it leaves empty."""
    try:
        os.unlink(os.path.join(root, path))
        _remove_empty_folders(root, path)
    except OSError as error:
        raise failed_write(error, path) from error


def _remove_empty_folders(root: str, path: str) -> None:
    folder = os.path.dirname(path)
    while folder:
        try:
            os.rmdir(os.path.join(root, folder))
        except OSError:
            return
        folder = os.path.dirname(folder)


def not_ours(git: Git, place: Place, entries: Sequence[Entry], *, scratch: str) -> list[str]:
    """The paths that are neither as the entries have them nor as a (perhaps interrupted) `take_away` or `put_back`
    leaves them: somebody has worked on them since.

    scratch: an existing directory in which nothing is called "commit".
    """
    root = _root(place)
    index = index_sides(git, place)
    theirs = [entry.path for entry in entries if index.get(entry.path) not in (entry.index, entry.head)]
    doubtful = []
    for entry in entries:
        if is_side(root, entry.path, entry.work) or is_side(root, entry.path, None):
            continue
        doubtful.append(entry)
    versions = staged_versions(git, place, doubtful, os.path.join(scratch, "commit"))
    for entry in doubtful:
        version = versions.get(entry.path)
        # git writes a file in place: one that was cut short by a kill begins like the whole.
        if version is None or not _begins_like(os.path.join(root, entry.path), version):
            theirs.append(entry.path)
    return sorted(set(theirs))


def staged_versions(git: Git, place: Place, entries: Iterable[Entry], folder: str) -> dict[str, str]:
    """The entries' files of the commit as git would check them out, each written below `folder`: path to where."""
    heads = {entry.path: entry.head for entry in entries if entry.head is not None and entry.head.mode != GITLINK}
    return checked_out(git, place, heads, folder)


def checked_out(git: Git, place: Place, sides: Mapping[str, Side], folder: str) -> dict[str, str]:
    """`sides` written below `folder` as git checks them out, conversions applied: path to where."""
    if not sides:
        return {}
    index = folder + ".index"
    tree_of(git, place, sides.items(), index=index)
    args = ["checkout-index", "--all", "--force", f"--prefix={folder}/"]
    git.run(args, at=place, env={"GIT_INDEX_FILE": index})
    return {path: os.path.join(folder, path) for path in sides}


def _begins_like(path: str, whole: str) -> bool:
    if os.path.islink(path) or os.path.islink(whole):
        return os.path.islink(path) and os.path.islink(whole) and os.readlink(path) == os.readlink(whole)
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as mine, open(whole, "rb") as theirs:
        while chunk := mine.read(1 << 20):
            if theirs.read(len(chunk)) != chunk:
                return False
    return True


def put_back(git: Git, place: Place, entries: Sequence[Entry], *, scratch: str) -> None:
    """Bring the entries' paths to what was saved, index entries included. The caller has made sure that nothing of a
    person's is in the way. Files appear whole.

    scratch: an existing directory on the checkout's file system in which nothing is called "work".
    """
    root = _root(place)
    changed = [entry for entry in entries if not is_side(root, entry.path, entry.work)]
    staged = _staged_work(git, place, changed, os.path.join(scratch, "work"))
    for entry in changed:
        if has_file(root, entry.path):
            _unlink(root, entry.path)
    for entry in changed:
        if entry.work is not None:
            _place(root, entry.path, staged[entry.path])
    _write_index(git, place, [(entry.path, entry.index) for entry in entries])
    git.run(["update-index", "-q", "--refresh"], at=place, ok=(0, 1), config=DURABLE)


def _staged_work(git: Git, place: Place, entries: Sequence[Entry], folder: str) -> dict[str, str]:
    try:
        os.mkdir(folder, 0o700)
    except OSError as error:
        raise failed_write(error, folder) from error
    here = [entry for entry in entries if entry.work is not None]
    staged = {entry.path: os.path.join(folder, str(number)) for number, entry in enumerate(here)}
    write_blobs(git, place, [(entry.work, staged[entry.path]) for entry in here if entry.work is not None])
    return staged


def _place(root: str, path: str, staged: str) -> None:
    """Move a staged file to its place, its missing directories made."""
    final = os.path.join(root, path)
    folder = os.path.dirname(path)
    try:
        if folder:
            if first_link(root, folder) is not None:
                raise Failed("work_changed", f"a folder of {path} became a link", scope="repo")
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        if os.path.isdir(final) and not os.path.islink(final):
            remove_empty_tree(final)
        os.rename(staged, final)
    except OSError as error:
        raise failed_write(error, path) from error


def remove_empty_tree(path: str) -> None:
    """Remove a directory that holds nothing but directories. Raises OSError when it holds more."""
    for folder, _, _ in os.walk(path, topdown=False):
        os.rmdir(folder)


def _write_index(git: Git, place: Place, sides: Sequence[tuple[str, Side | None]]) -> None:
    if sides:
        args = ["update-index", "--add", "-z", "--index-info"]
        git.run(args, at=place, input=index_lines(sides), config=DURABLE)


def _root(place: Place) -> str:
    assert place.work_tree is not None
    return place.work_tree


def is_part_of(path: str, version: str | None) -> bool:
    """Whether the file `path` is what git began to write from `version` (or is a directory, which git makes room
    in by itself)."""
    if os.path.isdir(path) and not os.path.islink(path):
        return True
    return version is not None and _begins_like(path, version)


def reset_paths(git: Git, place: Place, entries: Sequence[Entry]) -> None:
    """Bring the entries' paths, in index and working tree, to `head`. The caller has made sure that nothing of a
    person's is there."""
    root = _root(place)
    _write_index(git, place, [(entry.path, entry.head) for entry in entries])
    for entry in entries:
        if has_file(root, entry.path):
            _unlink(root, entry.path)
    listing = "".join(f"{entry.path}\0" for entry in entries if entry.head is not None)
    if listing:
        args = ["checkout-index", "--force", "-u", "-z", "--stdin"]
        git.run(args, at=place, input=listing.encode(errors="surrogateescape"))
