"""Commands of plugins as click commands. The compiled index tells their names; a plugin is imported when its command
is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gr2.cli.command import Gr2Command, Gr2Group, Invocation, invocation_of, session_of
from gr2.cli.usage import asks_for
from gr2.errors import Gr2Error

if TYPE_CHECKING:
    from gr2.model.outcome import Issue, Result
    from gr2.plugin.commands import Argument, Option, PluginCommand, PluginGroup
    from gr2.plugin.manager import Offer, Plugins
    from gr2.session import Session

_KINDS: dict[str, Any] = {"text": str, "integer": int, "number": float}


def indexed_names(ctx: click.Context) -> list[str]:
    """The command words of installed plugins, as far as the index knows them: nothing is examined for this."""
    from gr2.cli.root_help import NOUNS
    from gr2.plugin.index import read_index
    from gr2.plugin.site import Site

    run = ctx.find_root().obj
    if not isinstance(run, Invocation) or run.no_plugins:
        return []
    import time

    plugins = read_index(Site.current(run.environ), now=time.time()) or ()
    found = {
        provided.name
        for plugin in plugins
        if plugin.state == "ok"
        for provided in plugin.provides
        if provided.family == "command"
    }
    return sorted(found - set(NOUNS))


def plugin_command(ctx: click.Context, name: str) -> click.Command | None:
    """The command that a plugin provides as `name`, None when there is none.

    Raises Blocked `plugin_conflict`, Failed `plugin_failed` when its plugin cannot be imported.
    """
    run = ctx.find_root().obj
    if not isinstance(run, Invocation):
        return None
    # Global options may follow the command, and this one decides whether there is such a command.
    run.no_plugins = run.no_plugins or asks_for("--no-plugins", run.argv, ctx.find_root().command)
    plugins = open_for(run)
    if name not in plugins.names("command"):
        return None
    offer = plugins.find("command", name)
    return _click_command(plugins.command(name), offer)


def open_for(run: Invocation) -> Plugins:
    """The plugins of this run, for commands without a session."""
    from gr2.cli.command import plugins_of
    from gr2.store.settings import load_settings

    found: Plugins = plugins_of(run, load_settings(run.environ))
    return found


def _click_command(found: PluginCommand | PluginGroup, offer: Offer) -> click.Command:
    from gr2.plugin.commands import PluginCommand

    try:
        if isinstance(found, PluginCommand):
            return _leaf(found, offer)
        group = Gr2Group(name=found.name, help=found.help)
        for command in found.commands:
            group.add_command(_leaf(command, offer))
    except Exception as error:
        # The values in them are whatever the plugin put there.
        raise offer.failed(f"its commands cannot be built: {error}") from error
    return group


def _leaf(command: PluginCommand, offer: Offer) -> Gr2Command:
    def run(**values: Any) -> Result:
        return _run(click.get_current_context(), command, offer, values)

    params = [*(_lane_parameters() if command.of_lane else ()), *(_parameter(item) for item in command.params)]
    return Gr2Command(
        name=command.name, help=command.help, params=params, callback=run, mutates=bool(command.operation)
    )


def _lane_parameters() -> list[click.Parameter]:
    return [
        click.Argument(["lane_argument"], required=False, default="", metavar="[LANE]"),
        click.Option(["--lane", "lane_option"], default="", metavar="LANE", help="The same as the argument."),
    ]


def _parameter(item: Argument | Option) -> click.Parameter:
    from gr2.plugin.commands import Argument

    choice = click.Choice(item.choices) if item.choices else None
    if isinstance(item, Argument):
        key = item.name.lower().replace("-", "_")
        return click.Argument(
            [key], required=item.required, nargs=-1 if item.many else 1, type=choice, metavar=item.name.upper()
        )
    if item.kind == "flag":
        return click.Option([f"--{item.name}"], is_flag=True, help=item.help)
    kind = choice or _KINDS[item.kind]
    default = None if item.many else item.default
    return click.Option(
        [f"--{item.name}"], type=kind, default=default, required=item.required, multiple=item.many, help=item.help
    )


def _run(ctx: click.Context, command: PluginCommand, offer: Offer, values: dict[str, Any]) -> Result:
    from gr2.model.outcome import MutationResult, Result
    from gr2.plugin.isolation import diverted_stdout

    run = invocation_of(ctx)
    argument, option = values.pop("lane_argument", ""), values.pop("lane_option", "")
    session = _session(ctx, command, lane=option)
    call = command.run if offer.is_builtin else _isolated(command.run, offer)
    fed = _feed(session, command)
    with diverted_stdout():
        if command.operation:
            from gr2.ops.mutation import mutation

            about = _about_lane(session, argument) if command.of_lane else {}
            with mutation(session, command.operation, **about) as change:
                found = call(change.session, change, **values)
        else:
            found = call(session, **values)
    if not isinstance(found, MutationResult if command.operation else Result):
        raise offer.failed(f"its function returned {type(found).__name__}, not a result")
    _check_document(found, offer)
    # Only now: the text of an error is not the command's.
    run.text = _text(command, offer, run)
    return _with_issues(found, fed)


def _feed(session: Session, command: PluginCommand) -> tuple[Issue, ...]:
    """What kept the sink that the command reads from getting all events."""
    if not command.feeds or not command.needs_workspace:
        return ()
    from gr2.ops.deliver import feed_for_reader

    return feed_for_reader(session, command.feeds)


def _with_issues(found: Result, issues: tuple[Issue, ...]) -> Result:
    from dataclasses import replace

    from gr2.model.outcome import Status

    if not issues:
        return found
    status = Status.ATTENTION if found.status in {Status.OK, Status.SUCCESS} else found.status
    return replace(found, status=status, issues=(*found.issues, *issues))


def _check_document(found: Result, offer: Offer) -> None:
    from gr2.cli.document import document
    from gr2.plugin.isolation import describe

    try:
        document(found, schema="", mutates=False)
    except Exception as error:
        raise offer.failed(f"its result has no JSON: {describe(error)}") from error


def _about_lane(session: Session, argument: str) -> dict[str, Any]:
    from gr2.ops.context import lane_named

    unit, lane = lane_named(session, argument)
    return {"unit": unit.name, "lane": lane, "lock": None}


def _session(ctx: click.Context, command: PluginCommand, *, lane: str = "") -> Session:
    from gr2.cli.command import session_at

    return session_of(ctx, lane=lane) if command.needs_workspace else session_at(ctx, invocation_of(ctx).cwd)


def _isolated(function: Callable[..., Any], offer: Offer) -> Callable[..., Any]:
    from gr2.plugin.isolation import PluginFault, isolated

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return isolated(lambda: function(*args, **kwargs))
        except PluginFault as fault:
            raise offer.failed(fault.cause) from fault

    return call


def _text(command: PluginCommand, offer: Offer, run: Invocation) -> Callable[..., None]:
    def show(result: Any, screen: Any) -> None:
        try:
            command.text(result, screen)
        except Gr2Error as error:
            screen.note(str(offer.failed(error.message)))
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except BaseException as error:
            from gr2.plugin.isolation import describe

            # What the command did stands; only showing it went wrong.
            screen.note(offer.failed(describe(error)).message)

    return show
