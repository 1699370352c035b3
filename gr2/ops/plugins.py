"""Installed plugins: what they are, what they provide, and whether they are sound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from gr2.edges.process import Runner
from gr2.errors import Invalid
from gr2.model.outcome import Issue, Result, Status
from gr2.model.records import dataclass
from gr2.plugin.index import Plugin, build_index, examine_deeply, listed, read_index
from gr2.plugin.manager import Plugins
from gr2.plugin.provider import API_VERSION, FAMILY_LABELS
from gr2.plugin.scan import canonical


@dataclass(frozen=True, kw_only=True)
class ProvidedName:
    """A name in a family."""

    family: str
    name: str


@dataclass(frozen=True, kw_only=True)
class PluginRow:
    """One plugin, as `plugins list` has it. `error`: why it cannot be used, or what is wrong with it, else None."""

    name: str
    distribution: str
    version: str
    state: str
    provides: tuple[ProvidedName, ...]
    api: int | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class ProvidedThing:
    """A name, where its object is, and what it is for."""

    family: str
    name: str
    path: str
    help: str


@dataclass(frozen=True, kw_only=True)
class PluginDetails:
    """One plugin in full. asks: the asking hookspecs it implements; faults: all that the last check found."""

    name: str
    distribution: str
    version: str
    state: str
    target: str
    provides: tuple[ProvidedThing, ...]
    asks: tuple[str, ...]
    api: int | None
    error: str | None
    faults: tuple[str, ...]
    traceback: str


@dataclass(frozen=True, kw_only=True)
class PluginsListResult(Result):
    """All plugins, gr2's own one included, by name."""

    plugins: tuple[PluginRow, ...]


@dataclass(frozen=True, kw_only=True)
class PluginsShowResult(Result):
    """One plugin."""

    plugin: PluginDetails


@dataclass(frozen=True, kw_only=True)
class PluginsCheckResult(Result):
    """What was examined, each row with its first fault."""

    plugins: tuple[PluginRow, ...]


def list_plugins(plugins: Plugins, *, now: float) -> PluginsListResult:
    """Every plugin, from the index; nothing is imported, so what the index does not know is `unchecked`.

    now: Unix time.
    """
    rows = tuple(_row(plugin) for plugin in _known(plugins, now))
    return PluginsListResult(status=Status.OK, plugins=rows)


def show_plugin(plugins: Plugins, name: str, *, now: float) -> PluginsShowResult:
    """The plugin called `name`, or the one of the distribution `name`. Raises Invalid `unknown_plugin`."""
    plugin = _selected(_known(plugins, now), name)[0]
    things = (
        ProvidedThing(family=thing.family, name=thing.name, path=thing.path, help=thing.help)
        for thing in plugin.provides
    )
    details = PluginDetails(
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        state=plugin.state,
        target=plugin.target,
        provides=tuple(things),
        asks=plugin.asks,
        api=plugin.api,
        error=_error(plugin),
        faults=plugin.faults,
        traceback=plugin.trace,
    )
    return PluginsShowResult(status=Status.OK, plugin=details)


def check_plugins(
    plugins: Plugins, runner: Runner, name: str = "", *, now: float, reserved: Iterable[str] = ()
) -> PluginsCheckResult:
    """Import and validate every enabled plugin (or those called `name`) with all they name, each in a process of its
    own, and compile the index anew.

    reserved: the command words that are gr2's own. `failed` on a fault. Raises Invalid `unknown_plugin`.
    """
    site = plugins.site
    if site is None:
        return PluginsCheckResult(status=Status.OK, plugins=())
    if name:
        _selected((plugins.builtin, *listed(site, plugins.disabled)), name)
    examined = build_index(site, plugins.disabled, runner, now=now, api=API_VERSION, deep=True)
    checked = (examine_deeply(plugins.builtin, site, runner, api=API_VERSION), *examined)
    wanted = _selected(checked, name) if name else list(checked)
    issues = [issue for plugin in wanted for issue in _issues(plugin, set(reserved))]
    issues += _name_conflicts(plugins, checked, wanted)
    rows = tuple(_checked_row(plugin) for plugin in sorted(wanted, key=_order))
    return PluginsCheckResult(status=Status.FAILED if issues else Status.OK, plugins=rows, issues=tuple(issues))


def _order(plugin: Plugin) -> tuple[str, str]:
    return plugin.name, plugin.distribution


def _known(plugins: Plugins, now: float) -> list[Plugin]:
    """The plugins of the index, or, without a usable one, what the installation says of them unexamined."""
    found: Sequence[Plugin] = ()
    if plugins.site is not None:
        indexed = None if plugins.none_wanted else read_index(plugins.site, now=now)
        found = plugins.installed if plugins.none_wanted else indexed or listed(plugins.site, plugins.disabled)
    return sorted((plugins.builtin, *found), key=_order)


def _selected(known: Iterable[Plugin], name: str) -> list[Plugin]:
    plugins = list(known)
    found = [plugin for plugin in plugins if plugin.name == name]
    found = found or [plugin for plugin in plugins if canonical(plugin.distribution) == canonical(name)]
    if found:
        return found
    from gr2.model.names import nearest

    near = nearest(name, [plugin.name for plugin in plugins])
    raise Invalid(
        "unknown_plugin",
        f"there is no plugin called {name}",
        scope="plugin",
        subject=name,
        hint=f"did you mean {near}" if near else "gr2 plugins list",
        details={"suggestion": near} if near else {},
    )


def _error(plugin: Plugin) -> str | None:
    return plugin.error or (plugin.faults[0] if plugin.faults else None)


def _row(plugin: Plugin) -> PluginRow:
    return PluginRow(
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        state=plugin.state,
        provides=tuple(ProvidedName(family=thing.family, name=thing.name) for thing in plugin.provides),
        api=plugin.api,
        error=_error(plugin),
    )


def _checked_row(plugin: Plugin) -> PluginRow:
    row = _row(plugin)
    if plugin.state == "ok" and plugin.faults:
        return PluginRow(**{**vars(row), "state": "failed"})
    return row


def _issues(plugin: Plugin, reserved: set[str]) -> list[Issue]:
    """The faults of one plugin. A disabled one has none: it was not looked at."""
    if plugin.state == "disabled":
        return []
    codes = {"conflict": "plugin_conflict"}
    faults = [(codes.get(plugin.state, "plugin_failed"), plugin.error)] if plugin.error else []
    faults += [("plugin_failed", fault) for fault in plugin.faults]
    if plugin.target != "gr2.builtin.plugin":
        faults += [
            ("plugin_conflict", f"it provides the command {thing.name}, which is gr2's own")
            for thing in plugin.provides
            if thing.family == "command" and thing.name in reserved
        ]
    return [
        Issue(
            code=code,
            scope="plugin",
            subject=plugin.name,
            message=f"plugin {plugin.origin} {fault}"
            if fault.startswith("says ")
            else f"plugin {plugin.origin}: {fault}",
            hint=f"gr2 plugins show {plugin.name}",
            details={"distribution": plugin.distribution, "version": plugin.version},
        )
        for code, fault in faults
        if fault
    ]


def _name_conflicts(plugins: Plugins, checked: Sequence[Plugin], wanted: Sequence[Plugin]) -> list[Issue]:
    """Names that several of `checked` provide and the user has not decided, where one of them is in `wanted`."""
    owners: dict[tuple[str, str], list[Plugin]] = {}
    for plugin in checked:
        for thing in plugin.provides:
            owners.setdefault((thing.family, thing.name), []).append(plugin)
    issues = []
    for (family, name), found in sorted(owners.items()):
        if len(found) > 1 and not plugins.prefers(family, name) and any(plugin in wanted for plugin in found):
            names = [plugin.distribution for plugin in found]
            issues.append(
                Issue(
                    code="plugin_conflict",
                    scope="plugin",
                    subject=name,
                    message=f"{' and '.join(names)} both provide the {FAMILY_LABELS[family]} {name}",
                    hint=f'[plugins] prefer = {{"{family}.{name}" = "{names[-1]}"}}',
                    details={"family": family, "distributions": names},
                )
            )
    return issues


@dataclass(frozen=True, kw_only=True)
class PluginsNewResult(Result):
    """A new plugin's files: `path` is its absolute directory, `files` are relative to it."""

    kind: str
    name: str
    path: str
    files: tuple[str, ...]


def new_plugin(kind: str, name: str, folder: str) -> PluginsNewResult:
    """Write an installable plugin of `kind` called `name`, with a test that passes, below the directory `folder`.

    Raises Invalid for a kind or name that cannot be, Blocked `path_conflict` when something is there already.
    """
    from gr2.edges.files import failed_write, remove_tree, write_whole
    from gr2.errors import Blocked
    from gr2.model.names import PLUGIN_NAME
    from gr2.ops.plugin_templates import KINDS, files_of

    if kind not in KINDS:
        raise Invalid("usage", f"{kind} is no kind of plugin", subject=kind, hint=f"one of {', '.join(KINDS)}")
    if not PLUGIN_NAME.fullmatch(name):
        hint = "a plugin's name is lower-case letters, digits and dashes, and begins with a letter"
        raise Invalid("usage", f"{name} cannot be a plugin's name", subject=name, hint=hint)
    path = os.path.join(folder, f"gr2-{name}")
    if os.path.lexists(path):
        hint = "choose another --dest"
        raise Blocked("path_conflict", f"{path} is there already", scope="plugin", subject=path, hint=hint)
    files = files_of(kind, name)
    draft = os.path.join(folder, f".gr2-{name}.{os.urandom(6).hex()}.tmp")
    try:
        for relative, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(draft, relative)), exist_ok=True)
            write_whole(os.path.join(draft, relative), text.encode())
        os.rename(draft, path)
    except OSError as error:
        raise failed_write(error, path) from error
    finally:
        remove_tree(draft)
    return PluginsNewResult(status=Status.SUCCESS, kind=kind, name=name, path=path, files=tuple(sorted(files)))
