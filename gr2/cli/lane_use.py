"""`gr2 lane enter|exit|freeze|unfreeze|archive|drop`: what is done with a lane that is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gr2.cli.command import LANE, Gr2Command, Seconds, invocation_of, session_of
from gr2.model.outcome import Result, Status

if TYPE_CHECKING:
    from gr2.session import Session

_WAIT = click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
_YES = click.option("--yes", is_flag=True, help="Agree to discard uncommitted work.")
_TRUST = click.option("--trust-hooks", is_flag=True, help="Approve every repo's hooks for this run.")
_ENTERED = {Status.SUCCESS, Status.ATTENTION, Status.PARTIAL_FAILURE}


@click.command("enter", cls=Gr2Command, mutates=True)
@click.argument("name", required=True, type=LANE)
@click.option(
    "--dirty", default="stash", metavar="HOW", help="Work in the lane left: stash (default), block, discard, restore."
)
@_YES
@click.option("--restore", is_flag=True, help="Put back the newest saved work of the lane entered.")
@_TRUST
@_WAIT
@click.pass_context
def enter(
    ctx: click.Context, *, name: str, dirty: str, yes: bool, restore: bool, trust_hooks: bool, wait: float
) -> Result:
    """Make the lane NAME the unit's current one; the lane it was in is left first."""
    from gr2.ops.lane_enter import lane_enter

    result = lane_enter(
        session_of(ctx, wait=wait), name, dirty=dirty, yes=yes, restore=restore, trust_hooks=trust_hooks
    )
    if result.status in _ENTERED and result.entered:
        _change_directory(ctx, result.path)
    return result


def _change_directory(ctx: click.Context, path: str) -> None:
    """Tell the shell function of `gr2 shell-init` where to go."""
    file = invocation_of(ctx).environ.get("GR2_CD_FILE")
    if file:
        with open(file, "w", encoding="utf-8", errors="surrogateescape") as target:
            target.write(path)


def _leave_what_is_gone(ctx: click.Context, session: Session) -> None:
    """Tell it to go to the workspace's root when its directory is no longer where it was."""
    if not os.path.isdir(session.asked.cwd):
        _change_directory(ctx, session.root)


@click.command("exit", cls=Gr2Command, mutates=True)
@click.option("--dirty", default="stash", metavar="HOW", help="Uncommitted work: stash (default), block, discard.")
@_YES
@_TRUST
@_WAIT
@click.pass_context
def exit_(ctx: click.Context, *, dirty: str, yes: bool, trust_hooks: bool, wait: float) -> Result:
    """Leave the unit's current lane."""
    from gr2.ops.lane_exit import lane_exit

    return lane_exit(session_of(ctx, wait=wait), dirty=dirty, yes=yes, trust_hooks=trust_hooks)


@click.command("freeze", cls=Gr2Command, mutates=True)
@click.argument("name", required=True, type=LANE)
@click.option("--reason", required=True, metavar="TEXT", help="Why; shown to whoever wants to use it.")
@_WAIT
@click.pass_context
def freeze(ctx: click.Context, *, name: str, reason: str, wait: float) -> Result:
    """Let the lane NAME be read, and nothing else. Going on from it: gr2 lane create OTHER --from NAME."""
    from gr2.ops.lane_state import lane_freeze

    return lane_freeze(session_of(ctx, wait=wait), name, reason=reason)


@click.command("unfreeze", cls=Gr2Command, mutates=True)
@click.argument("name", required=True, type=LANE)
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@_WAIT
@click.pass_context
def unfreeze(ctx: click.Context, *, name: str, reason: str, wait: float) -> Result:
    """Let the frozen lane NAME be used again."""
    from gr2.ops.lane_state import lane_unfreeze

    return lane_unfreeze(session_of(ctx, wait=wait), name, reason=reason)


@click.command("archive", cls=Gr2Command, mutates=True)
@click.argument("name", required=True, type=LANE)
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.option("--force", is_flag=True, help="Also with work that is nowhere else: it stays in the trash for 30 days.")
@_WAIT
@click.pass_context
def archive(ctx: click.Context, *, name: str, reason: str, force: bool, wait: float) -> Result:
    """Move the finished lane NAME to the trash, ignored files included. Its name is free then."""
    from gr2.ops.lane_archive import lane_archive

    session = session_of(ctx, wait=wait)
    result = lane_archive(session, name, reason=reason, force=force)
    _leave_what_is_gone(ctx, session)
    return result


@click.command("drop", cls=Gr2Command, mutates=True)
@click.argument("repos", nargs=-1, required=True, metavar="REPO...")
@click.option("--lane", "name", default="", metavar="LANE", help="The lane (default: the one in context).")
@click.option("--force", is_flag=True, help="Also with work that is nowhere else: it stays in the trash for 30 days.")
@_WAIT
@click.pass_context
def drop(ctx: click.Context, *, repos: tuple[str, ...], name: str, force: bool, wait: float) -> Result:
    """Take repos out of a lane; their checkouts move to the trash."""
    from gr2.ops.lane_drop import lane_drop

    session = session_of(ctx, wait=wait, lane=name)
    result = lane_drop(session, repos, force=force)
    _leave_what_is_gone(ctx, session)
    return result
