"""`gr2 lane lease`: claim a lane for a time, so that others wait or branch off."""

from __future__ import annotations

import click

from gr2.cli.command import LANE, Gr2Group, Seconds, session_of
from gr2.model.outcome import Result

_MODES = click.Choice(("edit", "exec", "review"))
_TTL = click.IntRange(1, 86_400)


@click.group("lease", cls=Gr2Group)
def lease() -> None:
    """Claim a lane for a time. Edit and review exclude everybody else, exec goes beside other exec."""


@lease.command("acquire", mutates=True)
@click.argument("name", default="", metavar="[NAME]", type=LANE)
@click.option("--mode", type=_MODES, default="edit", show_default=True, help="What for.")
@click.option("--ttl", type=_TTL, default=900, show_default=True, metavar="S", help="Seconds it lasts.")
@click.option("--wait", type=Seconds(0), default=0.0, metavar="S", help="Seconds to wait for another's lease.")
@click.option("--force", is_flag=True, help="Break another's lease. Needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why it had to be broken; the other holder is told.")
@click.pass_context
def acquire(ctx: click.Context, *, name: str, mode: str, ttl: int, wait: float, force: bool, reason: str) -> Result:
    """Claim the lane NAME, or renew the claim."""
    from gr2.ops.lease_claim import lease_acquire

    session = session_of(ctx)
    return lease_acquire(session, name, mode=mode, ttl=ttl, wait=wait, force=force, reason=reason)


@lease.command("renew", mutates=True)
@click.argument("name", default="", metavar="[NAME]", type=LANE)
@click.option("--mode", type=_MODES, default=None, help="Only this lease (default: all of yours).")
@click.option("--ttl", type=_TTL, default=None, metavar="S", help="Seconds it lasts from now (default: as before).")
@click.pass_context
def renew(ctx: click.Context, *, name: str, mode: str | None, ttl: int | None) -> Result:
    """Let your leases on the lane NAME run anew."""
    from gr2.ops.lease_claim import lease_renew

    return lease_renew(session_of(ctx), name, mode=mode or "", ttl=ttl)


@lease.command("release", mutates=True)
@click.argument("name", default="", metavar="[NAME]", type=LANE)
@click.option("--mode", type=_MODES, default=None, help="Only this lease (default: all of yours).")
@click.pass_context
def release(ctx: click.Context, *, name: str, mode: str | None) -> Result:
    """Give your leases on the lane NAME back."""
    from gr2.ops.lease_claim import lease_release

    return lease_release(session_of(ctx), name, mode=mode or "")


@lease.command("show")
@click.argument("name", default="", metavar="[NAME]", type=LANE)
@click.pass_context
def show(ctx: click.Context, *, name: str) -> Result:
    """Who holds the lane NAME, and for how long."""
    from gr2.ops.lease_claim import lease_show

    return lease_show(session_of(ctx), name)
