"""Runs one command line: parse, call, print, and pick the exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import click

from gr2 import __version__
from gr2.cli.command import Gr2Group, Invocation, invocation_of
from gr2.cli.quick import current_directory
from gr2.cli.root_help import NOUNS, root_help
from gr2.errors import Gr2Error, Interrupted
from gr2.model.names import visible
from gr2.model.outcome import Issue, Refusal, Result, Status, StreamedResult


class Root(Gr2Group):
    """`gr2` itself: the core's nouns, and those of installed plugins from the compiled index."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from gr2.cli.plugin_commands import indexed_names

        return [*super().list_commands(ctx), *indexed_names(ctx)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.commands and not self.lazy.get(name, ("",))[0]:
            from gr2.cli.plugin_commands import plugin_command

            found = plugin_command(ctx, name)
            if found is not None:
                self.commands[name] = found
        return super().get_command(ctx, name) if name in self.commands or self.lazy.get(name, ("",))[0] else None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        run = invocation_of(ctx)
        text, complaints = root_help(run.environ, no_plugins=run.no_plugins)
        formatter.write(text)
        for line in complaints:
            click.echo(visible(line), err=True)


@click.group(cls=Root, lazy=NOUNS, name="gr2")
@click.version_option(__version__, "--version", message="gr2 %(version)s")
def gr2() -> None:
    """Work on several git repositories at once.

    A spec says which repositories and units (people, agents) there are; every task gets a lane of its own.
    """


def main(argv: Sequence[str], *, environ: Mapping[str, str] | None = None) -> int:
    """Run `gr2 ARGV` in this process and return its exit code."""
    from gr2.edges.process import Cancellation, Runner

    environ = os.environ if environ is None else environ
    run = Invocation(environ=environ, cwd=current_directory(environ), argv=tuple(argv))
    cancellation = Cancellation()
    run.runner = Runner(cancellation, trace=lambda args: _trace(run, args))
    before = _catch_signals(cancellation)
    try:
        outcome = _outcome(list(argv), run)
        if isinstance(outcome, int):
            return outcome
        code = _show(outcome, run)
        _deliver(outcome, run)
        return code
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _deliver(result: Result, run: Invocation) -> None:
    """The short attempt to deliver events, after a mutating command that began; it cannot change the result."""
    if run.session is None or not getattr(result, "operation_id", None):
        return
    from gr2.ops.enabled_sinks import enabled_sinks

    if enabled_sinks(run.session):
        from gr2.ops.deliver import deliver_pending

        deliver_pending(run.session)


def _catch_signals(cancellation: Any) -> dict[int, Any]:
    def handle(signum: int, frame: FrameType | None) -> None:
        cancellation.trip(signum)

    import threading

    if threading.current_thread() is not threading.main_thread():
        return {}
    return {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


def _trace(run: Invocation, argv: Sequence[str]) -> None:
    if run.verbose:
        import shlex

        from gr2.model.names import visible
        from gr2.model.url import redact

        sys.stderr.write("+ " + visible(redact(shlex.join(map(str, argv)))) + "\n")


def _outcome(argv: list[str], run: Invocation) -> Result | int:
    try:
        found = gr2.main(args=argv, prog_name="gr2", standalone_mode=False, obj=run)
    except (BrokenPipeError, SystemExit):
        raise
    except BaseException as error:
        if os.environ.get("_GR2_COMPLETE"):
            return 1  # a shell asks for words to complete: it shows nothing else
        from gr2.cli.usage import asks_for

        # The error may have come before all options were read.
        run.json = run.json or asks_for("--json", argv, gr2)
        return _refused(error, run)
    return found if isinstance(found, Result) else int(found or 0)


def _refused(error: BaseException, run: Invocation) -> Refusal:
    """The result of a command that raised: what kind of error it is decides the status."""
    if isinstance(error, click.UsageError):
        from gr2.cli.usage import usage_error

        return usage_error(error, run)
    if isinstance(error, click.ClickException):
        return _refusal(Gr2Error("usage", error.format_message()), Status.INVALID)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        error = Interrupted(signal.SIGINT)
    if isinstance(error, Interrupted):
        issues = (Issue.from_error(error),)
        operation_id = getattr(error, "operation_id", None)
        return Refusal(status=Status.INTERRUPTED, issues=issues, signum=error.signum, operation_id=operation_id)
    if isinstance(error, Gr2Error):
        return _refusal(error, Status(error.status))
    refused = _full_or_read_only(error)
    if refused is not None:
        return _refusal(refused, Status(refused.status))
    from gr2.cli.crash import crash

    return crash(error, run)


def _full_or_read_only(error: BaseException) -> Gr2Error | None:
    """The error for a disk that took no more: that can strike any write there is, and is no bug of gr2."""
    import errno

    if not isinstance(error, OSError) or error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return None
    from gr2.edges.files import failed_write

    return failed_write(error, "a file")


def _refusal(error: Gr2Error, status: Status) -> Refusal:
    issues = getattr(error, "issues", None) or (Issue.from_error(error),)
    return Refusal(status=status, issues=tuple(issues), operation_id=getattr(error, "operation_id", None))


def _show(result: Result, run: Invocation) -> int:
    from gr2.cli.screen import Screen, devnull_stdout, text_of

    if run.session is not None:
        run.session.progress.stop()
    screen = Screen.for_process(run.environ, no_color=run.no_color, cwd=run.cwd)
    for note in run.notes:
        screen.note(note)
    try:
        if run.json:
            if not isinstance(result, StreamedResult):
                from gr2.cli.document import document

                sys.stdout.write(document(result, schema=run.schema, mutates=run.mutates) + "\n")
        else:
            show = run.text or text_of(result)
            if show is not None:
                show(result, screen)
            sys.stdout.flush()
            for issue in () if show is not None and result.shows_issues else result.issues:
                screen.issue(issue)
        sys.stdout.flush()
    except BrokenPipeError:
        devnull_stdout()
    return result.exit_code
