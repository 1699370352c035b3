"""`gr2 repo ...`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group, session_of
from gr2.model.outcome import Result


@click.group("repo", cls=Gr2Group)
def repo() -> None:
    """State of every checkout, and what repos bring along."""


@repo.command("status")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable).")
@click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable).")
@click.pass_context
def status(ctx: click.Context, repos: tuple[str, ...], groups: tuple[str, ...]) -> Result:
    """Git state of every checkout. Contacts no remote and writes nothing."""
    from gr2.ops.repo import repo_status

    return repo_status(session_of(ctx), repos=repos, groups=groups)


@repo.command("hooks")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable).")
@click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable).")
@click.pass_context
def hooks(ctx: click.Context, repos: tuple[str, ...], groups: tuple[str, ...]) -> Result:
    """Hooks files as parsed. Runs nothing."""
    from gr2.ops.hooks import repo_hooks

    return repo_hooks(session_of(ctx), repos=repos, groups=groups)
