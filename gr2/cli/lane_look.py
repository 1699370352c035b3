"""`gr2 lane list` and `gr2 lane show`."""

from __future__ import annotations

import click

from gr2.cli.command import LANE, Gr2Command, session_of
from gr2.model.outcome import Result


@click.command("list", cls=Gr2Command)
@click.pass_context
def list_(ctx: click.Context) -> Result:
    """Lanes, and how far each is: of the unit that is named, else of all units."""
    from gr2.ops.lane_list import lane_list

    return lane_list(session_of(ctx))


@click.command("show", cls=Gr2Command)
@click.argument("name", default="", metavar="[NAME]", type=LANE)
@click.pass_context
def show(ctx: click.Context, *, name: str) -> Result:
    """One lane in full: its checkouts, who holds it, what waits in it."""
    from gr2.ops.lane_list import lane_show

    return lane_show(session_of(ctx), name)
