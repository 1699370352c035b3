"""`gr2 plugins`: what is installed, and whether it is sound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gr2.cli.command import Gr2Group, inside, invocation_of
from gr2.model.outcome import Result

if TYPE_CHECKING:
    from gr2.plugin.manager import Plugins


@click.group("plugins", cls=Gr2Group)
def plugins() -> None:
    """Installed plugins and what they provide. None of these commands needs a workspace."""


@plugins.command("list")
@click.pass_context
def list_(ctx: click.Context) -> Result:
    """Every installed plugin. Imports none: what was not examined yet is `unchecked`."""
    from gr2.ops.plugins import list_plugins

    return list_plugins(_plugins(ctx), now=time.time())


@plugins.command("show")
@click.argument("name")
@click.pass_context
def show(ctx: click.Context, name: str) -> Result:
    """One plugin in full: what it provides, and what is wrong with it."""
    from gr2.ops.plugins import show_plugin

    return show_plugin(_plugins(ctx), name, now=time.time())


@plugins.command("check")
@click.argument("name", required=False)
@click.pass_context
def check(ctx: click.Context, name: str | None) -> Result:
    """Import and validate every plugin (or NAME), each in a process of its own."""
    from gr2.cli.root_help import NOUNS
    from gr2.ops.plugins import check_plugins

    runner = invocation_of(ctx).runner
    assert runner is not None
    return check_plugins(_plugins(ctx), runner, name or "", now=time.time(), reserved=NOUNS)


@plugins.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--dest", default=".", metavar="DIR", help="Where to make it; else here.")
@click.pass_context
def new(ctx: click.Context, kind: str, name: str, dest: str) -> Result:
    """Write an installable plugin, with a test that passes.

    KIND is platform, strategy, runtime, sink, constraint, command or doctor.
    """
    from gr2.ops.plugins import new_plugin

    return new_plugin(kind, name, inside(invocation_of(ctx), dest))


def _plugins(ctx: click.Context) -> Plugins:
    from gr2.cli.plugin_commands import open_for

    return open_for(invocation_of(ctx))
