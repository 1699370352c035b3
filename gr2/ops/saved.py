"""`saved list|show|restore|drop`: everything gr2 put away, and how to have it back."""

from __future__ import annotations

import os
from dataclasses import replace

from gr2.errors import Blocked
from gr2.model.hints import git_at, quoted
from gr2.model.lane import clash, next_ports
from gr2.model.outcome import Issue, MutationResult, Result, Status, read_status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.mutation import mutation
from gr2.session import Session
from gr2.store.lanes import read_lane, read_lanes, write_lane
from gr2.store.saved import Saved, SavedKind, SavedState, all_saved, find_saved, read_saved, unknown_saved
from gr2.store.saved_files import drop_files, restore_archive, restore_overwritten
from gr2.store.saved_work import SavedWork


@dataclass(frozen=True, kw_only=True)
class SavedRow:
    """A piece of saved work as documents show it (contract, page 1)."""

    id: str
    kind: str
    repo: str
    unit: str
    lane: str
    path: str
    files: tuple[str, ...]
    created_at: str
    operation_id: str


@dataclass(frozen=True, kw_only=True)
class SavedListResult(Result):
    """What waits to be had back, oldest first."""

    saved: tuple[SavedRow, ...]


@dataclass(frozen=True, kw_only=True)
class SavedShowResult(Result):
    """One piece of saved work. `state` is `kept` or `restored`; `look` is a command that shows the bytes."""

    saved: tuple[SavedRow, ...]
    state: str
    message: str
    look: str


@dataclass(frozen=True, kw_only=True)
class SavedRestoreResult(MutationResult):
    """`restored_to` is workspace-relative, or absolute outside the workspace; "" when nothing was restored."""

    saved: tuple[SavedRow, ...]
    restored_to: str = ""


@dataclass(frozen=True, kw_only=True)
class SavedDropResult(MutationResult):
    """What was thrown away."""

    saved: tuple[SavedRow, ...]


def row_of(saved: Saved) -> SavedRow:
    """The row of a record."""
    return SavedRow(
        id=saved.id,
        kind=saved.kind.value,
        repo=saved.repo,
        unit=saved.unit,
        lane=saved.lane,
        path=saved.path,
        files=saved.files,
        created_at=saved.created_at,
        operation_id=saved.operation_id,
    )


def saved_list(session: Session) -> SavedListResult:
    """Everything that waits to be had back, with `--unit` what is that unit's. Writes nothing."""
    found, broken = all_saved(session.layout)
    issues = tuple(Issue.from_error(error, blocking=False) for error in broken)
    unit = session.asked.unit
    rows = tuple(row_of(saved) for saved in found if saved.is_waiting and unit in {"", saved.unit})
    return SavedListResult(status=read_status(issues), issues=issues, saved=rows)


def saved_show(session: Session, saved_id: str) -> SavedShowResult:
    """One piece of saved work, also one that was restored. Raises Invalid `unknown_saved`."""
    saved = find_saved(session.layout, saved_id)
    state = "restored" if saved.state is SavedState.RESTORED else "kept"
    return SavedShowResult(
        status=Status.OK, saved=(row_of(saved),), state=state, message=saved.message, look=_look(session, saved)
    )


def _look(session: Session, saved: Saved) -> str:
    if saved.in_checkout:
        return git_at(session.root, saved.path, "show", "--stat", saved.stash)
    archived = saved.kind is SavedKind.ARCHIVE
    return f"ls {quoted(os.path.join(session.layout.trash if archived else session.layout.saved, saved.id))}"


def saved_restore(session: Session, saved_id: str, *, to: str = "") -> SavedRestoreResult:
    """Put saved work back where it was, or (`to`, absolute) write its files to a new place.

    Never overwrites other work: `restore_conflict`, and all stays as it was. Restoring again what is in its place
    changes nothing. A lane whose ports another has taken meanwhile gets new ones. Raises Invalid `unknown_saved`,
    Blocked `operation_in_progress`, `path_conflict`, `lane_name_conflict`.
    """
    saved = find_saved(session.layout, saved_id)
    if to and os.path.lexists(to) and not os.access(os.path.dirname(to) or "/", os.W_OK):
        raise Blocked("read_only", f"cannot write {to}")
    # Saved work in a checkout is settled by that checkout's lock alone.
    lock = None if saved.in_checkout else "workspace"
    with mutation(session, "saved.restore", unit=saved.unit, lane=saved.lane, lock=lock, markers=False) as run:
        issues = _restore(run.session, saved, to)
        place = _shown(session, to) if to else saved.path
        return SavedRestoreResult(
            status=Status.BLOCKED if issues else Status.SUCCESS,
            issues=issues,
            operation_id=run.operation_id,
            saved=(row_of(saved),),
            restored_to="" if issues else place,
        )


def _shown(session: Session, path: str) -> str:
    relative = session.layout.relative(path)
    return path if relative.startswith("..") else relative


def _restore(session: Session, saved: Saved, to: str) -> tuple[Issue, ...]:
    if saved.kind is SavedKind.ARCHIVE:
        unit = session.spec.unit(saved.unit)
        if unit is not None and not to and saved.path == f"{unit.path}/lanes/{saved.lane}":
            return _restore_lane(session, unit, saved)
        return restore_archive(session, saved, to=to)
    if saved.kind is SavedKind.OVERWRITE:
        return restore_overwritten(session, saved, to=to)
    if to:
        SavedWork(session).export(saved.id, to)
        return ()
    return SavedWork(session).restore(saved.id)


def _restore_lane(session: Session, unit: Unit, saved: Saved) -> tuple[Issue, ...]:
    """What was made since it was archived has the right to its place."""
    others = [lane for lane in read_lanes(session.layout, session.spec) if lane.id != f"{unit.name}/{saved.lane}"]
    other = clash(saved.lane, tuple(lane.name for lane in others if lane.unit == unit.name))
    if other is not None:
        raise Blocked(
            "lane_name_conflict",
            f"{saved.lane!r} and the lane {other!r} cannot stand beside each other",
            scope="lane",
            subject=saved.lane,
            hint=f"gr2 lane archive {quoted(f'{unit.name}/{other}')}, or gr2 saved restore {saved.id} --to PATH",
            details={"lane": other},
        )
    issues = restore_archive(session, saved)
    lane = read_lane(session.layout, unit, saved.lane) if not issues else None
    used = {each.port_base for each in others}
    if lane is not None and lane.port_base in used:
        write_lane(session.layout, unit, replace(lane, port_base=next_ports(used)))
    return issues


def saved_drop(session: Session, saved_id: str) -> SavedDropResult:
    """Throw saved work away. Dropping it again is fine. Raises Invalid `unknown_saved`."""
    saved = read_saved(session.layout, saved_id)
    if saved is None:
        raise unknown_saved(saved_id)
    with mutation(session, "saved.drop", unit=saved.unit, lane=saved.lane, lock=None, markers=False) as run:
        if not saved.in_checkout:
            drop_files(run.session, saved)
        elif saved.state is not SavedState.DROPPED:
            SavedWork(run.session).drop(saved_id)
        return SavedDropResult(status=Status.SUCCESS, operation_id=run.operation_id, saved=(row_of(saved),))
