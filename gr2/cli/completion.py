"""Names for a shell to complete: of lanes, repos, units, groups, failures and saved work.

Whoever presses Tab wants a word or nothing. So nothing is raised, printed, written or asked of a remote, and outside of
a workspace, or in one whose spec is broken, there are no names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from gr2.cli.command import invocation_of

if TYPE_CHECKING:
    from gr2.workspace import Workspace


def names(kind: str, ctx: click.Context, incomplete: str) -> list[str]:
    """The names of this kind that begin with `incomplete`: "lane", "unit/lane", "repo", "repos" (separated by commas),
    "unit", "group", "operation" or "saved"."""
    try:
        here = _workspace(ctx)
        if kind == "repos":
            before, comma, word = incomplete.rpartition(",")
            return [before + comma + name for name in _names("repo", here, word) if name not in before.split(",")]
        return _names(kind, here, incomplete)
    except Exception:
        return []


def _workspace(ctx: click.Context) -> Workspace:
    from gr2.store.discovery import find_workspace
    from gr2.workspace import Asked, Workspace

    run = invocation_of(ctx)
    root = find_workspace(run.cwd, os.path.expanduser(run.workspace), run.environ.get("GR2_WORKSPACE", ""))
    return Workspace(root=root, asked=Asked(cwd=run.cwd, unit=run.unit, environ=run.environ))


def _names(kind: str, here: Workspace, word: str) -> list[str]:
    found = dict.fromkeys(_all(kind, here, word))
    # A shell takes each line for one answer; no command takes a name with a control character.
    return [name for name in found if name.startswith(word) and name.isprintable()]


def _all(kind: str, here: Workspace, word: str) -> Iterable[str]:
    if kind in {"lane", "unit/lane"}:
        return _lanes(here, word, full=kind == "unit/lane")
    if kind == "operation":
        from gr2.store.failures import unresolved

        return [marker.operation_id for marker in unresolved(here.layout)]
    if kind == "saved":
        from gr2.store.saved import SavedKind, live_saved

        return [saved.id for saved in live_saved(here.layout, *SavedKind)]
    if kind == "unit":
        return [unit.name for unit in here.spec.units]
    if kind == "group":
        return sorted({group for repo in here.spec.repos for group in repo.groups})
    return [repo.name for repo in here.spec.repos]


def _lanes(here: Workspace, word: str, *, full: bool) -> list[str]:
    """Those of the unit in context by their names; those of every unit as UNIT/LANE where no such name begins so."""
    from gr2.errors import Gr2Error
    from gr2.ops.context import unit_of
    from gr2.store.lanes import lane_names

    try:
        own = () if full else lane_names(here.layout, unit_of(here))
    except Gr2Error:
        own = ()
    found = [name for name in own if name.startswith(word)]
    return found or [f"{unit.name}/{name}" for unit in here.spec.units for name in lane_names(here.layout, unit)]
