"""How a hook that was run looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.hooks_run import HooksRunResult


@text_for(HooksRunResult)
def show_run(result: HooksRunResult, screen: Screen) -> None:
    """The end of its output, and how it ended."""
    for row in result.results:
        for tail in (row.stdout_tail, row.stderr_tail):
            if tail:
                screen.raw(tail if tail.endswith("\n") else tail + "\n")
        how = "did not end in time" if row.timed_out else f"exit code {row.exit_code}"
        screen.parts(
            (f"hook {row.hook_name}", "bold"),
            f" of {row.path}: ",
            (how, "good" if row.exit_code == 0 else "bad"),
            f" after {row.duration_ms / 1000:.1f} s",
        )
