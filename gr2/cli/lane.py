"""`gr2 lane ...`: making lanes, and where they are. What is done with a lane afterwards is in files of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gr2.cli.command import LANE, Gr2Group, Name, Seconds, session_of
from gr2.model.outcome import Result

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MORE: dict[str, tuple[str, str]] = {
    "list": ("gr2.cli.lane_look:list_", "Lanes, and how far each is."),
    "show": ("gr2.cli.lane_look:show", "One lane in full."),
    "enter": ("gr2.cli.lane_use:enter", "Make a lane the unit's current one."),
    "exit": ("gr2.cli.lane_use:exit_", "Leave the current lane."),
    "freeze": ("gr2.cli.lane_use:freeze", "Let a lane be read only."),
    "unfreeze": ("gr2.cli.lane_use:unfreeze", "Let a frozen lane be used again."),
    "archive": ("gr2.cli.lane_use:archive", "Move a finished lane to the trash."),
    "drop": ("gr2.cli.lane_use:drop", "Take repos out of a lane."),
    "resolve": ("gr2.cli.failures:resolve", "Decide about a failure that blocks a lane."),
    "lease": ("gr2.cli.lease:lease", "Claim a lane for a time."),
}


class Repos(click.ParamType):  # type: ignore[type-arg]
    """Names separated by commas."""

    name = "a,b"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The last name of those begun."""
        return Name("repos").shell_complete(ctx, param, incomplete)


@click.group("lane", cls=Gr2Group, lazy=MORE)
def lane() -> None:
    """One task's checkouts over several repositories."""


@lane.command("create", mutates=True)
@click.argument("name")
@click.option("--repos", type=Repos(), default=(), help="The repos (default: the unit's).")
@click.option("--branch", default="", metavar="BRANCH", help="Branch in each repo (default: the lane's name).")
@click.option("--base", default="", metavar="BRANCH", help="Where the branch starts (default: each repo's default).")
@click.option("--type", "kind", default="", metavar="TYPE", help="Kind of lane (default: feature).")
@click.option("--from", "source", default="", metavar="UNIT/LANE", help="Continue another lane's committed work.")
@click.option("--sparse", multiple=True, metavar="DIR", help="Check out only DIR of each repo (repeatable).")
@click.option("--trust-hooks", is_flag=True, help="Approve every repo's hooks for this run.")
@click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
@click.pass_context
def create(
    ctx: click.Context,
    name: str,
    repos: tuple[str, ...],
    branch: str,
    base: str,
    kind: str,
    source: str,
    sparse: tuple[str, ...],
    trust_hooks: bool,
    wait: float,
) -> Result:
    """Make the lane NAME: one checkout per repo, on a branch of its own."""
    from gr2.ops.lane_create import create_lane
    from gr2.ops.lane_plan import LaneRequest

    request = LaneRequest(name=name, repos=repos, branch=branch, base=base, kind=kind, source=source, sparse=sparse)
    return create_lane(session_of(ctx, wait=wait), request, trust_hooks=trust_hooks)


@lane.command("add", mutates=True)
@click.argument("repos", nargs=-1, required=True, metavar="REPO...")
@click.option("--lane", "name", default="", metavar="LANE", help="The lane (default: the one in context).")
@click.option("--trust-hooks", is_flag=True, help="Approve every repo's hooks for this run.")
@click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
@click.pass_context
def add(ctx: click.Context, *, repos: tuple[str, ...], name: str, trust_hooks: bool, wait: float) -> Result:
    """Give a lane more repos."""
    from gr2.ops.lane_repos import add_repos

    return add_repos(session_of(ctx, wait=wait, lane=name), repos, trust_hooks=trust_hooks)


@lane.command("path")
@click.argument("name", default="", type=LANE)
@click.option("--repo", default="", metavar="REPO", help="The lane's checkout of REPO.")
@click.pass_context
def path(ctx: click.Context, name: str, repo: str) -> Result:
    """Print the absolute path of a lane, alone on stdout."""
    from gr2.ops.lane_where import lane_path

    return lane_path(session_of(ctx), name, repo=repo)


@lane.command("current")
@click.pass_context
def current(ctx: click.Context) -> Result:
    """Print the lane the unit is in."""
    from gr2.ops.lane_where import lane_current

    return lane_current(session_of(ctx))
