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
_SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
# Tests that need a real program of others, which not every machine has.
_WITHOUT = [
    (Path(__file__).parent / place, f"{program} not found: tests/{place} not collected (install {what})")
    for place, program, what in (
        ("github", "gh", "gh 2.23 or newer"),
        ("ops/test_sync_ssh.py", "sshd", "an OpenSSH server; nobody has to start it"),
    )
    if shutil.which(program, path=_SBIN) is None
]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """What cannot run here is said once, at the beginning and the end."""
    return True if any(collection_path.is_relative_to(place) for place, _ in _WITHOUT) else None


def pytest_report_header() -> list[str]:
    return [message for _, message in _WITHOUT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for _, message in _WITHOUT:
        terminalreporter.write_line(message, yellow=True)


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
