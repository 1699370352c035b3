"""Imports one plugin and says what it is. Runs in a process of its own: see `gr2.plugin.index`.

What it answers is one JSON object on the process's first stdout; all that the plugin prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from gr2.plugin.isolation import describe, import_object
from gr2.plugin.marker import mark_of
from gr2.plugin.provider import ASKING, ATTRIBUTES, FAMILIES, HOOKS, Provider

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", re.ASCII)
_TRACE_LIMIT = 4000


class _Fault(Exception):
    """The plugin breaks a rule; the text is the rest of "it ..."."""


def main(request: Mapping[str, Any]) -> None:
    """Answer `request`: name, target, api (the current version), deep (import everything it names)."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    answer = examine(request["target"], api=request["api"], deep=request["deep"])
    os.write(answer_to, json.dumps(answer).encode())
    # A plugin may have left threads behind that never end.
    os._exit(0)


def examine(target: str, *, api: int, deep: bool) -> dict[str, Any]:
    """What the plugin at `target` is: state, api, provides, asks, if_required, settings, faults, error, trace,
    files."""
    answer: dict[str, Any] = {
        "state": "failed",
        "api": None,
        "provides": [],
        "asks": [],
        "if_required": False,
        "settings": {},
        "faults": [],
        "error": None,
        "trace": "",
        "files": [],
    }
    try:
        _examine(target, answer, api, deep)
    except _Fault as fault:
        answer["error"] = str(fault)
    except BaseException as error:
        answer["error"] = describe(error)
        answer["trace"] = _trace(error)
        answer["files"] = _files_of_error(error)
    answer["files"] = sorted({*_files(target), *answer["files"]})
    return answer


def _examine(target: str, answer: dict[str, Any], api: int, deep: bool) -> None:
    plugin = import_object(target)
    wanted = getattr(plugin, "gr2_api", None)
    if wanted is not None and type(wanted) is not int:
        raise _Fault(f"says gr2_api = {wanted!r}, which is not an integer")
    answer["api"] = wanted
    if wanted is not None and wanted not in {api, max(api - 1, 1)}:
        answer["state"] = "incompatible"
        answer["error"] = f"it is for version {wanted} of gr2's plugin API, this gr2 has version {api}"
        return
    manager = _registered(plugin)
    answer["faults"] += misspelt(plugin)
    for hook, family in FAMILIES.items():
        for provider in _collect(manager, hook):
            answer["provides"].append(
                {
                    "family": family,
                    "name": provider.name,
                    "path": provider.path,
                    "help": provider.help,
                    "default_on": provider.default_on,
                }
            )
    answer["provides"].sort(key=lambda row: (row["family"], row["name"]))
    answer["asks"] = [hook for hook in ASKING if getattr(manager.hook, hook).get_hookimpls()]
    answer["if_required"] = _if_required(plugin)
    answer["settings"] = _settings(plugin, answer["provides"])
    answer["state"] = "ok"
    if deep:
        answer["faults"] += _deep_faults(answer)


def _registered(plugin: object) -> Any:
    import pluggy

    from gr2.plugin.hookspecs import Hookspecs

    manager = pluggy.PluginManager("gr2")
    manager.add_hookspecs(Hookspecs)
    try:
        manager.register(plugin, name="plugin")
    except pluggy.PluginValidationError as error:
        # Its second line says what is wrong with the arguments; the first repeats names gr2 shows anyway.
        raise _Fault(" ".join(line.strip() for line in str(error).splitlines() if line.strip())[:300]) from error
    return manager


def misspelt(plugin: object) -> list[str]:
    """What begins with `gr2_` and is no hookspec, or is one and is not marked, each as a sentence."""
    from inspect import isclass, ismodule

    from gr2.model.names import nearest

    faults = []
    for name in sorted(dir(plugin)):
        value = getattr(plugin, name, None)
        mark = mark_of(value) if callable(value) else None
        wanted = (mark or {}).get("specname") or name
        if not wanted.startswith("gr2_") or wanted in ATTRIBUTES or isclass(value) or ismodule(value):
            continue
        if wanted in HOOKS:
            if mark is None:
                faults.append(f"{name} is not marked with @hookimpl, so it is never called")
        elif callable(value):
            near = nearest(wanted, HOOKS)
            faults.append(f"there is no hookspec {wanted}" + (f", did you mean {near}" if near else ""))
        elif near := nearest(wanted, ATTRIBUTES):
            faults.append(f"nothing reads the attribute {wanted}, did you mean {near}")
    return faults


def _collect(manager: Any, hook: str) -> list[Provider]:
    implementations = getattr(manager.hook, hook)
    if not implementations.get_hookimpls():
        return []
    # A plugin may be an object with one implementation of a hook, so there is one answer.
    found: list[Provider] = []
    for answer in implementations():
        if isinstance(answer, (str, bytes, Mapping)) or not isinstance(answer, Iterable):
            raise _Fault(f"{hook} returned {_kind(answer)}, not a list of Provider")
        for provider in answer:
            _check_provider(hook, provider)
            if provider.name in {other.name for other in found}:
                raise _Fault(f"{hook} gives the name {provider.name} twice")
            found.append(provider)
    return found


def _check_provider(hook: str, provider: object) -> None:
    if not isinstance(provider, Provider):
        raise _Fault(f"{hook} returned {_kind(provider)}, not a Provider")
    for key in ("name", "path", "help"):
        if not isinstance(getattr(provider, key), str):
            raise _Fault(f"{hook} returned a Provider whose {key} is {_kind(getattr(provider, key))}, not a text")
    if not _NAME.fullmatch(provider.name):
        raise _Fault(f"{hook} gives the name {provider.name!r}; names are [a-z][a-z0-9-]*")
    if not _REFERENCE.fullmatch(provider.path):
        raise _Fault(f"{hook} gives {provider.name} the path {provider.path!r}, which is not module:Object")
    if type(provider.default_on) is not bool:
        raise _Fault(f"{hook} returned a Provider whose default_on is {_kind(provider.default_on)}, not a bool")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__}"


def _if_required(plugin: object) -> bool:
    found = getattr(plugin, "gr2_if_required", False)
    if type(found) is not bool:
        raise _Fault(f"says gr2_if_required = {found!r}, which is not True or False")
    return found


def _settings(plugin: object, provides: list[dict[str, Any]]) -> dict[str, str]:
    found = getattr(plugin, "gr2_settings", None)
    if found is None:
        return {}
    tables = {"": found} if isinstance(found, str) else found
    if not isinstance(tables, Mapping):
        raise _Fault(f"says gr2_settings = {_kind(found)}; it is module:Model, or a table name to module:Model")
    allowed = {"", *(row["name"] for row in provides)}
    for table, reference in tables.items():
        if table not in allowed:
            raise _Fault(f"gr2_settings names the table {table!r}, which is no name it provides")
        if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
            raise _Fault(f"gr2_settings has {reference!r}, which is not module:Model")
    return {str(table): str(reference) for table, reference in tables.items()}


def _deep_faults(answer: Mapping[str, Any]) -> list[str]:
    faults: list[str] = []
    for row in answer["provides"]:
        try:
            fault = _fault_of_object(row["family"], row["name"], import_object(row["path"]))
        except BaseException as error:
            fault = f"cannot be imported: {describe(error)}"
        if fault:
            faults.append(f"{row['family']} {row['name']} ({row['path']}) {fault}")
    for reference in answer["settings"].values():
        try:
            model = import_object(reference)
            if not hasattr(model, "model_validate"):
                faults.append(f"the settings {reference} are not a pydantic model")
        except BaseException as error:
            faults.append(f"the settings {reference} cannot be imported: {describe(error)}")
    return faults


def _fault_of_object(family: str, name: str, found: Any) -> str | None:
    from gr2.plugin import protocols
    from gr2.plugin.commands import PluginCommand, PluginGroup

    if family == "command":
        if not isinstance(found, (PluginCommand, PluginGroup)):
            return f"is {_kind(found)}, not a PluginCommand or PluginGroup"
        return None if found.name == name else f"calls itself {found.name}"
    protocol = {
        "platform": protocols.PlatformAdapter,
        "strategy": protocols.DirtyStrategy,
        "runtime": protocols.HookRuntime,
        "sink": protocols.EventSink,
        "doctor": protocols.DoctorCheck,
    }[family]
    if not callable(found):
        return f"is {_kind(found)}, which cannot be called to make one"
    if not isinstance(found, type):
        return None
    missing = [key for key, value in vars(protocol).items() if _is_method(key, value) and not hasattr(found, key)]
    return f"has no {', '.join(missing)}" if missing else None


def _is_method(key: str, value: object) -> bool:
    return not key.startswith("_") and isinstance(value, type(_is_method))


def _trace(error: BaseException) -> str:
    """The traceback, without the frames before the plugin's own."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not _is_ours(frame.filename)]
        lines = traceback.format_list(own) + traceback.format_exception_only(error)
        return "".join(lines)[-_TRACE_LIMIT:]
    except BaseException:  # an exception's own methods may raise
        return ""


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<frozen", os.path.dirname(__file__))) or filename.endswith("importlib/__init__.py")


def _files_of_error(error: BaseException) -> list[str]:
    """The source files that the plugin failed in: it may work once they change."""
    found = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        found.append(error.filename)
    return [os.path.abspath(name) for name in found if not _is_ours(name) and not name.startswith("<")]


def _files(target: str) -> list[str]:
    """The source files whose change may change the answer: the plugin's module and the packages above it."""
    parts = target.partition(":")[0].split(".")
    found: list[str] = []
    for count in range(1, len(parts) + 1):
        module = sys.modules.get(".".join(parts[:count]))
        origin = getattr(module, "__file__", None) if module else None
        if isinstance(origin, str):
            found.append(os.path.abspath(origin))
        elif module is None:
            found += _places(parts[:count])
    return found


def _places(parts: list[str]) -> list[str]:
    """Where the source of a module that could not be imported is, or would be."""
    parent = sys.modules.get(".".join(parts[:-1])) if parts[:-1] else None
    folders = list(getattr(parent, "__path__", [])) if parts[:-1] else sys.path
    stems = [os.path.join(folder, parts[-1]) for folder in folders if isinstance(folder, str)]
    places = [place for stem in stems for place in (f"{stem}.py", os.path.join(stem, "__init__.py"))]
    return [place for place in places if os.path.exists(place)] or places
