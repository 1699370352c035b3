"""How runs of a command look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.model.outcome import Status
from gr2.ops.exec_run import ExecRunResult, ExecStatusResult


@text_for(ExecRunResult)
def show_run(result: ExecRunResult, screen: Screen) -> None:
    """Only what the output did not say already: a summary when something failed."""
    if result.status in {Status.SUCCESS, Status.BLOCKED} or not result.results:
        return
    good = sum(1 for item in result.results if item.exit_code == 0)
    bad = len(result.results) - good
    parts = [f"{good} succeeded", f"{bad} failed", f"{len(result.unaffected)} not started"]
    screen.note(", ".join(part for part in parts if not part.startswith("0 ")))


@text_for(ExecStatusResult)
def show_status(result: ExecStatusResult, screen: Screen) -> None:
    """Where the command would run."""
    rows = [(operation.repo, (operation.path, "dim")) for operation in result.operations]
    screen.table(("REPO", "CHECKOUT"), rows)
