"""`gr2 workspace`: make a workspace, and fill it."""

from __future__ import annotations

from typing import Any

import click

from gr2.cli.command import Gr2Group, inside, invocation_of, session_at


@click.group(cls=Gr2Group, lazy={"materialize": ("gr2.cli.apply:apply", "The same as `gr2 apply`.")})
def workspace() -> None:
    """Make a workspace, and fill it."""


@workspace.command("init", mutates=True)
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--name", default="", metavar="NAME", help="The workspace's name; else the directory's.")
@click.option("--repo", "repos", multiple=True, metavar="NAME=URL", help="A repository. May be given several times.")
@click.option("--unit", "units", multiple=True, metavar="NAME", help="A person or agent. May be given several times.")
@click.option("--from-dirs", default="", metavar="DIR", help="Adopt the clones in DIR where they are.")
@click.pass_context
def init(
    ctx: click.Context, *, path: str | None, name: str, repos: tuple[str, ...], units: tuple[str, ...], from_dirs: str
) -> Any:
    """Write a spec, and so make PATH (else the current directory) a workspace.

    The same command again changes nothing. Then: gr2 plan, gr2 apply.
    """
    from gr2.ops.workspace_init import InitRequest, workspace_init

    run = invocation_of(ctx)
    pairs = [_pair(text) for text in repos]
    session = session_at(ctx, inside(run, path or run.workspace or "."))
    request = InitRequest(name=name, repos=pairs, units=units, from_dirs=inside(run, from_dirs) if from_dirs else "")
    return workspace_init(session, request)


def _pair(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not equals or not name or not url:
        raise click.BadParameter(
            "it must be NAME=URL, for example app=https://example.org/shop/app.git", param_hint="--repo"
        )
    return name, url
