"""A GitHub of its own for each test here, with a `gh` that is signed in to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gr2.testing import World
from tests.github.standin.desk import Desk
from tests.github.standin.hub import Hub
from tests.github.standin.server import Server


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    """GitHub with an empty organisation `acme`; `https://github.com/acme/NAME.git` are its repositories for git too."""
    hub = Hub(os.path.join(world.base, "github"), world.env)
    with Server(hub) as server:
        yield Desk(world, hub, server.path)
