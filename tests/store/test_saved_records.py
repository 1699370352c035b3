"""Where records of saved work are, and which of them are read."""

from __future__ import annotations

import os
import shutil

import pytest

from gr2.store.saved import Saved, SavedKind, SavedState, all_saved, live_saved, read_saved, remove_saved, write_saved
from gr2.testing import World

ID = "sv_0123456789ab"


def record(saved_id: str = ID, *, state: SavedState = SavedState.KEPT, kind: SavedKind = SavedKind.STASH) -> Saved:
    return Saved(id=saved_id, kind=kind, state=state, path="repos/app", created_at="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("kind", SavedKind)
def test_work_that_waits_is_found_by_its_kind(world: World, kind: SavedKind) -> None:
    layout = world.session().layout
    saved = write_saved(layout, record(kind=kind))

    assert live_saved(layout, kind) == all_saved(layout)[0] == [read_saved(layout, ID)] == [saved]
    assert live_saved(layout, *(other for other in SavedKind if other is not kind)) == []


@pytest.mark.parametrize("state", [SavedState.RESTORED, SavedState.DROPPED])
def test_work_that_has_ended_costs_those_nothing_that_look_for_work_that_waits(world: World, state: SavedState) -> None:
    layout = world.session().layout
    write_saved(layout, record())
    ended = write_saved(layout, record(state=state))

    assert os.listdir(world.path(".grip/state/saved/stash")) == []
    assert live_saved(layout, *SavedKind) == []
    assert all_saved(layout)[0] == [read_saved(layout, ID)] == [ended]


def test_a_record_that_a_kill_left_twice_has_ended(world: World) -> None:
    layout = world.session().layout
    write_saved(layout, record())
    shutil.copytree(world.path(".grip/state/saved/stash"), world.path("copy"))
    ended = write_saved(layout, record(state=SavedState.RESTORED))
    shutil.copytree(world.path("copy"), world.path(".grip/state/saved/stash"), dirs_exist_ok=True)

    assert live_saved(layout, SavedKind.STASH) == []
    assert all_saved(layout)[0] == [read_saved(layout, ID)] == [ended]
    remove_saved(layout, ID)
    assert all_saved(layout) == ([], [])
