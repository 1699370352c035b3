"""The runtime by itself, with a real uv, and as gr2 meets it."""

from __future__ import annotations

import os

import pytest

from gr2.testing import HookRuntimeContract, PluginContract, World, write_distribution

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SOURCE)


class TestPlugin(PluginContract):
    target = "gr2_runtime_uv.plugin"


class TestRuntime(HookRuntimeContract):
    runtime = "gr2_runtime_uv.runtime:UvRuntime"


@pytest.fixture
def installed(world: World) -> dict[str, str | None]:
    """The environment with this plugin installed, without an installer or a network."""
    folder = os.path.join(world.base, "installed")
    write_distribution(folder, "gr2-runtime-uv", entry_points={"runtime-uv": "gr2_runtime_uv.plugin"}, modules={})
    return {"PYTHONPATH": os.pathsep.join([folder, SOURCE])}


HOOKS = """
[[lifecycle.on_materialize]]
name = "where"
command = "python -c 'import sys; print(sys.prefix)'"
runtime = "uv"
"""
PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'


def test_a_hook_runs_in_the_environment_of_its_own_repository(world: World, installed: dict[str, str | None]) -> None:
    world.commit("app", {".gr2/hooks.toml": HOOKS, "pyproject.toml": PROJECT, ".gitignore": ".venv\nuv.lock\n"})
    world.write_spec(repos=("app",), units=())

    ran = world.gr2("apply", "--trust-hooks", env={**installed, "UV_OFFLINE": "1"})

    assert ran.exit_code == 0, ran.stderr
    output = world.path(".grip/events/hook_output")
    texts = [world.read(os.path.join(output, name)) for name in os.listdir(output) if name.endswith(".stdout")]
    assert texts == [os.path.join(os.path.realpath(world.path("repos/app")), ".venv") + "\n"]


def test_without_the_plugin_the_hooks_file_is_invalid(world: World) -> None:
    world.commit("app", {".gr2/hooks.toml": HOOKS})
    world.write_spec(repos=("app",), units=())

    ran = world.call("apply", "--trust-hooks", "--json")

    assert ran.codes == ["invalid_hooks"]
    assert ran.json["issues"][0]["subject"] == "lifecycle.on_materialize[0].runtime"
