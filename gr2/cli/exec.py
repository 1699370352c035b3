"""`gr2 exec ...`."""

from __future__ import annotations

from typing import Any

import click

from gr2.cli.command import Gr2Command, Gr2Group, Seconds, session_of
from gr2.model.outcome import Result


@click.group("exec", cls=Gr2Group, meant="run -- {}")
def exec_group() -> None:
    """Run a command in a lane's repositories."""


def _place_options(command: Any) -> Any:
    for option in (
        click.option("--lane", default="", metavar="LANE", help="The lane (default: the one in context)."),
        click.option("--shared", is_flag=True, help="Run in the shared checkouts."),
        click.option("--unit-checkouts", is_flag=True, help="Run in the unit's own checkouts."),
        click.option("--repo", "repos", multiple=True, metavar="REPO", help="Only this repo (repeatable)."),
        click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only this group's repos (repeatable)."),
    ):
        command = option(command)
    return command


def _place(lane: str, shared: bool, unit_checkouts: bool) -> str:
    named = [("--lane", lane), ("--shared", shared), ("--unit-checkouts", unit_checkouts)]
    given = [name for name, value in named if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other.")
    return "shared" if shared else "unit" if unit_checkouts else "lane"


@exec_group.command("status")
@_place_options
@click.pass_context
def status(
    ctx: click.Context, lane: str, shared: bool, unit_checkouts: bool, repos: tuple[str, ...], groups: tuple[str, ...]
) -> Result:
    """Where `exec run` would run a command, and what stands in its way."""
    from gr2.ops.exec_run import ExecRequest, exec_status

    request = ExecRequest(lane=lane, place=_place(lane, shared, unit_checkouts), repos=repos, groups=groups)
    return exec_status(session_of(ctx, lane=lane), request)


@exec_group.command("run", cls=Gr2Command, mutates=True, context_settings={"allow_interspersed_args": False})
@_place_options
@click.option("--jobs", "-j", type=click.IntRange(1, 256), default=1, show_default=True, help="Checkouts at once.")
@click.option("--fail-fast/--keep-going", default=False, help="Start nothing after a failure (default: keep going).")
@click.option("--timeout", type=Seconds(0, min_open=True), metavar="SECONDS", help="For each checkout.")
@click.option("--stream", is_flag=True, help="With --json: output as JSON Lines while it comes.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, required=True, metavar="-- CMD...")
@click.pass_context
def run(
    ctx: click.Context,
    lane: str,
    shared: bool,
    unit_checkouts: bool,
    repos: tuple[str, ...],
    groups: tuple[str, ...],
    jobs: int,
    fail_fast: bool,
    timeout: float | None,
    stream: bool,
    argv: tuple[str, ...],
) -> Result:
    """Run CMD, without a shell, in each of the lane's checkouts."""
    from gr2.cli.exec_stream import streamed
    from gr2.ops.exec_run import ExecRequest, exec_run

    request = ExecRequest(
        argv=argv,
        lane=lane,
        place=_place(lane, shared, unit_checkouts),
        repos=repos,
        groups=groups,
        jobs=jobs,
        fail_fast=fail_fast,
        timeout=timeout,
    )
    if stream:
        return streamed(ctx, lambda session: exec_run(session, request), lane=lane)
    return exec_run(session_of(ctx, lane=lane), request)
