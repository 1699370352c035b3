"""`gr2 sync status|run`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gr2.cli.command import Gr2Command, Gr2Group, Seconds, invocation_of, session_of
from gr2.model.outcome import Result
from gr2.model.sync import DEFAULT_DIRTY, DEFAULT_JOBS, DEFAULT_STRATEGY, STRATEGIES

if TYPE_CHECKING:
    from gr2.ops.sync_select import Selection

_OPTIONS = (
    click.option("--lane", "lanes", multiple=True, metavar="[UNIT/]LANE", help="Only this lane (repeatable)."),
    click.option("--unit", "units", multiple=True, metavar="UNIT", help="Only this unit and its lanes (repeatable)."),
    click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable)."),
    click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable)."),
    click.option(
        "--dirty",
        default=DEFAULT_DIRTY,
        show_default=True,
        metavar="stash|block|discard",
        help="What to do with uncommitted work where an update needs the place.",
    ),
    click.option(
        "--strategy",
        default=DEFAULT_STRATEGY,
        show_default=True,
        metavar="|".join(STRATEGIES),
        help="How to update a branch.",
    ),
)


def _selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that select checkouts, and what they say as `selection`."""

    @wraps(function)
    def selecting(
        *,
        lanes: tuple[str, ...],
        units: tuple[str, ...],
        repos: tuple[str, ...],
        groups: tuple[str, ...],
        **others: Any,
    ) -> Any:
        from gr2.ops.sync_select import Selection

        # The global option may have named one before the subcommand.
        before = invocation_of(click.get_current_context()).unit
        units = (before, *units) if before and before not in units else units
        selection = Selection(lanes=lanes, units=units, repos=repos, groups=groups)
        return function(selection=selection, **others)

    for option in reversed(_OPTIONS):
        selecting = option(selecting)
    return selecting


@click.group("sync", cls=Gr2Group)
def sync() -> None:
    """Bring mirrors and checkouts up to date. Forward only, and no work is ever lost."""


@sync.command("status", cls=Gr2Command)
@_selecting
@click.pass_context
def status(ctx: click.Context, *, selection: Selection, dirty: str, strategy: str) -> Result:
    """What a run would find and do. Contacts no remote and writes nothing at all."""
    from gr2.ops.sync_status import sync_status

    return sync_status(session_of(ctx), selection, dirty=dirty, strategy=strategy)


@sync.command("run", cls=Gr2Command, mutates=True)
@_selecting
@click.option("--yes", is_flag=True, help="Really discard, with --dirty discard.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1, 256), default=DEFAULT_JOBS, show_default=True, help="Repos at once."
)
@click.option("--keep-going", is_flag=True, help="Go on with other repos after a failure.")
@click.option("--wait", type=Seconds(0), default=0.0, help="Seconds to wait for another sync.")
@click.option("--offline", is_flag=True, help="Update from the mirrors as they are.")
@click.option("--trust-hooks", is_flag=True, help="Approve hooks for this run. A sync makes nothing that runs any.")
@click.pass_context
def run(
    ctx: click.Context,
    *,
    selection: Selection,
    dirty: str,
    strategy: str,
    yes: bool,
    jobs: int,
    keep_going: bool,
    wait: float,
    offline: bool,
    trust_hooks: bool,
) -> Result:
    """Fetch every mirror once, in parallel, then update checkouts from the mirrors.

    Without --keep-going the first failure lets running work end and starts nothing new. The same command again
    continues.
    """
    from gr2.ops.sync_run import SyncOptions, sync_run

    options = SyncOptions(
        dirty=dirty, yes=yes, strategy=strategy, jobs=jobs, keep_going=keep_going, wait=wait, offline=offline
    )
    return sync_run(session_of(ctx), selection, options)
