"""`gr2 spec`: show and check the spec."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group, inside, invocation_of, session_of
from gr2.model.outcome import Result


@click.group(cls=Gr2Group)
def spec() -> None:
    """Show and check the spec, .grip/workspace_spec.toml."""


@spec.command("show")
@click.pass_context
def show(ctx: click.Context) -> Result:
    """Print the spec as gr2 reads it, with secrets as ***."""
    from gr2.ops.spec import spec_show

    return spec_show(session_of(ctx))


@spec.command("validate")
@click.pass_context
def validate(ctx: click.Context) -> Result:
    """Find everything that is wrong with the spec. Writes nothing."""
    from gr2.ops.spec import spec_validate

    return spec_validate(session_of(ctx))


@spec.command("schema")
def schema() -> Result:
    """Print the JSON Schema of the spec, for editors. Needs no workspace."""
    from gr2.ops.spec import spec_schema

    return spec_schema()


@spec.command("freeze")
@click.option("--output", "-o", default="", metavar="FILE", help="Write it to FILE, which must not exist.")
@click.pass_context
def freeze(ctx: click.Context, output: str) -> Result:
    """Print the spec with every repository pinned to the commit that is checked out."""
    from gr2.ops.spec import spec_freeze

    return spec_freeze(session_of(ctx), output=inside(invocation_of(ctx), output) if output else "")


@spec.command("diff")
@click.pass_context
def diff(ctx: click.Context) -> Result:
    """Show where the shared checkouts are not as the spec says."""
    from gr2.ops.spec import spec_diff

    return spec_diff(session_of(ctx))
