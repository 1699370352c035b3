"""How a shell script looks: as it is."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.shell import ShellScriptResult


@text_for(ShellScriptResult)
def show_script(result: ShellScriptResult, screen: Screen) -> None:
    """The script, and nothing else."""
    screen.raw(result.script)
