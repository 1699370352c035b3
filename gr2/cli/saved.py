"""`gr2 saved ...`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group, inside, invocation_of, session_of
from gr2.model.outcome import Result


@click.group("saved", cls=Gr2Group)
def saved() -> None:
    """Work that gr2 put aside, and how to have it back."""


@saved.command("list")
@click.pass_context
def list_(ctx: click.Context) -> Result:
    """Everything that waits to be had back, oldest first."""
    from gr2.ops.saved import saved_list

    return saved_list(session_of(ctx))


@saved.command("show")
@click.argument("saved_id", metavar="ID")
@click.pass_context
def show(ctx: click.Context, saved_id: str) -> Result:
    """One piece of saved work, file by file."""
    from gr2.ops.saved import saved_show

    return saved_show(session_of(ctx), saved_id)


@saved.command("restore", mutates=True)
@click.argument("saved_id", metavar="ID")
@click.option("--to", metavar="PATH", default="", help="Write the files to this new place; what is saved stays.")
@click.pass_context
def restore(ctx: click.Context, saved_id: str, to: str) -> Result:
    """Put saved work back where it was. Never overwrites other work."""
    from gr2.ops.saved import saved_restore

    return saved_restore(session_of(ctx), saved_id, to=inside(invocation_of(ctx), to) if to else "")


@saved.command("drop", mutates=True)
@click.argument("saved_id", metavar="ID")
@click.pass_context
def drop(ctx: click.Context, saved_id: str) -> Result:
    """Throw saved work away for good."""
    from gr2.ops.saved import saved_drop

    return saved_drop(session_of(ctx), saved_id)
