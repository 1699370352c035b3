"""Click commands as gr2 uses them: global options anywhere, `--json` always, one result each.

A command function parses nothing itself, calls one op, and returns its result; `gr2.cli.main` prints it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

import click

from gr2.errors import Gr2Error, Invalid
from gr2.model.records import dataclass

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from gr2.edges.process import Runner
    from gr2.session import Session

VALUE_GLOBALS = ("workspace", "actor", "unit")
FLAG_GLOBALS = ("json", "verbose", "quiet", "no_color", "no_plugins")


@dataclass
class Invocation:
    """One run of the command line: what the global options said, and which command was reached."""

    environ: Mapping[str, str]
    cwd: str
    workspace: str = ""
    actor: str = ""
    unit: str = ""
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    no_plugins: bool = False
    path: tuple[str, ...] = ()
    mutates: bool = False
    wait_seconds: float = 30.0
    runner: Runner | None = None
    session: Session | None = None
    text: Callable[..., None] | None = None
    notes: list[str] = field(default_factory=list)
    argv: Sequence[str] = ()
    plugins: Any = None

    @property
    def schema(self) -> str:
        """The `schema` of the document: the deepest command known, and the version of its shape."""
        return ".".join(("gr2", *self.path)) + "/1"


def invocation_of(ctx: click.Context) -> Invocation:
    """The run that `ctx` belongs to."""
    found = ctx.find_root().obj
    assert isinstance(found, Invocation)
    return found


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    # The option may stand on any level: one that was given wins over one that was not.
    name = param.name.removeprefix("global_") if param.name else ""
    if value not in (None, False, ""):
        setattr(invocation_of(ctx), name, value)
    return value


_GLOBALS: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    (("-C", "--workspace"), "workspace", {"metavar": "PATH", "help": "Work in the workspace at PATH."}),
    (("--json",), "json", {"is_flag": True, "help": "Print one JSON document on stdout."}),
    (("-v", "--verbose"), "verbose", {"is_flag": True, "help": "Show every git and platform command on stderr."}),
    (("-q", "--quiet"), "quiet", {"is_flag": True, "help": "No progress."}),
    (("--no-color",), "no_color", {"is_flag": True, "help": "No colour."}),
    (("--actor",), "actor", {"metavar": "ACTOR", "help": "Who acts: agent:NAME, human:NAME or system."}),
    (("--unit",), "unit", {"metavar": "UNIT", "help": "The unit it is about."}),
    (("--no-plugins",), "no_plugins", {"is_flag": True, "help": "Import no installed plugin."}),
)


def _global_options(own: Sequence[click.Parameter]) -> list[click.Parameter]:
    """The global options that a command does not declare itself."""
    taken = {opt for param in own for opt in (*param.opts, *param.secondary_opts)}
    options: list[click.Parameter] = []
    for names, key, extra in _GLOBALS:
        free = [name for name in names if name not in taken]
        if free:
            option = click.Option([*free, f"global_{key}"], expose_value=False, callback=_remember, **extra)
            option.is_eager = True
            options.append(option)
    return options


class Seconds(click.FloatRange):
    """A number of seconds: a real one, neither `nan` nor without end."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        seconds = float(super().convert(value, param, ctx))
        if not seconds < 1e9:  # false for nan too
            self.fail(f"{value} is not a number of seconds to wait.", param, ctx)
        return seconds


class Name(click.types.StringParamType):
    """The name of a `kind` of thing that a shell can complete (`gr2.cli.completion`)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names there are."""
        from click.shell_completion import CompletionItem

        from gr2.cli.completion import names

        return [CompletionItem(name) for name in names(self.kind, ctx, incomplete)]


LANE = Name("lane")
# What a parameter without a type of its own takes, by its metavar or, for an argument without one, its name.
_NAMED = {
    "LANE": LANE,
    "[LANE]": LANE,
    "UNIT/LANE": Name("unit/lane"),
    "REPO": Name("repo"),
    "REPO...": Name("repo"),
    "UNIT": Name("unit"),
    "GROUP": Name("group"),
    "repo": Name("repo"),
    "operation_id": Name("operation"),
    "saved_id": Name("saved"),
}


class _WithGlobals(click.Command):
    """Adds the global options, shown under a heading of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = len(self.params)
        self.params.extend(_global_options(self.params))
        for param in self.params:
            if param.type is click.STRING:
                is_argument = isinstance(param, click.Argument)
                named = _NAMED.get(param.metavar or "") or (is_argument and _NAMED.get(param.name or ""))
                param.type = named or param.type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        everywhere: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_global = (param.name or "").startswith("global_")
                (everywhere if is_global else own).append(record)
        for title, records in (("Options", own), ("Everywhere", everywhere)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class Gr2Command(_WithGlobals):
    """A command whose function returns a Result. `mutates`: its document has an `operation_id`."""

    def __init__(self, *args: Any, mutates: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {}).setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **kwargs)
        self.mutates = mutates

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None and info_name is not None:
            _reached(parent, info_name, self.mutates)
        return super().make_context(info_name, args, parent, **extra)


class Gr2Group(_WithGlobals, click.Group):
    """A group of commands. `lazy` maps a name to ("module:object", one line of help), imported when used. `meant` is
    what somebody who typed an unknown word `{}` probably wanted, where no command is called nearly so."""

    command_class = Gr2Command

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, meant: str = "", **kwargs: Any
    ) -> None:
        kwargs.setdefault("context_settings", {}).setdefault("help_option_names", ["-h", "--help"])
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})
        self.meant = meant

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None and info_name is not None:
            _reached(parent, info_name, False)
        return super().make_context(info_name, args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys([*self.lazy, *self.commands]))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.lazy and name not in self.commands:
            found = load(self.lazy[name][0])
            assert isinstance(found, click.Command)
            self.commands[name] = found
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            from gr2.model.names import nearest

            close = nearest(name, self.list_commands(ctx)) or self.meant.format(name)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {close!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in self.lazy:
                rows.append((name, self.lazy[name][1]))
            elif not self.commands[name].hidden:
                rows.append((name, self.commands[name].get_short_help_str(limit=90)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _reached(parent: click.Context, name: str, mutates: bool) -> None:
    invocation = parent.find_root().obj
    if isinstance(invocation, Invocation):
        invocation.path = (*invocation.path, name)
        invocation.mutates = mutates


def load(reference: str) -> Any:
    """The object that "module:name" names."""
    from importlib import import_module

    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def session_of(ctx: click.Context, *, wait: float | None = None, lane: str = "") -> Session:
    """The session of this run. Raises Invalid when there is no workspace, or its spec is broken."""
    from gr2.store.discovery import find_workspace

    run = invocation_of(ctx)
    root = find_workspace(run.cwd, run.workspace, run.environ.get("GR2_WORKSPACE", ""))
    session = session_at(ctx, root, wait=wait, lane=lane)
    if run.unit:
        _refuse_unknown_unit(session)
    return session


def _refuse_unknown_unit(session: Session) -> None:
    """Also for commands that have no use for a unit: a name that is wrong is never passed over."""
    from gr2.ops.context import find_unit

    try:
        find_unit(session, session.asked.unit)
    except Gr2Error as error:
        # A spec that cannot be used is spoken of by whoever needs it.
        if error.code == "unknown_unit":
            raise


def session_at(ctx: click.Context, root: str, *, wait: float | None = None, lane: str = "") -> Session:
    """A session on the absolute path `root`, whether a workspace is there or is still to be made."""
    from gr2.edges.git import Git
    from gr2.session import Asked, Session
    from gr2.store.settings import load_settings

    run = invocation_of(ctx)
    environ = run.environ
    settings = load_settings(environ)
    runner = run.runner
    assert runner is not None
    run.session = Session(
        root=root,
        actor=actor_of(run),
        asked=Asked(cwd=run.cwd, workspace=run.workspace, unit=run.unit, lane=lane, environ=environ),
        settings=settings,
        runner=runner,
        git=Git(runner, environ, stall_seconds=settings.git_stall_seconds),
        progress=_progress(run),
        plugins=plugins_of(run, settings),
        wait_seconds=wait if wait is not None else run.wait_seconds,
    )
    return run.session


def actor_of(run: Invocation) -> str:
    """Who runs this command: `--actor`, else `GR2_ACTOR`, else the login name of a person."""
    from gr2.edges.clock import Login
    from gr2.model.names import is_actor

    named = run.actor or run.environ.get("GR2_ACTOR", "")
    if named and not is_actor(named):
        raise Invalid(
            "invalid_actor",
            "an actor is agent:NAME, human:NAME or system",
            subject=named,
            hint="--actor agent:NAME",
        )
    return named or f"human:{Login.current().name}"


def _progress(run: Invocation) -> Any:
    from gr2.cli.progress import progress_for

    return progress_for(run)


class PluginsWhenNeeded:
    """The plugins of a run, opened when first asked for something: most commands never ask."""

    def __init__(self, opener: Callable[[], Any]) -> None:
        self._opener = opener
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._opened is None:
            self._opened = self._opener()
        return getattr(self._opened, name)


def plugins_of(run: Invocation, settings: Any) -> Any:
    """The plugins of this run: one value, so that a broken one is spoken of once."""

    def opener() -> Any:
        from gr2.plugin.manager import open_plugins

        return open_plugins(settings, run.environ, disabled=run.no_plugins, warn=run.notes.append, runner=run.runner)

    if run.plugins is None:
        run.plugins = PluginsWhenNeeded(opener)
    return run.plugins


def inside(run: Invocation, path: str) -> str:
    """`path` as an absolute path, taken from the directory the command was started in."""
    return os.path.normpath(os.path.join(run.cwd, path))
