"""The examples of the documentation run: with stand-ins for the programs they call, which note what they were told."""

from __future__ import annotations

import os

import pytest

from gr2.testing import World
from tests.ops.hooks_stage import events, told

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = {
    "python": {"CLAUDE.md": "# Rules\n", "settings/dev.toml": "debug = true\n"},
    "node": {".editorconfig": "root = true\n", "editor/settings.json": '{"editor.tabSize": 2}\n'},
    "docs": {"README.md": "# Handbook\n", "glossary.yaml": "lane: one task\n"},
}
# What the whole life of a lane runs, in order: apply, create, enter, a change, exit.
CALLS = {
    "python": [
        *["uv sync --all-extras", "uv run pre-commit install"] * 3,
        "uv sync --all-extras --quiet",
        "uv run ruff format .",
    ],
    "node": [*["npm ci --no-audit --no-fund"] * 3, "node scripts/write-ports.mjs --lane feat", "npm run --silent stop"],
    "docs": ["lychee --offline --no-progress ."],
}
PROJECTED = {
    "python": ["CLAUDE.md", "agents/alpha/lanes/feat/settings.toml"],
    "node": [".editorconfig", "agents/alpha/lanes/feat/.vscode/settings.json"],
    "docs": ["HANDBOOK.md", "agents/alpha/glossary.yaml"],
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_example_works_from_apply_to_exit(world: World, name: str) -> None:
    with open(os.path.join(ROOT, "docs/examples", name, ".gr2/hooks.toml"), encoding="utf-8") as file:
        world.commit("app", {".gr2/hooks.toml": file.read(), **FILES[name]})
    world.write_spec(repos=("app",), units=("alpha",))
    programs = os.path.join(world.base, "programs")
    log = os.path.join(world.base, "log")
    for program in ("uv", "npm", "node", "lychee"):
        path = world.write(os.path.join(programs, program), f'#!/bin/sh\necho "{program} $*" >>{log}\n')
        os.chmod(path, 0o755)
    env = {"PATH": os.pathsep.join([programs, world.env["PATH"]])}

    trusted = [world.call("apply", env=env), world.call("hooks", "trust", "app", "--actor", "human:ann", env=env)]
    rest = [
        world.call(*command, env=env) for command in (("apply",), ("lane", "create", "feat"), ("lane", "enter", "feat"))
    ]
    world.write("agents/alpha/lanes/feat/repos/app/README.md", "changed\n")
    rest.append(world.call("lane", "exit", env=env))

    assert [ran.exit_code for ran in (*trusted, *rest)] == [0] * 6, [ran.stderr for ran in rest]
    assert world.read(log).splitlines() == CALLS[name]
    assert sorted(event["dest"] for event in events(world, "workspace.file_projected")) == sorted(PROJECTED[name])
    assert not [line for line in told(world) if line.startswith("hook.failed")]
