"""How new pull requests look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.pr_status import show_group
from gr2.ops.pr_create import PrCreateResult

_WHY = {
    "reference": "it is for reference only",
    "no_commits": "it has no commits beyond its base",
    "merged": "its pull request is merged (newer commits get one when the whole group is)",
    "same_repository": "another repo of the lane is the same repository",
}


@text_for(PrCreateResult)
def show_pr_create(result: PrCreateResult, screen: Screen) -> None:
    """The group, and which repos are not in it."""
    show_group(result, screen)
    for skipped in result.skipped:
        screen.line(f"{skipped.repo} has no pull request: {_WHY.get(skipped.reason, skipped.reason)}", "dim")
