"""How a merge looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.cli.text.pr_status import state_in_words
from gr2.ops.pr_merge import PrMergeResult


@text_for(PrMergeResult)
def show_pr_merge(result: PrMergeResult, screen: Screen) -> None:
    """One line a pull request, in the order they were merged, and how the group is now."""
    group = result.group
    if group is None:
        return
    for repos, words, style in (
        (result.already_merged, "was merged already", "dim"),
        (result.merged, "merged", "good"),
        (result.pending, "waits", "warn"),
        (result.failed, "not merged", "bad"),
    ):
        for repo in repos:
            child = group.child(repo)
            if child is not None:
                sha = f" as {child.merge_sha[:12]}" if child.merge_sha and style == "good" else ""
                screen.parts(child.name, " ", (words, style), sha)
    screen.line(f"{group.pr_group_id}: {state_in_words(group)}")
