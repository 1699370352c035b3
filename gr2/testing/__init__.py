"""For tests of gr2 and of its plugins: the `world` fixture and the values it hands out.

pytest loads the fixture by itself as soon as gr2 is installed. Import the names below for annotations:

    from gr2.testing import World

    def test_something(world: World) -> None: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gr2.testing.contracts_dirty import DirtyStrategyContract
    from gr2.testing.contracts_platform import PlatformContract, PlatformUnderTest
    from gr2.testing.contracts_plugin import PluginContract
    from gr2.testing.contracts_runtime import HookRuntimeContract
    from gr2.testing.contracts_sink import EventSinkContract
    from gr2.testing.control import ControlledClock, SeededIds
    from gr2.testing.distributions import write_distribution
    from gr2.testing.world import Ran, World

__all__ = [
    "ControlledClock",
    "DirtyStrategyContract",
    "EventSinkContract",
    "HookRuntimeContract",
    "PlatformContract",
    "PlatformUnderTest",
    "PluginContract",
    "Ran",
    "SeededIds",
    "World",
    "write_distribution",
]

_HOME = {
    "ControlledClock": "gr2.testing.control",
    "DirtyStrategyContract": "gr2.testing.contracts_dirty",
    "PlatformContract": "gr2.testing.contracts_platform",
    "PlatformUnderTest": "gr2.testing.contracts_platform",
    "EventSinkContract": "gr2.testing.contracts_sink",
    "HookRuntimeContract": "gr2.testing.contracts_runtime",
    "PluginContract": "gr2.testing.contracts_plugin",
    "Ran": "gr2.testing.world",
    "SeededIds": "gr2.testing.control",
    "World": "gr2.testing.world",
    "write_distribution": "gr2.testing.distributions",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every project where gr2 is installed, so it must cost nothing.
    if name not in _HOME:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
