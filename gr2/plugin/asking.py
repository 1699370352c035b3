"""Asks plugins about operations and specs. One that cannot answer is passed over, unless the spec requires it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gr2.errors import Gr2Error
from gr2.model.outcome import Issue
from gr2.plugin.contexts import Block, OperationContext, SpecContext
from gr2.plugin.index import Plugin
from gr2.plugin.isolation import PluginFault, import_object, isolated_within
from gr2.plugin.plugin_settings import settings_of
from gr2.plugin.scan import canonical

if TYPE_CHECKING:
    from gr2.model.spec import Spec
    from gr2.plugin.manager import Plugins

DEADLINE_SECONDS = 10.0
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def unavailable(plugins: Plugins, spec: Spec) -> list[Issue]:
    """One blocking issue for each plugin that the spec requires and that cannot be asked."""
    issues = []
    for name in sorted(set(spec.workspace_constraints.requires)):
        if name in {plugins.builtin.name, plugins.builtin.distribution}:
            continue
        found = _called(plugins.installed, name)
        if not found:
            issues.append(_unavailable(name, "it is not installed", f"install {name}, or take it out of `requires`"))
        for plugin in found:
            if plugin.state != "ok":
                cause = plugin.error or f"it is {plugin.state}"
                issues.append(_unavailable(name, cause, f"gr2 plugins show {plugin.name}"))
    return issues


def _called(plugins: Iterable[Plugin], name: str) -> list[Plugin]:
    """The plugins that `requires` means by `name`: an entry point's name or a distribution's."""
    wanted = canonical(name)
    return [plugin for plugin in plugins if plugin.name == name or canonical(plugin.distribution) == wanted]


def _unavailable(name: str, cause: str, hint: str) -> Issue:
    return Issue(
        code="constraint_unavailable",
        scope="plugin",
        subject=name,
        message=f"the spec requires the plugin {name}, and {cause}",
        hint=hint,
        details={"plugin": name, "cause": cause},
    )


def _is_required(plugin: Plugin, spec: Spec) -> bool:
    return any(_called([plugin], name) for name in spec.workspace_constraints.requires)


def ask_operation(plugins: Plugins, asked: Sequence[Plugin], context: OperationContext) -> list[Issue]:
    """What `asked` say against an operation, sorted by plugin."""
    issues = []
    for plugin in asked:
        found = _answer(plugins, plugin, "gr2_check_operation", context, _check_blocks)
        issues += [found] if isinstance(found, Issue) else [_issue(plugin, block) for block in found or ()]
    return issues


def ask_about_spec(plugins: Plugins, spec: Spec, root: str) -> list[Issue]:
    """What plugins say about a spec, sorted by plugin."""
    issues: list[Issue] = []
    for plugin in plugins.installed:
        if plugin.is_asked("gr2_validate_spec", spec.workspace_constraints.requires):
            context = SpecContext(spec=spec, root=root)
            found = _answer(plugins, plugin, "gr2_validate_spec", context, _check_issues)
            issues += [found] if isinstance(found, Issue) else found or ()
    return issues


def _issue(plugin: Plugin, block: Block) -> Issue:
    return Issue(
        code=block.code,
        scope="plugin",
        subject=block.subject or plugin.name,
        message=block.reason,
        hint=block.hint,
        details={**block.details, "plugin": plugin.name},
    )


def _answer(plugins: Plugins, plugin: Plugin, hook: str, context: Any, check: Callable[[Any], list[Any]]) -> Any:
    """The checked answer of one plugin; an issue `constraint_unavailable` or None when it has none to give."""
    try:
        settings = settings_of(plugin, plugin.name, plugins.config, context.spec.plugins)
        own = replace(context, settings=settings)
        return isolated_within(lambda: check(_call(plugin, hook, own)), seconds=DEADLINE_SECONDS)
    except (PluginFault, Gr2Error) as error:
        cause = error.cause if isinstance(error, PluginFault) else str(error)
    if _is_required(plugin, context.spec):
        return _unavailable(plugin.name, f"{hook} failed: {cause}", f"gr2 plugins show {plugin.name}")
    plugins.complain(plugin, f"{hook}: {cause}")
    return None


def _call(plugin: Plugin, hook: str, context: Any) -> Any:
    import pluggy

    from gr2.plugin.hookspecs import Hookspecs

    # A manager for each plugin: one that raises does not keep the next from being asked.
    manager = pluggy.PluginManager("gr2")
    manager.add_hookspecs(Hookspecs)
    manager.register(import_object(plugin.target), name=plugin.name)
    return getattr(manager.hook, hook)(ctx=context)


def _check_blocks(answers: Any) -> list[Block]:
    # pluggy leaves out None, so what is left are refusals.
    for block in answers:
        if not isinstance(block, Block):
            raise TypeError(f"gr2_check_operation returned {type(block).__name__}, not a Block or None")
        if not isinstance(block.code, str) or not _CODE.fullmatch(block.code):
            raise ValueError(f"gr2_check_operation blocks with the code {block.code!r}, which is not [a-z][a-z0-9_]*")
        if not isinstance(block.reason, str) or not isinstance(block.hint, str):
            raise TypeError("gr2_check_operation returned a Block whose reason or hint is not a text")
    return list(answers)


def _check_issues(answers: Any) -> list[Issue]:
    issues = [issue for answer in answers for issue in answer]
    for issue in issues:
        if not isinstance(issue, Issue):
            raise TypeError(f"gr2_validate_spec returned {type(issue).__name__}, not an Issue")
    return issues
