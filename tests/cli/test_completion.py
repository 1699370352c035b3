"""What a shell is offered when somebody presses Tab."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gr2.testing import World

OFFERED = {
    "--unit alpha lane enter ": ["feat/cart", "fix"],
    "lane show --unit alpha f": ["feat/cart", "fix"],
    "lane archive ": ["alpha/feat/cart", "alpha/fix", "beta/fix-two"],
    "lane freeze beta/": ["beta/fix-two"],
    "lane unfreeze alpha/fe": ["alpha/feat/cart"],
    "lane path --unit beta ": ["fix-two"],
    "lane lease acquire alpha/fi": ["alpha/fix"],
    "lane lease show b": ["beta/fix-two"],
    "exec run --lane alpha/fe": ["alpha/feat/cart"],
    "pr status --unit beta --lane ": ["fix-two"],
    "lane create new --from al": ["alpha/feat/cart", "alpha/fix"],
    "lane create ": [],
    "lane create new --repos app,a": ["app,api"],
    "lane add a": ["app", "api"],
    "status --repo ap": ["app", "api"],
    "hooks show ": ["app", "api"],
    "status --unit ": ["alpha", "beta"],
    "apply --group ": ["back", "front"],
    "lane ent": ["enter"],
}


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(
        repos={"app": {"groups": ["front"]}, "api": {"groups": ["back"]}},
        units={"alpha": {}, "beta": {"repos": ["app"]}},
    )
    for lane in ("alpha/fix", "alpha/feat/cart", "beta/fix-two"):
        assert world.call("lane", "create", lane).exit_code == 0
    return world


def complete(world: World, *words: str, cwd: str = "", **env: str) -> list[str]:
    """What bash is offered for the last of `words`."""
    asked = {"COMP_WORDS": " ".join(("gr2", *words)), "COMP_CWORD": str(len(words)), "_GR2_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "gr2"],
        cwd=world.path(cwd),
        env={**world.env, **asked, **env},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_names_are_completed(shop: World) -> None:
    assert {words: complete(shop, *words.split(" ")) for words in OFFERED} == OFFERED


def test_the_unit_around_decides_whose_lanes_are_offered(shop: World) -> None:
    assert complete(shop, "lane", "enter", "", cwd="agents/beta") == ["fix-two"]


def test_saved_work_is_completed_by_its_id(shop: World) -> None:
    saved_id = shop.call("lane", "archive", "alpha/fix", "--json").json["saved_id"]

    assert complete(shop, "saved", "restore", "") == [saved_id]


def test_outside_of_a_workspace_there_are_no_names(shop: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = str(tmp_path_factory.mktemp("elsewhere"))

    assert complete(shop, "lane", "enter", "", cwd=elsewhere) == []
    assert complete(shop, "-C", shop.root, "lane", "enter", "alpha/fi", cwd=elsewhere) == ["alpha/fix"]


@pytest.mark.parametrize("spec", ["not toml [", "version = 1\n"])
def test_a_broken_spec_completes_nothing_and_says_nothing(shop: World, spec: str) -> None:
    shop.write(".grip/workspace_spec.toml", spec)

    assert complete(shop, "lane", "enter", "") == []
    assert complete(shop, "status", "--repo", "") == []


def test_a_shell_that_asks_nonsense_is_answered_with_nothing(shop: World) -> None:
    assert complete(shop, "lane", "enter", "", COMP_CWORD="nonsense") == []


def test_completion_writes_nothing_and_imports_nothing_heavy(shop: World) -> None:
    def files() -> set[tuple[str, int]]:
        return {
            (path, os.stat(path).st_mtime_ns)
            for folder, _, names in os.walk(shop.root)
            for path in (folder, *(os.path.join(folder, name) for name in names))
        }

    script = (
        "import sys\n"
        "from gr2.cli.main import main\n"
        "try:\n"
        "    main([])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'pydantic', 'rich', 'tomlkit', 'gr2_github', 'gr2_hooks'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    asked = {"COMP_WORDS": "gr2 lane enter alpha/fi", "COMP_CWORD": "3", "_GR2_COMPLETE": "bash_complete"}
    before = files()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=shop.root, env={**shop.env, **asked}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("plain,alpha/fix\n", "")
    assert files() == before


def test_bash_completes_after_shell_init(shop: World) -> None:
    script = (
        'eval "$(gr2 shell-init bash)"; COMP_WORDS=(gr2 lane enter alpha/fi); COMP_CWORD=3; '
        '"$(complete -p gr2 | sed "s/.*-F \\([^ ]*\\) .*/\\1/")" gr2; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=shop.root, env=shop.env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("alpha/fix\n", "")
