"""What `gr2 workspace init` says."""

from __future__ import annotations

import os

from gr2.cli.screen import Screen, text_for
from gr2.model.hints import quoted
from gr2.ops.workspace_init import WorkspaceInitResult


@text_for(WorkspaceInitResult)
def show_workspace_init(result: WorkspaceInitResult, screen: Screen) -> None:
    """What there is now, and what to type next."""
    done = "made" if result.created else "is there already, nothing changed"
    screen.parts(f"workspace {result.workspace} {done}: ", (result.spec_path, "bold"))
    for title, names in (("repos", result.repos), ("units", result.units)):
        if names:
            screen.line(f"  {title}: {', '.join(names)}")
    screen.line("next:" if result.repos else "next: name your repositories in it, then")
    root = os.path.dirname(os.path.dirname(result.spec_path))
    if root != screen.cwd:
        screen.command(f"cd {quoted(root)}")
    screen.command("gr2 plan")
    screen.command("gr2 apply")
