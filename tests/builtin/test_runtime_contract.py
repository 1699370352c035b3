"""The built-in hook runtime keeps the contract of all hook runtimes."""

from __future__ import annotations

from gr2.testing import HookRuntimeContract


class TestCommand(HookRuntimeContract):
    runtime = "gr2.builtin.command_runtime:CommandRuntime"
