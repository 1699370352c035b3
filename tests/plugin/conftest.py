"""A place where plugins can be installed without an installer, and gr2 run with them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping

import pytest

from gr2.testing import Ran, World, write_distribution


class Place:
    """A directory on `PYTHONPATH`, in front of a `world`."""

    def __init__(self, world: World, folder: str) -> None:
        self.world = world
        self.folder = folder

    def install(
        self,
        name: str,
        body: str,
        *,
        distribution: str = "",
        version: str = "1.0",
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Install a plugin called `name` whose module has the source `body`; gives its dist-info directory."""
        distribution = distribution or f"gr2-{name}"
        module = distribution.replace("-", "_") + "_plugin"
        return write_distribution(
            self.folder,
            distribution,
            version=version,
            entry_points={name: module},
            modules={f"{module}.py": body, **(more or {})},
        )

    def env(self, more: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
        """What to add to the world's environment."""
        return {"PYTHONPATH": self.folder, "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}

    def gr2(self, *args: str, env: Mapping[str, str | None] | None = None) -> Ran:
        """Run gr2 as a process of its own, with the plugins installed here."""
        return self.world.gr2(*args, env=self.env(env))

    def row(self, name: str, *args: str, env: Mapping[str, str | None] | None = None) -> dict[str, object]:
        """The row of `name` in `gr2 plugins list` (or in the command `args`)."""
        document = self.gr2(*(args or ("plugins", "list")), "--json", env=env).json
        rows = [row for row in document["plugins"] if row["name"] == name]
        assert len(rows) == 1, rows
        found: dict[str, object] = rows[0]
        return found

    def examine(self, **env: str) -> None:
        """Have the index made."""
        self.gr2("plugins", "check", env=env)

    def indexes(self) -> list[str]:
        """The files of the compiled index."""
        folder = os.path.join(self.world.env["XDG_CACHE_HOME"], "gr2", "plugins")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []

    def configure(self, text: str) -> None:
        """Write the user's configuration."""
        path = os.path.join(self.world.env["XDG_CONFIG_HOME"], "gr2", "config.toml")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.world.write(path, text)


@pytest.fixture
def place(world: World, tmp_path: os.PathLike[str]) -> Iterator[Place]:
    """A place to install plugins in. What a test imported from it into its own process is forgotten afterwards."""
    folder = os.path.join(tmp_path, "installed")
    os.makedirs(folder)
    shutil.rmtree(world.env["XDG_CACHE_HOME"])  # nothing is known of plugins yet
    yield Place(world, folder)
    for name, module in tuple(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(folder):
            del sys.modules[name]


STRATEGY = """
from gr2.api import Provider, hookimpl
gr2_api = 1
@hookimpl
def gr2_dirty_strategies():
    return [Provider("{name}", "{module}:{object}", "A strategy.")]
"""
COMMAND = """
from dataclasses import dataclass
from gr2.api import Option, PluginCommand, Provider, Result, Status, hookimpl
gr2_api = 1
@hookimpl
def gr2_commands():
    return [Provider("{name}", __name__ + ":COMMAND", "Says hello.")]
@dataclass(frozen=True, kw_only=True)
class Hello(Result):
    greeting: str
def run(session, loud):
    print("noise")
    return Hello(status=Status.OK, greeting="HELLO" if loud else "hello")
COMMAND = PluginCommand(name="{name}", help="Says hello.", run=run, needs_workspace=False,
    text=lambda result, screen: screen.line(result.greeting), params=(Option(name="loud", kind="flag"),))
"""
