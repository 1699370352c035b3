"""Settings of plugins: `[plugins.<name>]` of user configuration, then of the spec, checked by the plugin's model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gr2.errors import Failed, Gr2Error, Invalid
from gr2.model.outcome import Issue
from gr2.plugin.index import Plugin
from gr2.plugin.isolation import PluginFault, import_object, isolated

if TYPE_CHECKING:
    from gr2.model.spec import Spec
    from gr2.plugin.manager import Plugins

Tables = Mapping[str, Mapping[str, Any]]


def settings_of(plugin: Plugin, name: str, config: Mapping[str, Any], tables: Tables) -> Any:
    """The validated settings for what `plugin` provides as `name`, None when it has no model.

    config: the user's whole configuration; tables: `plugins` of the spec, which wins key by key.
    Raises Invalid `invalid_config`, Failed `plugin_failed` when the model cannot be imported.
    """
    table = name if name in plugin.settings else ""
    reference = plugin.settings.get(table)
    if reference is None:
        return None
    return _validated(plugin, reference, table or plugin.name, config, tables)


def plugin_settings(session: Any, table: str, model: Any) -> Any:
    """`[plugins.<table>]` of a session, as an instance of the pydantic class `model`: for a command of a plugin. What
    gr2 makes of a plugin has its settings in its `PluginContext`.

    Raises Invalid `invalid_config`.
    """
    return _model(model, table, _values(table, session.settings.config, session.spec.plugins))


def is_configured(plugin: Plugin, name: str, config: Mapping[str, Any], tables: Tables) -> bool:
    """Whether user configuration or spec set anything in the table that `settings_of` reads."""
    table = (name if name in plugin.settings else "") or plugin.name
    return bool(config.get("plugins", {}).get(table)) or bool(tables.get(table))


def _validated(plugin: Plugin, reference: str, table: str, config: Mapping[str, Any], tables: Tables) -> Any:
    values = _values(table, config, tables)
    try:
        return isolated(lambda: _model(import_object(reference), table, values))
    except PluginFault as fault:
        raise Failed(
            "plugin_failed",
            f"plugin {plugin.origin} failed: settings {reference}: {fault.cause}",
            scope="plugin",
            subject=plugin.name,
            hint=f"gr2 plugins show {plugin.name}",
        ) from fault


def _values(table: str, config: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    own = config.get("plugins", {}).get(table, {})
    if not isinstance(own, Mapping):
        raise _invalid(f"plugins.{table}", "must be a table")
    return {**own, **tables.get(table, {})}


def _model(model: Any, table: str, values: Mapping[str, Any]) -> Any:
    from pydantic import ValidationError

    from gr2.model.names import nearest

    known = {alias for name, field in model.model_fields.items() for alias in (name, field.alias) if alias}
    for key in values:
        if key not in known:
            near = nearest(key, known)
            raise _invalid(f"plugins.{table}.{key}", "is not a setting of this plugin", near, known)
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(("plugins", table, *map(str, first["loc"])))
        raise _invalid(path, str(first["msg"])[:1].lower() + str(first["msg"])[1:]) from None


def _invalid(path: str, reason: str, near: str | None = None, known: set[str] | None = None) -> Invalid:
    hint = f"did you mean {near}" if near else f"one of {', '.join(sorted(known))}" if known else ""
    details = {"suggestion": near} if near else {}
    return Invalid("invalid_config", f"{path} {reason}", scope="plugin", subject=path, hint=hint, details=details)


def issues_of_settings(plugins: Plugins, spec: Spec) -> list[Issue]:
    """What is wrong with settings: unknown keys, wrong values; not blocking: those of plugins not installed."""
    from gr2.model.names import nearest

    owners: dict[str, tuple[Plugin, str]] = {}
    for plugin in (plugins.builtin, *plugins.installed):
        owners[plugin.name] = (plugin, plugin.settings.get("", ""))
        owners.update((table, (plugin, path)) for table, path in plugin.settings.items() if table)
    issues = []
    for table in sorted(spec.plugins):
        if table not in owners:
            near = nearest(table, owners)
            issues.append(
                Issue(
                    code="unknown_plugin",
                    scope="plugin",
                    subject=f"plugins.{table}",
                    message=f"there are settings for {table}, which is not installed",
                    hint=f"did you mean {near}" if near else "gr2 plugins list",
                    blocking=False,
                    details={"suggestion": near} if near else {},
                )
            )
            continue
        plugin, reference = owners[table]
        if plugin.state == "ok" and reference:
            try:
                _validated(plugin, reference, table, plugins.config, spec.plugins)
            except Gr2Error as error:
                issues.append(Issue.from_error(error))
    return issues
