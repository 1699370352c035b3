"""`gr2 hooks ...`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group, session_of
from gr2.model.outcome import Result

_LANE = click.option("--lane", default="", metavar="LANE", help="Of the lane's checkout (default: the shared one).")


@click.group("hooks", cls=Gr2Group)
def hooks() -> None:
    """What repos bring along to be run or projected, and who approved it."""


@hooks.command("list")
@click.argument("repo", required=False, default="")
@_LANE
@click.pass_context
def list_(ctx: click.Context, repo: str, lane: str) -> Result:
    """Lifecycle hooks of one repo, or of all. Runs nothing."""
    from gr2.ops.hooks import hooks_list

    return hooks_list(session_of(ctx), repo, lane=lane)


@hooks.command("show")
@click.argument("repo")
@_LANE
@click.pass_context
def show(ctx: click.Context, repo: str, lane: str) -> Result:
    """One repo's hooks file, and the files of the repo that it names."""
    from gr2.ops.hooks import hooks_show

    return hooks_show(session_of(ctx), repo, lane=lane)


@hooks.command("trust", mutates=True)
@click.argument("repo")
@_LANE
@click.pass_context
def trust(ctx: click.Context, repo: str, lane: str) -> Result:
    """Show a repo's hooks file and approve it as it is. One changed byte needs a new approval."""
    from gr2.ops.hooks import hooks_trust

    return hooks_trust(session_of(ctx), repo, lane=lane)


@hooks.command("untrust", mutates=True)
@click.argument("repo")
@click.pass_context
def untrust(ctx: click.Context, repo: str) -> Result:
    """Take back every approval of a repo's hooks."""
    from gr2.ops.hooks import hooks_untrust

    return hooks_untrust(session_of(ctx), repo)


@hooks.command("run", mutates=True)
@click.argument("repo")
@click.argument("name")
@click.option("--lane", default="", metavar="LANE", help="In the lane's checkout (default: the lane around you).")
@click.option("--stage", default="", metavar="STAGE", help="When two stages have a hook of that name.")
@click.option("--trust-hooks", is_flag=True, help="Approve the repo's hooks for this run.")
@click.pass_context
def run(ctx: click.Context, *, repo: str, name: str, lane: str, stage: str, trust_hooks: bool) -> Result:
    """Run one hook now, whatever its `when` says."""
    from gr2.ops.hooks_run import hooks_run

    return hooks_run(session_of(ctx), repo, name, lane=lane, stage=stage, trust_hooks=trust_hooks)


@hooks.command("schema")
@click.pass_context
def schema(ctx: click.Context) -> Result:
    """The JSON Schema of `.gr2/hooks.toml`. Needs no workspace."""
    from gr2.ops.hooks import hooks_schema

    return hooks_schema()
