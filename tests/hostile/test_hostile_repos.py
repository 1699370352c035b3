"""Hostile repositories against every command: what nobody approved never acts, what is approved never breaks out."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from gr2.testing import World
from tests.hostile.hostile_repos import ESCAPES, TRICKS
from tests.ops.hooks_stage import events

COMMANDS = [
    ("plan",),
    ("apply",),
    ("apply", "--yes"),
    ("workspace", "materialize"),
    ("plan",),
    ("status",),
    ("repo", "status"),
    ("repo", "hooks"),
    ("hooks", "list"),
    ("spec", "show"),
    ("spec", "validate"),
    ("spec", "freeze"),
    ("spec", "diff"),
    ("lane", "create", "feat"),
    ("lane", "list"),
    ("lane", "show", "feat"),
    ("lane", "path", "feat"),
    ("lane", "enter", "feat"),
    ("lane", "current"),
    ("exec", "status", "--lane", "feat"),
    ("exec", "run", "--lane", "feat", "--", "true"),
    ("lane", "lease", "acquire", "feat"),
    ("lane", "lease", "release", "feat"),
    ("sync", "status"),
    ("sync", "run"),
    ("lane", "exit"),
    ("lane", "enter", "feat", "--restore"),
    ("lane", "exit"),
    ("lane", "freeze", "feat", "--reason", "x"),
    ("lane", "unfreeze", "feat"),
    ("lane", "archive", "feat", "--force"),
    ("verify", "feat"),
    ("pr", "status"),
    ("review", "requirements"),
    ("events", "list"),
    ("events", "deliver"),
    ("failures", "list"),
    ("saved", "list"),
    ("plugins", "list"),
    ("doctor",),
    ("gc", "--dry-run"),
]


def _push(world: World, name: str) -> None:
    tree = os.path.join(world.base, "trees", name)
    world.git(world.base, "clone", "--quiet", world.remote(name), tree)
    TRICKS[name](tree, _mark(world, name))
    world.git(tree, "add", "--all", "--force")
    world.git(tree, "commit", "--quiet", "--message", name)
    world.git(tree, "push", "--quiet")


def _mark(world: World, name: str) -> str:
    return os.path.join(world.base, "marks", name)


def _set_out(world: World, names: Iterable[str], *, units: tuple[str, ...]) -> None:
    os.makedirs(os.path.join(world.base, "marks"))
    world.write(f"{world.home}/secret", "secret\n")
    world.write("precious.txt", "precious\n")
    world.write("precious.yaml", "precious: true\n")
    for name in names:
        _push(world, name)
    world.write_spec(repos=tuple(names), units=units)


def _assert_nothing_escaped(world: World, spec: str) -> None:
    assert os.listdir(os.path.join(world.base, "marks")) == []
    assert world.read(".grip/workspace_spec.toml") == spec
    assert world.read(f"{world.home}/secret") == "secret\n"
    assert not os.path.exists(f"{world.home}/.profile")
    for folder, folders, files in os.walk(world.root):
        if folder.endswith("/.git/hooks"):
            assert all(name.endswith(".sample") for name in files), folder
        assert "stolen" not in files, folder
        assert os.path.realpath(folder).startswith(world.root), folder
        folders.sort()


def test_there_are_enough_of_them() -> None:
    assert len(TRICKS) >= 40


@pytest.mark.timeout(400)
def test_before_trust_not_one_mark_appears_whatever_is_run(world: World) -> None:
    _set_out(world, TRICKS, units=("alpha",))
    spec = world.read(".grip/workspace_spec.toml")
    known = _nouns(world)

    for command in COMMANDS:
        if command[0] not in known:
            continue
        ran = world.call(*command, env={"GR2_UNIT": "alpha"})
        assert ran.exit_code != 70, (command, ran.stderr)
        assert os.listdir(os.path.join(world.base, "marks")) == [], command
        if command[0] == "lane" and command[1] == "create":
            # Work that is in the way of leaving, for hooks that wait for it.
            world.write("agents/alpha/lanes/feat/repos/hook-when-dirty/README.md", "changed\n")

    _assert_nothing_escaped(world, spec)
    assert sorted(os.listdir(world.root)) == [".grip", "agents", "precious.txt", "precious.yaml", "repos"]
    assert world.read("precious.txt") == "precious\n"
    assert events(world, "hook.started", "workspace.file_projected") == []
    assert {event["reason"] for event in events(world, "hook.skipped")} <= {"untrusted", "no_value"}


def _nouns(world: World) -> set[str]:
    """The commands that there are in this build."""
    lines = world.call("--help").stdout.split("Commands:")[1].splitlines()
    return {line.split()[0] for line in lines if line.startswith("  ") and line.split()}


@pytest.mark.timeout(400)
def test_commands_about_one_repo_from_inside_it_leave_no_mark_either(world: World) -> None:
    _set_out(world, TRICKS, units=())
    world.call("apply")

    for name in TRICKS:
        for command in (("hooks", "show", name), ("hooks", "run", name, "x"), ("plan", "--repo", name)):
            ran = world.call(*command, cwd=f"repos/{name}")
            assert ran.exit_code != 70, (command, ran.stderr)
            assert "\x1b" not in ran.stdout + ran.stderr
            assert os.listdir(os.path.join(world.base, "marks")) == [], command


@pytest.mark.parametrize("name", sorted(ESCAPES))
def test_what_is_trusted_still_does_not_break_out(world: World, name: str) -> None:
    _set_out(world, [name], units=("alpha",))
    spec = world.read(".grip/workspace_spec.toml")

    ran = world.call("apply", "--trust-hooks", "--json")
    made = world.call("lane", "create", "feat", "--unit", "alpha", "--trust-hooks", "--json")

    _assert_nothing_escaped(world, spec)
    if name != "hooks-file-is-a-folder":
        assert {"invalid_hooks", "path_conflict"} & {*ran.codes, *made.codes}
    else:
        assert "invalid_hooks" in ran.codes
    assert events(world, "hook.started", "workspace.file_projected") == []
    assert os.path.isdir(world.path(f"repos/{name}/.git"))
