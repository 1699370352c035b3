"""`gr2 review ...`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group, Seconds, session_of
from gr2.model.outcome import Result


@click.group("review", cls=Gr2Group)
def review() -> None:
    """Who must approve, and other people's pull requests."""


@review.command("requirements")
@click.option("--lane", default="", metavar="LANE", help="The lane (default: the one you are in).")
@click.pass_context
def requirements(ctx: click.Context, lane: str) -> Result:
    """Show how many approvals each pull request of the lane needs and has."""
    from gr2.ops.review import review_requirements

    return review_requirements(session_of(ctx, lane=lane))


@review.command("checkout-pr", mutates=True)
@click.argument("repo")
@click.argument("number", type=click.IntRange(1, 2**31 - 1))
@click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
@click.pass_context
def checkout_pr(ctx: click.Context, repo: str, number: int, wait: float) -> Result:
    """Check out a pull request in a review lane. Again: move the lane to its new head."""
    from gr2.ops.review_checkout import checkout_pull

    return checkout_pull(session_of(ctx, wait=wait), repo, number)
