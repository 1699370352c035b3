"""What holds for every test here: nobody's real configuration, no host but this one."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost", ""}
_HAS_GH = shutil.which("gh") is not None
_WITHOUT_GH = "gh not found: tests/github not collected (install gh 2.23 or newer to run the whole suite)"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The tests of gr2_github need the real gh, and say so once where there is none."""
    return True if not _HAS_GH and collection_path.is_relative_to(Path(__file__).parent / "github") else None


def pytest_report_header() -> str | None:
    return None if _HAS_GH else _WITHOUT_GH


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _HAS_GH:
        terminalreporter.write_line(_WITHOUT_GH, yellow=True)


@pytest.fixture(autouse=True, scope="session")
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests without a `world` see an empty home, and none of the caller's git or gr2 settings."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in tuple(os.environ):
            if name.startswith(("GIT_", "GR2_", "XDG_", "GH_", "GITHUB_")) or name in {"NO_COLOR", "CI"}:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        yield


@pytest.fixture(autouse=True, scope="session")
def _this_machine_only() -> Iterator[None]:
    """A connection to another host fails at once instead of leaving the machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in _LOCAL_HOSTS:
            raise OSError(f"tests do not reach {address[0]}")
        return real(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long sweeps run with `make faults`, or when `-m` asks for them; they are no part of `make test`."""
    if os.environ.get("GR2_FAULTS") == "full" or "full" in config.getoption("-m"):
        return
    long = [item for item in items if item.get_closest_marker("full") is not None]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
