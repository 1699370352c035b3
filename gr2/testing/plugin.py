"""The pytest plugin `gr2`: the `world` fixture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gr2.testing.world import World


@pytest.fixture(scope="session")
def gr2_templates(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory of the remotes that were made once and are copied for each world."""
    return str(tmp_path_factory.mktemp("gr2-templates"))


@pytest.fixture
def world(tmp_path: os.PathLike[str], gr2_templates: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A small world of its own: remotes with history, an empty workspace, no user configuration, no network.

    The test's process itself moves in: its environment is the world's, its current directory the workspace.
    """
    from gr2.testing.world import World

    found = World(os.path.join(tmp_path, "world"), templates=gr2_templates)
    for name in tuple(os.environ):
        if name not in found.env and not name.startswith(("PYTEST_", "COV_", "COVERAGE_")):
            monkeypatch.delenv(name)
    for name, value in found.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(found.root)
    yield found
