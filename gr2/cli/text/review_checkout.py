"""How a review lane looks."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.model.hints import quoted
from gr2.ops.review_checkout import ReviewCheckoutResult


@text_for(ReviewCheckoutResult)
def show_review_checkout(result: ReviewCheckoutResult, screen: Screen) -> None:
    """Where the pull request is, and what changed."""
    pull = result.pr
    screen.parts((f"{pull.repo}#{pull.pr_number}", "bold"), f"  {pull.title}")
    if result.old_sha is None:
        how = f"at {result.new_sha[:12]}"
    elif result.old_sha == result.new_sha:
        how = f"still at {result.new_sha[:12]}"
    else:
        how = f"moved from {result.old_sha[:12]} to {result.new_sha[:12]}"
    for row in result.lane.repos:
        screen.line(f"{row.path}  {how}")
    screen.command(f"gr2 lane enter {quoted(f'{result.lane.owner_unit}/{result.lane.lane_name}')}")
