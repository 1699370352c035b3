"""`plugins new` makes plugins that work as they are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gr2.ops.plugin_templates import KINDS
from gr2.testing import World, write_distribution


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_new_plugin_installs_checks_and_passes_its_own_tests(world: World, kind: str) -> None:
    made = world.call("plugins", "new", kind, f"my-{kind}", "--dest", "made", "--json")

    path = made.json["path"]
    source = os.path.join(path, "src")
    write_distribution(source, f"gr2-my-{kind}", entry_points={f"my-{kind}": f"gr2_my_{kind}.plugin"}, modules={})
    checked = world.gr2("plugins", "check", f"my-{kind}", "--json", env={"PYTHONPATH": source})
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=path,
        env=world.env,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert made.exit_code == 0
    assert checked.json["status"] == "ok", checked.stdout
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout


def test_a_new_command_runs(world: World) -> None:
    world.call("plugins", "new", "command", "greet", "--dest", world.base)
    source = os.path.join(world.base, "gr2-greet", "src")
    write_distribution(source, "gr2-greet", entry_points={"greet": "gr2_greet.plugin"}, modules={})
    world.write_spec(repos=(), units=())

    ran = world.gr2("greet", "a", "b", "--json", env={"PYTHONPATH": source})
    shown = world.gr2("greet", "a", env={"PYTHONPATH": source})

    assert ran.json["schema"] == "gr2.greet/1"
    assert (ran.json["workspace"], ran.json["words"]) == ("shop", ["a", "b"])
    assert shown.stdout == "shop a\n"


def test_what_is_there_is_not_overwritten(world: World) -> None:
    world.call("plugins", "new", "sink", "mine", "--dest", world.base)
    kept = world.write(os.path.join(world.base, "gr2-mine", "README.md"), "mine")

    ran = world.call("plugins", "new", "sink", "mine", "--dest", world.base, "--json")

    assert ran.exit_code == 3
    assert ran.codes == ["path_conflict"]
    assert world.read(kept) == "mine"
    assert sorted(name for name in os.listdir(world.base) if ".tmp" in name) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("plaform", "mine"), ("sink", "Mine"), ("sink", "../mine"), ("sink", "a_b")]
)
def test_a_kind_or_name_that_cannot_be_is_invalid(world: World, kind: str, name: str) -> None:
    ran = world.call("plugins", "new", "--json", kind, name)

    assert ran.exit_code == 2
    assert not os.path.exists(world.path(f"gr2-{name}"))
