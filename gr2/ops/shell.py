"""`shell-init`: a script for a shell to evaluate."""

from __future__ import annotations

from gr2.model.outcome import Result, Status
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class ShellScriptResult(Result):
    """A script in the shell's own language."""

    script: str


def shell_script(script: str) -> ShellScriptResult:
    """The script as a result."""
    return ShellScriptResult(status=Status.OK, script=script)
