"""`gr2 failures ...`; `gr2 lane resolve` is the same command under another noun."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Command, Gr2Group, session_of
from gr2.model.outcome import Result

RESOLUTIONS = ("retry", "skip", "escalate")


@click.group("failures", cls=Gr2Group)
def failures() -> None:
    """Failures that wait for a decision."""


@failures.command("list")
@click.option("--all", "all_", is_flag=True, help="Also those that were resolved.")
@click.pass_context
def list_(ctx: click.Context, all_: bool) -> Result:
    """Show what failed, where, and what it blocks."""
    from gr2.ops.failures import failures_list

    return failures_list(session_of(ctx), all_=all_)


@click.command("resolve", cls=Gr2Command, mutates=True)
@click.argument("operation_id", metavar="ID")
@click.option(
    "--resolution",
    type=click.Choice(RESOLUTIONS),
    required=True,
    help="retry: clear it; skip: clear it and count the hook as completed once; escalate: keep it, for others.",
)
@click.pass_context
def resolve(ctx: click.Context, operation_id: str, resolution: str) -> Result:
    """Decide about the failure of the operation ID."""
    from gr2.ops.failures import failures_resolve

    return failures_resolve(session_of(ctx), operation_id, resolution=resolution)


failures.add_command(resolve)
