"""`gr2 doctor` and `gr2 gc`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Command, session_of
from gr2.model.outcome import Result


@click.command("doctor", cls=Gr2Command, mutates=True)
@click.option("--fix", is_flag=True, help="Put right what can be put right safely.")
@click.pass_context
def doctor(ctx: click.Context, fix: bool) -> Result:
    """Look for problems, and repair what is safe."""
    from gr2.ops.doctor import doctor as run_doctor

    return run_doctor(session_of(ctx), fix=fix)


@click.command("gc", cls=Gr2Command, mutates=True)
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@click.pass_context
def gc(ctx: click.Context, dry_run: bool) -> Result:
    """Remove what is provably unneeded: what killed commands left, saved work and logs older than 30 days."""
    from gr2.ops.gc import gc as run_gc

    return run_gc(session_of(ctx), dry_run=dry_run)
