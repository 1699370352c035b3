"""`gr2 plan` and `gr2 apply`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Command, Seconds, session_of
from gr2.model.outcome import Result

_REPOS = click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable).")
_GROUPS = click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable)."
)


@click.command("plan", cls=Gr2Command)
@_GROUPS
@_REPOS
@click.pass_context
def plan(ctx: click.Context, repos: tuple[str, ...], groups: tuple[str, ...]) -> Result:
    """Show what apply would do. Contacts no remote and writes nothing."""
    from gr2.ops.apply import plan as run_plan

    return run_plan(session_of(ctx), repos=repos, groups=groups)


@click.command("apply", cls=Gr2Command, mutates=True)
@_GROUPS
@_REPOS
@click.option("--jobs", "-j", type=click.IntRange(1, 256), default=8, show_default=True, help="Repos at once.")
@click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
@click.option(
    "--accept-url", "accept_urls", multiple=True, metavar="REPO", help="Move REPO to its new URL in the spec."
)
@click.option("--trust-hooks", is_flag=True, help="Approve every repo's hooks for this run.")
@click.pass_context
def apply(
    ctx: click.Context,
    repos: tuple[str, ...],
    groups: tuple[str, ...],
    jobs: int,
    wait: float,
    accept_urls: tuple[str, ...],
    trust_hooks: bool,
) -> Result:
    """Make what the spec says and is missing. Never touches existing work."""
    from gr2.ops.apply import apply as run_apply

    session = session_of(ctx, wait=wait)
    return run_apply(session, repos=repos, groups=groups, jobs=jobs, accept_urls=accept_urls, trust_hooks=trust_hooks)
