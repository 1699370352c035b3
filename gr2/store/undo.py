"""Undoes what the journal of a checkout says was begun and not ended (see `gr2.store.journal`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gr2.edges.files import failed_write, is_inside
from gr2.edges.git import Git, Place
from gr2.edges.git.blobs import tree_sides
from gr2.edges.git.refs import head_commit, is_object_id
from gr2.edges.git.status import in_progress
from gr2.edges.git.work import Entry, Side, look
from gr2.model.hints import git_at
from gr2.model.outcome import Issue
from gr2.store.saved import Doors, Saved, SavedKind, SavedState, read_saved, remove_saved, set_state
from gr2.store.snapshot import Snapshot, drop_stash, entries_from_rows, load, pin, push_stash, unpin
from gr2.store.worktree import checked_out, is_part_of, not_ours, put_back, reset_paths


def require_journal(entry: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError unless `entry` is what `CheckoutChange` writes: the whole
    workspace may have come from somebody else."""
    int(entry["since_ns"])
    update = entry.get("update") or {"from": None, "to": None}
    for commit in (update["from"], update["to"]):
        if commit is not None and not is_object_id(commit):
            raise ValueError(f"not an object id: {commit}")
    if entry.get("restoring"):
        entries_from_rows(entry["restoring"]["entries"])


def undo(doors: Doors, path: str, git: Git, entry: Mapping[str, Any]) -> tuple[Issue, ...]:
    """Undo `entry`: first the move of HEAD, then the putting away. A putting back that was begun is finished."""
    place = Place.checkout(doors.layout.at(path))
    issues: list[Issue] = []
    moved = False
    if entry.get("update"):
        moved, found = _undo_update(doors, path, git, place, entry["update"])
        issues += found
    if entry.get("restoring"):
        return (*issues, *_finish_restoring(doors, path, git, place, entry["restoring"]))
    if entry.get("saved"):
        issues += _bring_back(doors, path, git, place, str(entry["saved"]), moved=moved)
    return tuple(issues)


def _scratch(place: Place, name: str) -> str:
    folder = os.path.join(place.git_dir, "gr2", name)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
    except OSError as error:
        raise failed_write(error, folder) from error
    return folder


def _bring_back(doors: Doors, path: str, git: Git, place: Place, saved_id: str, *, moved: bool) -> list[Issue]:
    """Undo a putting away: the work goes back to where it was, and its copies go."""
    saved = read_saved(doors.layout, saved_id)
    if saved is None:
        unpin(git, place, saved_id)
        return []
    if not saved.is_waiting:
        return []
    if moved and saved.kind is SavedKind.DISCARD:
        set_state(doors, saved, SavedState.KEPT)  # what it was discarded for has happened
        return []
    snapshot = load(git, place, saved.commit)
    pin(git, place, saved_id, saved.commit)
    if moved:
        return _restore_on_top(doors, path, git, place, saved, snapshot)
    theirs = _put_back_what_is_ours(git, place, snapshot.entries)
    if theirs:
        return [_keep(doors, path, git, place, saved, snapshot)]
    drop_stash(git, place, saved.stash)
    remove_saved(doors.layout, saved_id)
    unpin(git, place, saved_id)
    return []


def _put_back_what_is_ours(git: Git, place: Place, entries: Sequence[Entry]) -> list[str]:
    """Bring back every file that nobody has worked on since; gives the paths of the others, which stay."""
    theirs = not_ours(git, place, entries, scratch=_scratch(place, "compare"))
    ours = [entry for entry in entries if not any(_overlap(entry.path, other) for other in theirs)]
    put_back(git, place, ours, scratch=_scratch(place, "back"))
    return theirs


def _overlap(one: str, other: str) -> bool:
    return is_inside(one, other) or is_inside(other, one)


def _keep(doors: Doors, path: str, git: Git, place: Place, saved: Saved, snapshot: Snapshot) -> Issue:
    if saved.kind is SavedKind.STASH:
        push_stash(git, place, snapshot, saved.message)
    set_state(doors, saved, SavedState.KEPT)
    return kept_issue(path, saved)


def kept_issue(path: str, saved: Saved) -> Issue:
    """What a person is told when saved work could not go back by itself."""
    return Issue(
        code="stash_kept" if saved.kind is SavedKind.STASH else "saved_work",
        scope="repo",
        subject=path,
        message="work that was put away is still saved, as it does not fit any more",
        hint=f"gr2 saved restore {saved.id}",
        blocking=False,
        details={"path": path, "saved_id": saved.id, "stash": saved.stash, "files": list(saved.files)},
    )


def _restore_on_top(doors: Doors, path: str, git: Git, place: Place, saved: Saved, snapshot: Snapshot) -> list[Issue]:
    from gr2.store.restore_plan import RestoreConflict, plan_restore

    if in_progress(place.git_dir):
        return [_keep(doors, path, git, place, saved, snapshot)]
    try:
        entries = plan_restore(git, place, snapshot, scratch=_scratch(place, "plan"))
    except RestoreConflict:
        return [_keep(doors, path, git, place, saved, snapshot)]
    put_back(git, place, entries, scratch=_scratch(place, "back"))
    finish_restore(doors, git, place, saved)
    return []


def _finish_restoring(doors: Doors, path: str, git: Git, place: Place, told: Mapping[str, Any]) -> list[Issue]:
    """A putting back that was begun is finished, if nobody has worked on those files since."""
    saved = read_saved(doors.layout, str(told["saved"]))
    if saved is None or saved.state is SavedState.DROPPED:
        return []
    entries = entries_from_rows(told["entries"])
    theirs = _put_back_what_is_ours(git, place, entries)
    if theirs:
        return [kept_issue(path, saved)]
    finish_restore(doors, git, place, saved)
    return []


def finish_restore(doors: Doors, git: Git, place: Place, saved: Saved) -> Saved:
    """The work is back: its stash entry goes; its commit stays pinned until `gc`."""
    if saved.kind is SavedKind.STASH:
        drop_stash(git, place, saved.stash)
    return set_state(doors, saved, SavedState.RESTORED)


def _undo_update(
    doors: Doors, path: str, git: Git, place: Place, update: Mapping[str, Any]
) -> tuple[bool, list[Issue]]:
    """Undo an unfinished move of HEAD from `from` to `to`. Gives whether it was in fact finished."""
    start, target = str(update["from"]), str(update["to"])
    busy = in_progress(place.git_dir)
    kept: list[Issue] = []
    if busy is not None:
        if busy != update["kind"] or not _is_ours(place, busy, start, str(update.get("other", target))):
            return False, []  # a person's own
        kept = _keep_edits(doors, path, git, place, busy, (start, target))
        git.run([busy, "--abort"], at=place)
    head = head_commit(place.git_dir)
    if head != start:
        return head is not None, kept
    theirs = _undo_files(git, place, start, target)
    if not theirs:
        return False, kept
    message = "files that gr2 was updating when it was killed were changed since"
    details = {"path": path, "files": theirs, "from": start, "to": target}
    hint = git_at(doors.layout.root, path, "status")
    return False, [
        *kept,
        Issue(
            code="update_unfinished",
            scope="repo",
            subject=path,
            message=message,
            hint=hint,
            blocking=False,
            details=details,
        ),
    ]


def _is_ours(place: Place, busy: str, start: str, other: str) -> bool:
    """Whether the rebase or merge in progress is the one that the journal tells of."""
    if busy == "merge":
        return _text(place, "MERGE_HEAD") == other
    return start in {_text(place, "rebase-merge/orig-head"), _text(place, "rebase-apply/orig-head")}


def _keep_edits(doors: Doors, path: str, git: Git, place: Place, busy: str, commits: tuple[str, str]) -> list[Issue]:
    """Keep a copy of each file that somebody has worked on since git stopped, and that git takes back to the first of
    `commits`."""
    assert place.work_tree is not None
    # What git left in the files when it stopped at a conflict, marks and all (gitrevisions(7)).
    left = "AUTO_MERGE" if os.path.exists(os.path.join(place.git_dir, "AUTO_MERGE")) else "HEAD"
    paths = _differing(git, place, left)
    if busy == "merge":  # whose end leaves alone what it had not touched
        touched = {*_differing(git, place, "--cached", "HEAD")}
        paths = [name for name in paths if name in touched]
    if not paths:
        return []
    versions = []
    for number, commit in enumerate((*commits, "HEAD")):
        sides = tree_sides(git, place, commit)
        wanted = {name: sides[name] for name in paths if name in sides}
        versions.append(checked_out(git, place, wanted, os.path.join(_scratch(place, "edits"), str(number))))
    issues = []
    for name in paths:
        full = os.path.join(place.work_tree, name)
        if not os.path.lexists(full) or any(is_part_of(full, version.get(name)) for version in versions):
            continue
        issues.append(_keep_edit(doors, f"{path}/{name}", versions[0].get(name)))
    return issues


def _differing(git: Git, place: Place, *args: str) -> list[str]:
    listing = git.run(["diff", "--name-only", "--no-renames", "--ignore-submodules=all", "-z", *args], at=place)
    return [name for name in listing.decode(errors="surrogateescape").split("\0") if name]


def _keep_edit(doors: Doors, path: str, before: str | None) -> Issue:
    """Keep the file at `path`; git is about to replace it by what is in the file `before`, or to remove it."""
    from gr2.store.saved_files import keep_overwritten

    content, link = b"", ""
    if before is not None and os.path.islink(before):
        link = os.readlink(before)
    elif before is not None:
        with open(before, "rb") as file:
            content = file.read()
    saved = keep_overwritten(doors, path, by=content, by_link=link)
    assert saved is not None
    return Issue(
        code="saved_work",
        scope="repo",
        subject=path,
        message=f"{path} was worked on in the middle of an update that was cut short, and is saved as it was",
        hint=f"gr2 saved restore {saved.id}",
        blocking=False,
        details={"path": path, "saved_id": saved.id, "files": [path]},
    )


def _text(place: Place, name: str) -> str:
    try:
        with open(os.path.join(place.git_dir, name), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _undo_files(git: Git, place: Place, start: str, target: str) -> list[str]:
    """Bring files that differ between two commits back to those of `start`, where HEAD still is. Gives the paths that
    somebody has worked on; then nothing is changed."""
    assert place.work_tree is not None
    before, after = tree_sides(git, place, start), tree_sides(git, place, target)
    paths = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    paths = [path for path in paths if not _is_submodule(before.get(path), after.get(path))]
    scratch = _scratch(place, "update")
    old = checked_out(git, place, {path: before[path] for path in paths if path in before}, os.path.join(scratch, "a"))
    new = checked_out(git, place, {path: after[path] for path in paths if path in after}, os.path.join(scratch, "b"))
    theirs, entries = [], []
    for path in paths:
        full = os.path.join(place.work_tree, path)
        found = look(place.work_tree, path)
        if found is not None and not any(is_part_of(full, version.get(path)) for version in (old, new)):
            theirs.append(path)
        entries.append(Entry(path=path, head=before.get(path), index=after.get(path)))
    if not theirs:
        reset_paths(git, place, entries)
    return theirs


def _is_submodule(*sides: Side | None) -> bool:
    return any(side is not None and side.mode == "160000" for side in sides)
