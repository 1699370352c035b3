"""Files of a repo that appear elsewhere in the workspace: linked, copied or merged (contract, page 4, "Projections").

Nothing outside the workspace is read or written, whatever is swapped for a link in the meantime: destinations are
reached from the workspace's root step by step, sources from the checkout's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from gr2.edges.confined import InTheWay, Seen, look, put_file, put_link
from gr2.edges.files import failed_write, is_inside
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.event.workspace import WorkspaceFileProjected
from gr2.model.hints import place_at
from gr2.model.hooks import Projection, fault_of_below, fold_path
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.spec import Spec
from gr2.model.template import NoValue, fill
from gr2.ops.hook_places import HookPlace, source_fault
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Step
from gr2.session import Session
from gr2.store.projection_state import Projected, digest_of, read_projected, write_projected

SIZE_LIMIT = 64 << 20
_EXECUTABLE = 0o111


@dataclass(frozen=True, kw_only=True)
class Target:
    """A projection in one checkout. `dest` is relative to the workspace."""

    place: HookPlace
    projection: Projection
    dest: str

    @property
    def id(self) -> tuple[str, str]:
        """What tells it from all others: the checkout's path and the projection's key."""
        return self.place.path, self.projection.key

    @property
    def operation(self) -> Operation:
        """What projecting it is."""
        projection, place = self.projection, self.place
        return Operation(
            kind="file.project",
            scope=place.scope,
            repo=place.repo.name,
            unit=place.unit_name,
            lane=place.lane_name,
            path=self.dest,
            details={"kind": projection.kind, "src": projection.src, "if_exists": projection.if_exists},
        )


def targets_of(session: Session, place: HookPlace, projections: Iterable[Projection]) -> list[Target]:
    """Where a checkout's projections go: those of its kind whose variables have a value."""
    roots, values = place.roots(), place.variables(session)
    found = []
    for projection in projections:
        if projection.scope not in {"", place.scope}:
            continue
        try:
            below = fill(projection.below, values)
        except NoValue:
            continue
        root = roots[projection.root]
        found.append(Target(place=place, projection=projection, dest=f"{root}/{below}" if root else below))
    return found


def destination_fault(spec: Spec, target: Target) -> str | None:
    """Why nothing may be at the destination, now that its variables have values, or None."""
    root = target.place.roots()[target.projection.root]
    below = target.dest[len(root) + 1 :] if root else target.dest
    fault = fault_of_below(below)
    if fault is not None:
        return f"cannot be a destination: {fault}"
    folded = fold_path(target.dest)
    for path in (*(repo.path for repo in spec.repos), *(unit.path for unit in spec.units)):
        if is_inside(fold_path(path), folded):
            return f"cannot be a destination: gr2 keeps {path} there"
    return None


def clashes(targets: Iterable[Target]) -> dict[str, tuple[Target, ...]]:
    """The destinations that several repos, or one twice, want: path to who wants it. Those who all merge are fine."""
    wanted: dict[str, list[Target]] = {}
    for target in targets:
        wanted.setdefault(fold_path(target.dest), []).append(target)
    found: dict[str, tuple[Target, ...]] = {}
    for path, rivals in wanted.items():
        inside = [rival for above in _above(path) for rival in wanted.get(above, ())]
        merged = all(rival.projection.if_exists == "merge" for rival in rivals)
        if inside or (len(rivals) > 1 and not merged):
            everyone = (*inside, *rivals)
            for rival in everyone:
                known = {one.id: one for one in (*found.get(rival.dest, ()), *everyone)}
                found[rival.dest] = tuple(known.values())
    return found


def _above(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def clash_issue(dest: str, rivals: tuple[Target, ...]) -> Issue:
    """The `path_conflict` for several who want one place."""
    names = list(dict.fromkeys(rival.place.repo.name for rival in rivals))
    who = " and ".join(names) if len(names) > 1 else f"{names[0]} twice"
    return Issue(
        code="path_conflict",
        scope="hook",
        subject=dest,
        message=f"{who} project to {dest}",
        hint='if_exists = "merge" in each of them, or another dest',
        details={"path": dest, "repos": names, "keys": [rival.projection.key for rival in rivals]},
    )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What there is to do for a target. kind: none, tell (it is there, its event is owed), put, or merge.

    wanted: what is to be there; seen: what is. keeps: a person's file is replaced, and has to be kept.
    """

    kind: str
    wanted: Seen
    seen: Seen
    source: str = ""
    keeps: bool = False
    conflicts: tuple[str, ...] = ()
    known: Projected | None = None


def examine(session: Session, target: Target) -> Change:
    """What there is to do. Raises Blocked `path_conflict` when something is in the way."""
    projection = target.projection
    try:
        wanted = _wanted(session, target)
        seen = look(session.root, target.dest, limit=SIZE_LIMIT)
    except InTheWay as error:
        raise _conflict(session, target, f"{error.path} {error.reason}") from error
    except OSError as error:
        raise failed_write(error, target.dest) from error
    known = read_projected(session.layout, target.dest, target.place.repo.name)
    source = _digest(wanted)
    change = Change(kind="put", wanted=wanted, seen=seen, source=source, known=known)
    owed = known is not None and known.event_id != "" and known.source == source
    if _equal(session, target, wanted, seen):
        return replace(change, kind="tell" if owed else "none")
    if seen.kind == "missing":
        return change
    if seen.kind not in {"file", "link"}:
        raise _conflict(
            session, target, f"a {seen.kind if seen.kind == 'directory' else 'special file'} is at {target.dest}"
        )
    if known is not None:
        there = _digest(seen)
        if owed and there == known.result:
            return replace(change, kind="tell")
        if known.source == source and not known.event_id:
            return replace(change, kind="none")
        if there == known.result or (known.event_id and there == known.before):
            return change if projection.if_exists != "merge" else _merging(session, target, change)
    return _collision(session, target, change)


def _collision(session: Session, target: Target, change: Change) -> Change:
    how = target.projection.if_exists
    if how == "skip":
        return replace(change, kind="none")
    if how == "overwrite":
        return replace(change, keeps=True)
    if how == "merge":
        return _merging(session, target, change)
    message = f"something else is at {target.dest}, where {target.place.repo.name} projects {target.projection.src}"
    raise _conflict(session, target, message)


def _merging(session: Session, target: Target, change: Change) -> Change:
    from gr2.store.merging import Unmergeable, merge

    if change.seen.kind != "file":
        raise _conflict(session, target, f"{target.dest} is a symbolic link: only files are merged")
    try:
        merged = merge(os.path.basename(target.dest), change.seen.data, change.wanted.data)
    except Unmergeable as error:
        raise _conflict(
            session, target, f"{target.dest} was not merged with that of {target.place.repo.name}: {error}"
        ) from None
    wanted = Seen(kind="file", data=merged.data, mode=change.seen.mode)
    return replace(change, kind="merge", wanted=wanted, conflicts=merged.conflicts)


def _conflict(session: Session, target: Target, message: str) -> Blocked:
    return Blocked(
        "path_conflict",
        message,
        scope="hook",
        subject=target.dest,
        hint=f"move {place_at(session.root, target.dest)} away, "
        f"or change if_exists of {target.projection.key} in {target.place.repo.name}",
        details={"path": target.dest, "repo": target.place.repo.name, "key": target.projection.key},
    )


def _wanted(session: Session, target: Target) -> Seen:
    """The source as it is to be at the destination. Raises InTheWay, OSError."""
    checkout = session.layout.at(target.place.path)
    src, kind = target.projection.src, target.projection.kind
    fault = source_fault(checkout, src, kind)
    if fault is not None:
        raise InTheWay(f"{target.place.path}/{src}", fault)
    top = os.path.realpath(checkout)
    real = os.path.relpath(os.path.realpath(os.path.join(top, src)), top)
    if kind == "link":
        here = os.path.dirname(target.dest)
        return Seen(kind="link", target=os.path.relpath(f"{target.place.path}/{real}", here or "."))
    found = look(session.root, f"{target.place.path}/{real}", limit=SIZE_LIMIT)
    if found.kind != "file":
        raise InTheWay(f"{target.place.path}/{src}", "is no file")
    return replace(found, mode=0o755 if found.mode & _EXECUTABLE else 0o644)


def _equal(session: Session, target: Target, wanted: Seen, seen: Seen) -> bool:
    if wanted.kind != seen.kind:
        return False
    if wanted.kind == "file":
        return wanted.data == seen.data
    above = os.path.dirname(session.layout.at(target.dest))
    return os.path.normpath(os.path.join(above, seen.target)) == os.path.normpath(os.path.join(above, wanted.target))


def _digest(seen: Seen) -> str:
    content = seen.target.encode(errors="surrogateescape") if seen.kind == "link" else seen.data
    return digest_of(seen.kind, content)


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectFile:
    """Put one file where its repo wants it. `notes` takes issues that do not block."""

    target: Target
    notes: list[Issue] = field(default_factory=list)
    needs: Step | None = None
    doing = "projecting"

    @property
    def operation(self) -> Operation:
        return self.target.operation

    def run(self, run: Mutation) -> Mapping[str, Any]:
        # One after the other: several repos may merge into one file.
        try:
            with FileLock(run.session.layout.lock("projections"), wait=60.0):
                return self._project(run)
        except LockTimeout as error:
            raise Failed("state_locked", "another gr2 projects files", hint="run the same command again") from error

    def _project(self, run: Mutation) -> Mapping[str, Any]:
        target = self.target
        change = examine(run.session, target)
        if change.kind == "none":
            return {"changed": False}
        if change.conflicts:
            self.notes.append(self._merge_conflict(run.session, change))
        if change.kind == "tell":
            assert change.known is not None
            self._told(run, change.known)
            return {"changed": False}
        changes = not (change.kind == "merge" and change.wanted.data == change.seen.data)
        saved = self._keep(run, change) if change.keeps else change.known.saved_id if change.known else ""
        projected = Projected(
            repo=target.place.repo.name,
            source=change.source,
            result=_digest(change.wanted),
            before=_digest(change.seen) if change.seen.kind != "missing" else "",
            event_id=run.session.ids.event() if changes else "",
            saved_id=saved,
        )
        write_projected(run.session.layout, target.dest, projected)
        if changes:
            self._put(run, change)
            self._told(run, projected)
        return {"changed": changes, **({"saved_id": saved} if change.keeps else {})}

    def _put(self, run: Mutation, change: Change) -> None:
        target, wanted = self.target, change.wanted
        root, replaces = run.session.root, change.seen.kind != "missing"
        try:
            if wanted.kind == "link":
                put_link(root, target.dest, wanted.target, temporary=run.temporary, replace=replaces)
            else:
                mode = wanted.mode
                put_file(root, target.dest, wanted.data, mode=mode, temporary=run.temporary, replace=replaces)
        except InTheWay as error:
            raise _conflict(run.session, target, f"{error.path} {error.reason}") from error
        except OSError as error:
            raise failed_write(error, target.dest) from error

    def _told(self, run: Mutation, projected: Projected) -> None:
        """Write the event that is owed, then forget that it is."""
        target, projection = self.target, self.target.projection
        if not run.outbox.contains(projected.event_id):
            event = WorkspaceFileProjected(
                repo=target.place.repo.name, kind=projection.kind, src=projection.src, dest=target.dest
            )
            try:
                run.outbox.emit(event, run.context(target.place.unit_name), event_id=projected.event_id)
            except Gr2Error as error:
                run.session.progress.note(f"done, but {event.TYPE} could not be recorded yet: {error.message}")
                return
        write_projected(run.session.layout, target.dest, replace(projected, event_id=""))

    def _keep(self, run: Mutation, change: Change) -> str:
        from gr2.store.saved_files import keep_overwritten

        place, wanted = self.target.place, change.wanted
        saved = keep_overwritten(
            run.session,
            self.target.dest,
            repo=place.repo.name,
            unit=place.unit_name,
            lane=place.lane_name,
            operation_id=run.operation_id,
            by=wanted.data,
            by_link=wanted.target,
        )
        return saved.id if saved is not None else ""

    def _merge_conflict(self, session: Session, change: Change) -> Issue:
        target = self.target
        keys = ", ".join(change.conflicts[:5])
        return Issue(
            code="merge_conflict",
            scope="hook",
            subject=target.dest,
            message=f"{target.dest} and {target.projection.src} of {target.place.repo.name} differ in {keys}: "
            f"what was there stays",
            hint=f"look at {place_at(session.root, target.dest)}",
            blocking=False,
            details={"path": target.dest, "repo": target.place.repo.name, "keys": list(change.conflicts)},
        )
