"""`gr2 pr ...`."""

from __future__ import annotations

import os
import sys

import click

from gr2.cli.command import Gr2Group, Seconds, inside, invocation_of, session_of
from gr2.errors import Invalid
from gr2.model.outcome import Result

_LANE = click.option("--lane", default="", metavar="LANE", help="The lane (default: the one you are in).")
_WAIT = click.option("--wait", type=Seconds(0), default=30.0, show_default=True, help="Seconds to wait for others.")
_BODY_LIMIT = 4 << 20


@click.group("pr", cls=Gr2Group)
def pr() -> None:
    """One change over several repositories: linked pull requests, merged in order."""


@pr.command("create", mutates=True)
@click.option("--title", default=None, metavar="TITLE", help="Title of new pull requests (default: the group's).")
@click.option("--body", default=None, metavar="TEXT", help="Text of new pull requests.")
@click.option("--body-file", default=None, metavar="FILE", help="File with the text; - is standard input.")
@click.option("--base", default="", metavar="BRANCH", help="Branch to merge into (default: each repo's).")
@click.option("--draft", is_flag=True, help="Open them as drafts.")
@click.option("--no-push", is_flag=True, help="Do not push; refuse when something is not pushed.")
@_LANE
@_WAIT
@click.pass_context
def create(
    ctx: click.Context,
    title: str | None,
    body: str | None,
    body_file: str | None,
    base: str,
    draft: bool,
    no_push: bool,
    lane: str,
    wait: float,
) -> Result:
    """Push the lane's branches and open a linked pull request for each repo with commits.

    Again, it pushes what is new and opens what is missing; only the first time it needs a title.
    """
    from gr2.ops.pr_create import CreateRequest, create_group

    if body is not None and body_file is not None:
        raise click.UsageError("--body and --body-file exclude each other")
    text = _text_of(ctx, body_file) if body_file is not None else body or ""
    request = CreateRequest(title=title, body=text, base=base, draft=draft, push=not no_push)
    return create_group(session_of(ctx, wait=wait, lane=lane), request)


def _text_of(ctx: click.Context, name: str) -> str:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_BODY_LIMIT + 1)
        else:
            with open(inside(invocation_of(ctx), name), "rb") as file:
                data = file.read(_BODY_LIMIT + 1)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Invalid("invalid_text", f"the body cannot be read: {reason}", subject=name) from error
    if len(data) > _BODY_LIMIT:
        raise Invalid("body_too_long", "the body is over 4 MiB", subject=name, hint="shorten the body")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid("invalid_text", "the body is not UTF-8", subject=name) from error


@pr.command("status", mutates=True)
@_LANE
@_WAIT
@click.pass_context
def status(ctx: click.Context, lane: str, wait: float) -> Result:
    """Show how the lane's pull requests stand, and what to type."""
    from gr2.ops.pr_status import group_status

    return group_status(session_of(ctx, wait=wait, lane=lane))


@pr.command("list")
@click.option(
    "--state", type=click.Choice(["open", "merged", "all"]), default="open", show_default=True, help="Which groups."
)
@click.pass_context
def list_(ctx: click.Context, state: str) -> Result:
    """Show the workspace's groups as last recorded; merged and closed ones only with --state. Asks no platform."""
    from gr2.ops.pr_status import list_groups

    return list_groups(session_of(ctx), state=state)


@pr.command("checks", mutates=True)
@click.option("--watch", is_flag=True, help="Look again until nothing is pending.")
@click.option("--interval", type=Seconds(0.1), default=10.0, show_default=True, help="Seconds between two looks.")
@click.option("--timeout", type=Seconds(0), default=None, help="Seconds to watch at most.")
@_LANE
@_WAIT
@click.pass_context
def checks(ctx: click.Context, watch: bool, interval: float, timeout: float | None, lane: str, wait: float) -> Result:
    """Show every check on the current heads."""
    from gr2.ops.pr_status import group_checks

    session = session_of(ctx, wait=wait, lane=lane)
    return group_checks(session, watch=watch, interval=interval, timeout=timeout)


@pr.command("ready", mutates=True)
@_LANE
@_WAIT
@click.pass_context
def ready(ctx: click.Context, lane: str, wait: float) -> Result:
    """Take the lane's pull requests out of draft."""
    from gr2.ops.pr_ready import ready_group

    return ready_group(session_of(ctx, wait=wait, lane=lane))


@pr.command("merge", mutates=True)
@click.option(
    "--method",
    type=click.Choice(["merge", "squash", "rebase"]),
    default="merge",
    show_default=True,
    help="How to merge.",
)
@click.option("--force", is_flag=True, help="Lift gr2's own rules on reviews and checks.")
@click.option("--auto", is_flag=True, help="Leave what is not ready to the platform.")
@_LANE
@_WAIT
@click.pass_context
def merge(ctx: click.Context, method: str, force: bool, auto: bool, lane: str, wait: float) -> Result:
    """Merge the lane's pull requests in order. The same command again continues."""
    from gr2.ops.pr_merge import MergeRequest, merge_group

    request = MergeRequest(method=method, force=force, auto=auto)  # type: ignore[arg-type]
    return merge_group(session_of(ctx, wait=wait, lane=lane), request)
