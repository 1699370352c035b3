"""How pull requests look that left draft."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.pr_status import show_group
from gr2.ops.pr_ready import PrReadyResult


@text_for(PrReadyResult)
def show_pr_ready(result: PrReadyResult, screen: Screen) -> None:
    """The group."""
    show_group(result, screen)
