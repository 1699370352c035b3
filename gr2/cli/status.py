"""`gr2 status`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Command, session_of
from gr2.model.outcome import Result


@click.command("status", cls=Gr2Command)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable).")
@click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable).")
@click.pass_context
def status(ctx: click.Context, repos: tuple[str, ...], groups: tuple[str, ...]) -> Result:
    """What needs you, and what to type. Contacts no remote and writes nothing."""
    from gr2.ops.status import status as run_status

    return run_status(session_of(ctx), repos=repos, groups=groups)
