"""Commands of installed plugins, from the compiled index; a plugin is imported when its command is used."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Group


def add_plugin_commands(root: Gr2Group, ctx: click.Context) -> None:
    """Add the commands that the compiled index knows to `root`."""
