"""What gr2 itself provides, registered through the same door as a stranger's plugin."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1
gr2_settings = {"webhook": "gr2.builtin.sinks:WebhookSettings"}


@hookimpl
def gr2_platform_adapters() -> tuple[Provider, ...]:
    """Bare repositories on disk."""
    return (Provider("local", "gr2.builtin.local_platform:LocalPlatform", "Bare repositories on disk."),)


@hookimpl
def gr2_dirty_strategies() -> tuple[Provider, ...]:
    """The three that `--dirty` always knows."""
    return (
        Provider("stash", "gr2.builtin.dirty:Stash", "An ordinary git stash entry, untracked files included."),
        Provider("block", "gr2.builtin.dirty:Block", "Refuse while there is uncommitted work."),
        Provider("discard", "gr2.builtin.dirty:Discard", "Throw it away, with a copy that can be had back."),
    )


@hookimpl
def gr2_hook_runtimes() -> tuple[Provider, ...]:
    """A program with arguments, without a shell."""
    return (Provider("command", "gr2.builtin.command_runtime:CommandRuntime", "A program, started without a shell."),)


@hookimpl
def gr2_event_sinks() -> tuple[Provider, ...]:
    """Standard output, when named, and HTTP."""
    return (
        Provider("stdout", "gr2.builtin.sinks:Stdout", "JSON Lines on standard output."),
        Provider("webhook", "gr2.builtin.sinks:Webhook", "CloudEvents 1.0 over HTTP."),
    )


@hookimpl
def gr2_commands() -> tuple[Provider, ...]:
    """The other side of the `local` platform."""
    return (
        Provider(
            "local-platform",
            "gr2.builtin.local_platform_commands:COMMANDS",
            "Play the other side of a local pull request.",
        ),
    )
