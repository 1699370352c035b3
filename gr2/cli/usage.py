"""Usage errors: the same document, exit code and look as every other refusal."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gr2.cli.command import FLAG_GLOBALS, Invocation
from gr2.model.outcome import Issue, Refusal, Status


def usage_error(error: click.UsageError, run: Invocation) -> Refusal:
    """The refusal for a command line that click could not parse."""
    path = " ".join(("gr2", *run.path))
    # click puts the choices of a missing option on lines of their own, after a full stop.
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.MissingParameter):
        message = message.replace(". Choose from:", ", one of")
    issue = Issue(
        code="usage",
        scope="workspace",
        subject=path,
        message=message[:1].lower() + message[1:],
        hint=f"{path} --help",
    )
    return Refusal(status=Status.INVALID, issues=(issue,))


def asks_for(flag: str, argv: Sequence[str], root: click.Command) -> bool:
    """Whether `argv` holds the global option `flag`: not after `--`, and not as another option's value.

    Parsing stopped at the error, so the words are walked again with each command's own options in mind.
    """
    command: click.Command = root
    words = iter(argv)
    for word in words:
        if word == "--":
            return False
        if word == flag:
            return True
        if word.startswith("-") and word != "-":
            if "=" not in word and _takes_value(command, word):
                next(words, None)
        elif isinstance(command, click.Group):
            command = _subcommand(command, word) or command
        elif not command.allow_interspersed_args:
            return False
    return False


def _subcommand(group: click.Group, name: str) -> click.Command | None:
    try:
        return group.get_command(click.Context(group), name)
    except Exception:
        # A command that cannot even be imported is what is being reported.
        return None


def _takes_value(command: click.Command, word: str) -> bool:
    for param in command.params:
        if isinstance(param, click.Option) and not param.is_flag and not param.count:
            if word in param.opts:
                return True
            if not word.startswith("--") and word[:2] in param.opts:
                return len(word) == 2
    return word.lstrip("-").replace("-", "_") not in FLAG_GLOBALS and word in {"-C", "--workspace", "--actor", "--unit"}
