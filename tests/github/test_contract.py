"""The adapter against the suite that every platform adapter passes."""

from __future__ import annotations

import pytest

from gr2.testing import PlatformContract, PluginContract
from tests.github.standin.desk import Desk


class TestGitHub(PlatformContract):
    @pytest.fixture
    def platform(self, desk: Desk) -> Desk:
        return desk


class TestPlugin(PluginContract):
    target = "gr2_github.plugin"
