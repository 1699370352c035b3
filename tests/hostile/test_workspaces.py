"""A workspace that came from somebody else, `.grip` and all: nothing outside it is read into it, moved or removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from gr2.store.journal import journal_path
from gr2.testing import World

VICTIM = {"letters.txt": "dear\n", "op_000000000000.free/journal": "{}\n", "old.log": "log\n", ".ssh/id": "key\n"}
COMMANDS = [
    ("lane", "create", "other"),
    ("lane", "enter", "feat"),
    ("lane", "archive", "feat", "--force"),
    ("lane", "lease", "acquire", "feat"),
    ("exec", "run", "--lane", "feat", "--", "true"),
    ("apply",),
    ("sync", "run"),
    ("gc",),
    ("doctor", "--fix"),
    ("doctor",),
    ("events", "deliver"),
    ("events", "gc"),
    ("saved", "list"),
    ("status",),
]


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=("app",), units=("alpha",))
    assert world.call("apply").exit_code == 0
    assert world.call("lane", "create", "feat").exit_code == 0
    return world


@pytest.fixture
def victim(world: World) -> Callable[[], dict[str, str]]:
    """Files of the user's outside the workspace, all of them old; gives what is there now."""
    top = os.path.join(world.base, "victim")
    for name, content in VICTIM.items():
        path = world.write(os.path.join(top, name), content)
        os.utime(path, (0, 0))

    def files() -> dict[str, str]:
        found = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = world.read(path)
        return found

    return files


OWN = [
    "tmp",
    "state",
    "trash",
    "events",
    "cache",
    "state/logs",
    "state/locks",
    "state/saved",
    "state/saved/stash",
    "events/hook_output",
]


@pytest.mark.parametrize("name", OWN)
def test_a_directory_of_gr2s_that_is_a_link_leads_nowhere(
    shop: World, victim: Callable[[], dict[str, str]], name: str
) -> None:
    path = shop.path(f".grip/{name}")
    if os.path.exists(path):
        os.rename(path, path + ".aside")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(os.path.join(shop.base, "victim"), path)

    ran = {command: shop.call(*command) for command in COMMANDS}

    assert victim() == VICTIM
    assert not [run.stderr for run in ran.values() if "Traceback" in run.stderr]
    assert ran["gc",].exit_code == 3
    assert "symbolic link" in ran["gc",].stderr


def _saved(**changes: Any) -> str:
    record = {
        "version": 1,
        "id": "sv_000000000000",
        "kind": "archive",
        "repo": "app",
        "unit": "alpha",
        "lane": "feat",
        "path": "agents/alpha/lanes/feat",
        "files": ["x"],
        "created_at": "2020-01-01T00:00:00+00:00",
        "operation_id": "op_000000000000",
        "actor": "agent:alpha",
        "state": "saving",
        "ended_at": "",
        "commit": "",
        "stash": "",
        "message": "",
        "data": {},
    }
    return json.dumps({**record, **changes})


RECORDS = {
    "archive that takes": _saved(data={"moves": [["../victim/.ssh", "a"], ["../victim/letters.txt", "b"]]}),
    "archive that takes through a link": _saved(data={"moves": [["out/.ssh", "a"], ["out/letters.txt", "b"]]}),
    "archive from elsewhere": _saved(state="kept", data={"moves": [["agents/x", "../../../../victim/.ssh"]]}),
    "archive of an absolute path": _saved(path="/etc", data={"moves": [["/etc/hostname", "a"]]}),
    "overwrite elsewhere": _saved(kind="overwrite", state="kept", path="../victim/letters.txt"),
    "discard elsewhere": _saved(kind="discard", state="kept", path="../victim", commit="a" * 40),
    "a commit that is an option": _saved(kind="discard", state="kept", path="repos/app", commit="--output=x"),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_of_saved_work_names_nothing_outside(
    shop: World, victim: Callable[[], dict[str, str]], record: str
) -> None:
    os.symlink("../victim", shop.path("out"))
    shop.write(f".grip/state/saved/{json.loads(record)['kind']}/sv_000000000000.json", record)
    shop.write(".grip/trash/sv_000000000000/b", "bait\n")

    for command in (*COMMANDS, ("saved", "restore", "sv_000000000000"), ("saved", "drop", "sv_000000000000"), ("gc",)):
        ran = shop.call(*command)
        assert "Traceback" not in ran.stderr, ran.stderr

    assert victim() == VICTIM


def _row(path: str) -> dict[str, object]:
    return {"path": path, "head": None, "index": None, "work": None}


JOURNALS = {
    "file outside": {"restoring": {"saved": "sv_000000000000", "entries": [_row("../../../victim/letters.txt")]}},
    "file of git": {"restoring": {"saved": "sv_000000000000", "entries": [_row(".git/config")]}},
    "option for git": {"update": {"kind": "merge", "from": "--output=../../../victim/letters.txt", "to": "HEAD"}},
    "not even a list": {"restoring": {"saved": "sv_000000000000", "entries": 7}},
    "no time": {"since_ns": "soon"},
}


@pytest.mark.parametrize("facts", JOURNALS.values(), ids=JOURNALS)
def test_the_journal_of_a_checkout_names_nothing_outside(
    shop: World, victim: Callable[[], dict[str, str]], facts: dict[str, object]
) -> None:
    layout = shop.session().layout
    config = shop.read("repos/app/.git/config")
    shop.write(".grip/state/saved/stash/sv_000000000000.json", _saved(kind="stash", state="kept", path="repos/app"))
    for place in ("repos/app", "agents/alpha/lanes/feat/repos/app"):
        journal = {"version": 1, "path": place, "what": "update", "since_ns": 0, "strategy": "", "operation_id": "op_1"}
        shop.write(journal_path(layout, place), json.dumps({**journal, **facts}))
    shop.write("agents/alpha/lanes/feat/repos/app/README.md", "changed\n")
    shop.commit("app", {"README.md": "theirs\n"})

    ran = [shop.call(*command) for command in (*COMMANDS, ("lane", "exit"))]

    assert victim() == VICTIM
    assert shop.read("repos/app/.git/config") == config
    assert not [run.stderr for run in ran if "Traceback" in run.stderr]


def test_a_fifo_where_a_stray_checkout_names_what_it_borrows_keeps_nobody_waiting(world: World) -> None:
    world.write_spec(repos=("app",), units=())
    assert world.call("apply").exit_code == 0
    os.makedirs(world.path(".grip/cache/repos/gone.git"))
    os.makedirs(world.path("repos/x/.git/objects/info"))
    os.mkfifo(world.path("repos/x/.git/objects/info/alternates"))

    for command in (("plan",), ("status",), ("sync", "status"), ("sync", "run"), ("doctor",)):
        assert world.gr2(*command).exit_code != 70
