"""`gr2 --help`: the core's words, and those of installed plugins from the compiled index.

Written out here, and not by click, because it is what people run to see whether gr2 is there: it imports nothing that
costs time, no plugin, and works with any plugin broken.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# name: (where the command is, its line in `gr2 --help`). "" as the place: a built-in plugin provides it.
NOUNS: dict[str, tuple[str, str]] = {
    "workspace": ("gr2.cli.workspace:workspace", "Make a workspace, and fill it."),
    "spec": ("gr2.cli.spec:spec", "Show and check the spec."),
    "plan": ("gr2.cli.apply:plan", "What apply would do."),
    "apply": ("gr2.cli.apply:apply", "Make what the spec says and is missing."),
    "sync": ("gr2.cli.sync:sync", "Bring mirrors and checkouts up to date."),
    "status": ("gr2.cli.status:status", "What needs you, and what to type."),
    "repo": ("gr2.cli.repo:repo", "State of every checkout."),
    "lane": ("gr2.cli.lane:lane", "One task's checkouts over several repositories."),
    "exec": ("gr2.cli.exec:exec_group", "Run a command in a lane's repositories."),
    "hooks": ("gr2.cli.hooks:hooks", "What repos bring along to be run, and who approved it."),
    "pr": ("gr2.cli.pr:pr", "Linked pull requests over several repositories."),
    "review": ("gr2.cli.review:review", "Who must approve, and other people's pull requests."),
    "events": ("gr2.cli.events:events", "What happened, as a stream other tools can read."),
    "failures": ("gr2.cli.failures:failures", "Failures that wait for a decision."),
    "saved": ("gr2.cli.saved:saved", "Work that gr2 put aside, and how to have it back."),
    "plugins": ("gr2.cli.plugins:plugins", "Installed plugins and what they provide."),
    "doctor": ("gr2.cli.doctor:doctor", "Look for problems, and repair what is safe."),
    "gc": ("gr2.cli.doctor:gc", "Remove what is provably unneeded."),
    "shell-init": ("gr2.cli.shell:shell_init", "Shell function that lets `lane enter` change directory."),
    "local-platform": ("", "Play the other side of a local pull request."),
}

OPTIONS = (
    ("--version", "Show the version and exit."),
    ("-h, --help", "Show this message and exit."),
)
EVERYWHERE = (
    ("-C, --workspace PATH", "Work in the workspace at PATH."),
    ("--json", "Print one JSON document on stdout."),
    ("-v, --verbose", "Show every git and platform command on stderr."),
    ("-q, --quiet", "No progress."),
    ("--no-color", "No colour."),
    ("--actor ACTOR", "Who acts: agent:NAME, human:NAME or system."),
    ("--unit UNIT", "The unit it is about."),
    ("--no-plugins", "Import no installed plugin."),
)
_HEAD = """\
Usage: gr2 [OPTIONS] COMMAND [ARGS]...

  Work on several git repositories at once.

  A spec says which repositories and units (people, agents) there are; every
  task gets a lane of its own.
"""
_NO_INDEX = """
Commands of installed plugins are not listed, because there is no usable index
of them. To make it: gr2 plugins check
"""
_BROKEN = ("failed", "conflict", "incompatible")


def root_help(environ: Mapping[str, str], *, no_plugins: bool = False) -> tuple[str, list[str]]:
    """The text of `gr2 --help`, and one line for each broken plugin."""
    from gr2.plugin.site import Site

    rows = [] if no_plugins else _index_rows(Site.current(environ))
    text = _HEAD + _section("Options", OPTIONS) + _section("Everywhere", EVERYWHERE)
    text += _section("Commands", [(name, line) for name, (_, line) in NOUNS.items()])
    if rows is None:
        return text + _NO_INDEX, []
    commands: dict[str, str] = {}
    for row in rows:
        for name, line in _commands(row):
            if name not in NOUNS:
                commands.setdefault(name, line)
    if commands:
        text += _section("Commands of plugins", sorted(commands.items()))
    return text, [_complaint(row) for row in rows if row.get("state") in _BROKEN]


def _index_rows(site: Any) -> list[Mapping[str, Any]] | None:
    import time

    found = site.read(now=time.time())
    if found is None or not all(isinstance(row, dict) for row in found["plugins"]):
        return None
    rows: list[Mapping[str, Any]] = found["plugins"]
    return rows


def _commands(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    if row.get("state") != "ok":
        return []
    provides = row.get("provides")
    return [
        (str(item.get("name")), _visible(str(item.get("help"))))
        for item in (provides if isinstance(provides, list) else [])
        if isinstance(item, dict) and item.get("family") == "command"
    ]


def _complaint(row: Mapping[str, Any]) -> str:
    origin = f"{row.get('name')} ({row.get('distribution')} {row.get('version')})"
    return f"plugin {origin} failed: {row.get('error') or row.get('state')}; see gr2 plugins show {row.get('name')}"


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    from gr2.model.names import visible

    return visible(text)


def _section(title: str, rows: Any) -> str:
    width = max(len(name) for name, _ in rows) + 2
    return f"\n{title}:\n" + "".join(f"  {name:<{width}}{line}".rstrip() + "\n" for name, line in rows)


def show_root_help(environ: Mapping[str, str]) -> int:
    """Print `gr2 --help`, and return its exit code."""
    import sys

    text, complaints = root_help(environ)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
        for line in complaints:
            sys.stderr.write(_visible(line) + "\n")
    except BrokenPipeError:
        from gr2.cli.screen import devnull_stdout

        devnull_stdout()
    return 0
