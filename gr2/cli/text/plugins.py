"""How plugins look."""

from __future__ import annotations

import shlex

from gr2.cli.screen import Screen, text_for
from gr2.ops.plugins import PluginRow, PluginsCheckResult, PluginsListResult, PluginsNewResult, PluginsShowResult

_STYLES = {"ok": "good", "disabled": "dim", "unchecked": "warn"}


@text_for(PluginsListResult)
def show_list(result: PluginsListResult, screen: Screen) -> None:
    """One line a plugin, and what to type about those that need something."""
    _rows(result.plugins, screen)
    if any(row.state == "unchecked" for row in result.plugins):
        screen.line()
        screen.line("Unchecked plugins are examined when they are first needed, or by:")
        screen.command("gr2 plugins check")


@text_for(PluginsCheckResult)
def show_check(result: PluginsCheckResult, screen: Screen) -> None:
    """The same table, after everything was imported; the faults follow as issues."""
    _rows(result.plugins, screen)


def _rows(plugins: tuple[PluginRow, ...], screen: Screen) -> None:
    rows = [
        (
            row.name,
            f"{row.distribution} {row.version}",
            (row.state, _STYLES.get(row.state, "bad")),
            row.error or ", ".join(f"{item.family} {item.name}" for item in row.provides),
        )
        for row in plugins
    ]
    screen.table(("PLUGIN", "DISTRIBUTION", "STATE", "PROVIDES"), rows)


@text_for(PluginsShowResult)
def show_one(result: PluginsShowResult, screen: Screen) -> None:
    """Everything about one plugin."""
    plugin = result.plugin
    screen.heading(f"{plugin.name} ({plugin.distribution} {plugin.version})")
    facts: list[tuple[str, str | tuple[str, str]]] = [
        ("state", (plugin.state, _STYLES.get(plugin.state, "bad"))),
        ("module", plugin.target),
    ]
    if plugin.api is not None:
        facts.append(("gr2_api", str(plugin.api)))
    if plugin.asks:
        facts.append(("is asked", ", ".join(plugin.asks)))
    if plugin.error:
        facts.append(("error", plugin.error))
    facts += [("fault", fault) for fault in plugin.faults if fault != plugin.error]
    screen.table(("", ""), facts)
    if plugin.provides:
        screen.line()
        rows = [(item.family, item.name, item.path, item.help) for item in plugin.provides]
        screen.table(("FAMILY", "NAME", "PATH", "WHAT"), rows)
    if plugin.traceback:
        screen.line()
        screen.raw(plugin.traceback)


@text_for(PluginsNewResult)
def show_new(result: PluginsNewResult, screen: Screen) -> None:
    """The files, and the next commands."""
    screen.line(f"Made {result.path}:")
    for name in result.files:
        screen.line(f"  {name}")
    screen.line("Next:")
    screen.command(f"cd {shlex.quote(result.path)}")
    screen.command("python -m pytest")
    screen.command(f"pip install -e . && gr2 plugins check {result.name}")
