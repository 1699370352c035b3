"""Asks git about a checkout that is not where its remote is: how far apart they are, what an update would replace, and
whether uncommitted work is in the way. Changes nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gr2.edges.git import Place
from gr2.edges.git.blobs import NOBODY
from gr2.edges.git.work import Work, find_work, look
from gr2.model.hints import place_at
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.sync import Distance, Seen, Verdict, second_verdict
from gr2.ops.sync_written import added_and_removed
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.plugin.protocols import DirtyCheckout

_SUBMODULE = re.compile(r'^\s*path\s*=\s*"?(.*?)"?\s*$', re.MULTILINE)
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFLOG_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Update:
    """A checkout that is to be moved to `to`. dirty: the uncommitted work that has to be put away before."""

    seen: Seen
    kind: str
    to: str
    distance: Distance
    dirty: DirtyCheckout | None = None


@dataclass(frozen=True, kw_only=True)
class Closer:
    """What a closer look at a checkout found: an update, or the reason why not, or neither; and notes beside it."""

    seen: Seen
    update: Update | None = None
    issue: Issue | None = None
    notes: tuple[Issue, ...] = ()


def update_operation(update: Update) -> Operation:
    """What the move of a checkout is called."""
    seen = update.seen
    details = {"old_sha": seen.head, "new_sha": update.to, "commits_pulled": update.distance.behind}
    return about_work(update, "checkout.update", {**details, "branch": seen.branch, "strategy": update.kind})


def about_work(update: Update, kind: str, details: Mapping[str, Any]) -> Operation:
    """An operation of the `kind` on the checkout of `update`."""
    checkout = update.seen.checkout
    return Operation(
        kind=kind,
        scope=checkout.scope,
        repo=checkout.repo,
        unit=checkout.unit,
        lane=checkout.lane,
        path=checkout.path,
        details=dict(details),
    )


def compare(session: Session, seen: Seen, strategy: str, *, fresh: bool) -> tuple[Verdict, Distance]:
    """How far the checkout is from its remote branch, and what that means. `fresh`: the mirror was just fetched."""
    found = measure(session, seen, fresh=fresh)
    return second_verdict(seen, found, strategy), found


def measure(session: Session, seen: Seen, *, fresh: bool) -> Distance:
    """The distance between HEAD and the target. A checkout without any commit is nowhere near."""
    target = seen.pin or seen.target or ""
    if seen.head is None:
        return Distance(ahead=1, behind=1, own=1)
    counts = _ask(session, seen, ["rev-list", "--left-right", "--count", f"{seen.head}...{target}", "--"]).split()
    ahead, behind = int(counts[0]), int(counts[1])
    if seen.pin:
        known = ["--remotes=origin", "--tags"]
        own = int(_ask(session, seen, ["rev-list", "--count", seen.head, "--not", target, *known, "--"]))
        return Distance(ahead=ahead, behind=behind, own=own)
    if ahead == 0:
        return Distance(ahead=ahead, behind=behind)
    past, was_forced = _past_of_upstream(session, seen)
    if behind == 0 and seen.tracking in {None, target} and not was_forced:
        return Distance(ahead=ahead, behind=behind)
    known = [sha for sha in _commits_among(session, seen, past) if sha != target]
    base = _ask(session, seen, ["merge-base", seen.head, target, *known], ok=(0, 1)).split()
    own = int(_ask(session, seen, ["rev-list", "--count", seen.head, "--not", target, *known, "--"]))
    # Told as long as HEAD holds commits that the branch had once, and not only by the sync that fetched the change.
    rewritten = own < ahead or (seen.tracking in known and not _is_ancestor(session, seen, str(seen.tracking), target))
    if rewritten and not fresh and seen.tracking not in {None, target}:
        # The mirror may be older than what was pushed from here.
        rewritten = not _is_ancestor(session, seen, target, str(seen.tracking))
    return Distance(ahead=ahead, behind=behind, base=base[0] if base else "", rewritten=rewritten, own=own)


def _past_of_upstream(session: Session, seen: Seen) -> tuple[list[str], bool]:
    """The commits that the upstream branch was at, as far as the checkout remembers (its reflog), and whether a fetch
    found it rewritten."""
    found = dict.fromkeys([seen.tracking] if seen.tracking else [])
    was_forced = False
    log = os.path.join(session.layout.at(seen.checkout.path), f".git/logs/refs/remotes/origin/{seen.branch}")
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _REFLOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        was_forced = was_forced or line.endswith(": forced-update")
        for sha in line.split(" ", 2)[:2]:
            if _SHA.fullmatch(sha) and sha.strip("0"):
                found.setdefault(sha)
    return list(found), was_forced


def _commits_among(session: Session, seen: Seen, names: Sequence[str]) -> list[str]:
    """Those of `names` that are commits and exist."""
    if not names:
        return []
    args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"]
    rows = _run(session, seen, args, input="".join(f"{sha}\n" for sha in names).encode()).decode().splitlines()
    return [row.split()[0] for row in rows if row.endswith(" commit")]


def _is_ancestor(session: Session, seen: Seen, one: str, other: str) -> bool:
    out = _ask(session, seen, ["rev-list", "--count", "--max-count=1", one, "--not", other, "--"])
    return out.strip() == "0"


def _ask(session: Session, seen: Seen, args: Sequence[str], *, ok: Sequence[int] = (0,)) -> str:
    return _run(session, seen, args, ok=ok).decode()


def _run(
    session: Session,
    seen: Seen,
    args: Sequence[str],
    *,
    ok: Sequence[int] = (0,),
    input: bytes | None = None,
    env: Mapping[str, str] = {},
) -> bytes:
    place = Place.checkout(session.layout.at(seen.checkout.path))
    return session.git.run(args, at=place, ok=ok, input=input, env={**with_mirror(session, seen), **env})


def with_mirror(session: Session, seen: Seen) -> dict[str, str]:
    """What lets git find the mirror's objects, also in a checkout that does not borrow from it."""
    objects = os.path.join(session.layout.mirror(seen.checkout.repo), "objects")
    # A quoted path may hold the separator (git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES).
    quoted = '"' + objects.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}


def look_closer(
    session: Session, seen: Seen, strategy: str, *, fresh: bool, operation_id: str = "", confirmed: bool = False
) -> Closer:
    """Decide about one checkout that is not where its remote is, its uncommitted work included."""
    verdict, distance = compare(session, seen, strategy, fresh=fresh)
    if not verdict.kind:
        return Closer(seen=seen, issue=verdict.issue)
    update = Update(seen=seen, kind=verdict.kind, to=seen.pin or seen.target or "", distance=distance)
    place = Place.checkout(session.layout.at(seen.checkout.path))
    work = find_work(session.git, place)
    notes = surroundings(session, seen, work.nested)
    dirty = {*work.files, *work.unkeepable}
    ignored, nested = _in_the_way(session, update, dirty, work)
    if ignored:
        return Closer(seen=seen, issue=_ignored_issue(seen, ignored), notes=notes)
    dirty |= nested
    if dirty:
        away = _dirty_checkout(session, seen, sorted(dirty), operation_id=operation_id, confirmed=confirmed)
        update = replace(update, dirty=away)
    return Closer(seen=seen, update=update, notes=notes)


def _dirty_checkout(
    session: Session, seen: Seen, files: Sequence[str], *, operation_id: str, confirmed: bool
) -> DirtyCheckout:
    from gr2.plugin.protocols import DirtyCheckout

    checkout = seen.checkout
    return DirtyCheckout(
        path=session.layout.at(checkout.path),
        scope=checkout.scope,
        repo=checkout.repo,
        unit=checkout.unit,
        lane=checkout.lane,
        files=tuple(files),
        message=f"gr2 auto-stash: sync {operation_id}",
        operation_id=operation_id,
        confirmed=confirmed,
    )


def surroundings(session: Session, seen: Seen, nested: Sequence[str]) -> tuple[Issue, ...]:
    """What is left alone inside the checkout: submodules, and repositories that are none of its own."""
    modules = submodules(session.layout.at(seen.checkout.path))
    notes = []
    if modules:
        message = f"it has submodules, which are left alone: {_some(modules)}"
        hint = seen.git("submodule", "update", "--init", "--recursive")
        notes.append(seen.issue("submodules_ignored", message, hint=hint, details={"submodules": modules}))
    strangers = sorted(set(nested) - set(modules))
    if strangers:
        message = f"it holds other repositories, which are left alone: {_some(strangers)}"
        notes.append(seen.issue("nested_repo", message, details={"nested": strangers}))
    return tuple(notes)


def submodules(path: str) -> list[str]:
    """The paths of the submodules that the checkout's `.gitmodules` names."""
    file = os.path.join(path, ".gitmodules")
    if os.path.islink(file):
        return []
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as text:
            return sorted(set(_SUBMODULE.findall(text.read(1 << 20))))
    except OSError:
        return []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _ignored_issue(seen: Seen, files: Sequence[str]) -> Issue:
    message = f"the update would replace files that git ignores: {_some(files)}"
    hint = f"move {place_at(seen.root, f'{seen.checkout.path}/{files[0]}')} away, then gr2 sync run"
    return seen.issue("path_conflict", message, hint=hint, details={"files": list(files)})


def _in_the_way(session: Session, update: Update, dirty: set[str], work: Work) -> tuple[list[str], set[str]]:
    """What the update would replace and git does not have: ignored files, and repositories inside this one."""
    seen = update.seen

    def ask(*args: str, ok: Sequence[int] = (0,), input: bytes | None = None) -> bytes:
        return _run(session, seen, args, ok=ok, input=input, env=NOBODY)

    added, removed = added_and_removed(ask, update.kind, str(seen.head), update.to, update.distance.base)
    root = session.layout.at(update.seen.checkout.path)
    ignored: set[str] = set()
    nested: set[str] = set()
    for path in added:
        for found in _occupants(root, path, removed):
            inside = next((name for name in work.nested if found == name or found.startswith(name + "/")), None)
            if inside is not None:
                nested.add(inside)
            elif found not in dirty:
                ignored.add(found)
    return sorted(ignored), nested


def _occupants(root: str, path: str, removed: set[str]) -> Iterator[str]:
    """Files at `path`, below it, or where its folders belong, that the update does not itself take away."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        folder = "/".join(parts[:count])
        found = look(root, folder)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            if folder not in removed:
                yield folder
            return
    found = look(root, path)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        if not _is_renamed_by_case(root, path, found, removed):
            yield path
        return
    for folder, names, files in os.walk(os.path.join(root, path)):
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            inside = os.path.relpath(os.path.join(folder, name), root)
            if inside not in removed:
                yield inside


def _is_renamed_by_case(root: str, path: str, found: os.stat_result, removed: set[str]) -> bool:
    """Where case does not count, `path` is there under the name that the update takes away."""
    for other in removed:
        if other != path and other.casefold() == path.casefold():
            there = look(root, other)
            return there is not None and os.path.samestat(there, found)
    return False
