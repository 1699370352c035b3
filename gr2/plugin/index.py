"""The compiled index: what every installed plugin is, learnt once per installation and read back in a millisecond.

It lies in the user's cache directory, one file per environment, and is never needed for being right: missing, corrupt,
stale or unwritable means that plugins are examined again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gr2.model.records import dataclass
from gr2.plugin.scan import EntryPoint, canonical, installed
from gr2.plugin.site import Site, folder_stamp, stamp

if TYPE_CHECKING:
    from gr2.edges.process import Runner

DEADLINE_SECONDS = 20.0
# A plugin that was too slow once may have met a busy machine: it is tried again after this long.
RETRY_SECONDS = 300
_KEPT_FILES = 32

# Reads its request before anything of the plugin's can be imported; the import path is the caller's.
_PROGRAM = (
    "import sys, json; request = json.load(sys.stdin); sys.path[:] = request['path']; "
    "from gr2.plugin.probe import main; main(request)"
)


@dataclass(frozen=True, kw_only=True)
class Provided:
    """One name a plugin provides, and where the thing is."""

    family: str
    name: str
    path: str
    help: str = ""
    default_on: bool = False


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point and what is known of it.

    state: ok, unchecked, disabled, failed, conflict or incompatible. asks: the asking hookspecs it implements.
    if_required: they are asked only where the spec requires it by name. settings: table name ("" for the plugin's own)
    to its model. faults: what `plugins check` found beside `error`.
    """

    name: str
    target: str
    distribution: str
    version: str
    state: str = "unchecked"
    provides: tuple[Provided, ...] = ()
    asks: tuple[str, ...] = ()
    if_required: bool = False
    settings: Mapping[str, str]
    api: int | None = None
    error: str | None = None
    faults: tuple[str, ...] = ()
    trace: str = ""

    @property
    def origin(self) -> str:
        """Plugin, distribution and version, for people."""
        return f"{self.name} ({self.distribution} {self.version})"

    def is_asked(self, hook: str, requires: Sequence[str]) -> bool:
        """Whether the asking hookspec `hook` of it is called in a workspace whose spec `requires` these plugins."""
        return self.state == "ok" and hook in self.asks and (not self.if_required or self.name in requires)


def read_index(site: Site, *, now: float) -> tuple[Plugin, ...] | None:
    """The plugins of a usable index, None when there is none. Imports nothing; `now` is Unix time."""
    found = site.read(now=now)
    try:
        return None if found is None else tuple(_plugin(row) for row in found["plugins"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _plugin(row: Mapping[str, Any]) -> Plugin:
    texts = [row[key] for key in ("name", "target", "distribution", "version", "state", "trace")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("not an index")
    provides = tuple(Provided(**item) for item in row["provides"])
    return Plugin(
        **{
            **row,
            "provides": provides,
            "asks": tuple(row["asks"]),
            "faults": tuple(row["faults"]),
            "settings": dict(row["settings"]),
        }
    )


def listed(site: Site, disabled: Sequence[str]) -> tuple[Plugin, ...]:
    """Every installed plugin without examining it: unchecked, disabled, in conflict, or with a wrong name."""
    from gr2.model.names import PLUGIN_NAME

    entries = installed(site.path)
    owners: dict[str, list[EntryPoint]] = {}
    for entry in entries:
        owners.setdefault(entry.name, []).append(entry)
    off = {canonical(name) for name in disabled}
    plugins = []
    for entry in entries:
        state, error = "unchecked", None
        others = [other for other in owners[entry.name] if other is not entry]
        if entry.name in disabled or canonical(entry.distribution) in off:
            state = "disabled"
        elif not PLUGIN_NAME.fullmatch(entry.name):
            state, error = "failed", f"the entry point's name {entry.name!r} is not [a-z][a-z0-9-]*"
        elif others:
            names = " and ".join(sorted({entry.distribution, *(other.distribution for other in others)}))
            state, error = "conflict", f"{names} both have an entry point called {entry.name}"
        elif entry.name == "builtin":
            state, error = "conflict", "the name builtin is gr2's own"
        plugins.append(
            Plugin(
                name=entry.name,
                target=entry.target,
                distribution=entry.distribution,
                version=entry.version,
                state=state,
                settings={},
                error=error,
            )
        )
    return tuple(plugins)


def build_index(
    site: Site, disabled: Sequence[str], runner: Runner, *, now: float, api: int, deep: bool = False
) -> tuple[Plugin, ...]:
    """Examine every enabled plugin in a process of its own, remember the answers, and return them.

    deep: import everything they name too (`plugins check`).
    """
    folders = {path: folder_stamp(path) for path in site.path}
    files = {site.config: stamp(site.config)}
    found = list(listed(site, disabled))
    files.update((entry.source, stamp(entry.source)) for entry in installed(site.path))
    waiting = [index for index, plugin in enumerate(found) if plugin.state == "unchecked"]
    slow = False
    for index, answer in _examined([found[index] for index in waiting], site, runner, api=api, deep=deep):
        sources = answer.pop("files", ())
        slow = slow or bool(answer.pop("slow", False))
        files.update((path, stamp(path)) for path in sources)
        found[waiting[index]] = _answered(found[waiting[index]], answer)
    plugins = tuple(found)
    content = {
        "environment": site.environment,
        "expires": now + RETRY_SECONDS if slow else None,
        "files": files,
        "folders": folders,
        "plugins": [_row(plugin) for plugin in plugins],
    }
    _store(site, json.dumps(content).encode())
    return plugins


def examine_deeply(plugin: Plugin, site: Site, runner: Runner, *, api: int) -> Plugin:
    """`plugin` after importing it and everything it names in a process of its own. Remembers nothing."""
    for _, answer in _examined([plugin], site, runner, api=api, deep=True):
        known = {key: value for key, value in answer.items() if key not in {"files", "slow"}}
        return _answered(plugin, known)
    return plugin


def _answered(plugin: Plugin, answer: Mapping[str, Any]) -> Plugin:
    row = {**_row(plugin), **answer}
    try:
        return _plugin(row)
    except (TypeError, KeyError, ValueError):
        return _plugin({**_row(plugin), "state": "failed", "error": "it disturbed its own examination"})


def _row(plugin: Plugin) -> dict[str, Any]:
    return {**vars(plugin), "provides": [vars(provided) for provided in plugin.provides]}


def _examined(
    plugins: Sequence[Plugin], site: Site, runner: Runner, *, api: int, deep: bool
) -> list[tuple[int, dict[str, Any]]]:
    if not plugins or not sys.executable:
        return []
    from gr2.edges.process import Command

    commands = [
        Command(
            # -P: the directory gr2 was started in is no place to import from.
            argv=(sys.executable, "-P", "-c", _PROGRAM),
            env=site.environ,
            input=json.dumps({"path": site.path, "target": plugin.target, "api": api, "deep": deep}).encode(),
            timeout=DEADLINE_SECONDS,
            head=4 << 20,
            tail=0,
        )
        for plugin in plugins
    ]
    jobs = min(8, os.cpu_count() or 1)
    return [(index, _answer(completed)) for index, completed in runner.run_many(commands, jobs=jobs)]


def _answer(completed: Any) -> dict[str, Any]:
    if completed.timed_out:
        return {"state": "failed", "error": f"it took longer than {DEADLINE_SECONDS:g} s to import", "slow": True}
    try:
        found = json.loads(completed.stdout)
        if isinstance(found, dict) and isinstance(found.get("state"), str):
            return found
    except (ValueError, RecursionError):
        pass
    return {"state": "failed", "error": f"the process that imported it ended with {completed.exit_code}"}


def _store(site: Site, data: bytes) -> None:
    from gr2.edges.files import make_private_directory, write_whole
    from gr2.errors import Gr2Error

    try:
        make_private_directory(site.cache)
        write_whole(site.file, data, private=True)
        rows = sorted((os.stat(path.path).st_mtime_ns, path.path) for path in os.scandir(site.cache))
        for _, path in rows[:-_KEPT_FILES]:
            os.unlink(path)
    except (OSError, Gr2Error):
        return
