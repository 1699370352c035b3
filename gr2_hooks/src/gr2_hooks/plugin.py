"""What this distribution registers with gr2."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1
gr2_settings = {"channel": "gr2_hooks.settings:ChannelSettings"}


@hookimpl
def gr2_event_sinks() -> tuple[Provider, ...]:
    """Messages to people, and an index of what happened; both on as soon as this is installed."""
    return (
        Provider("channel", "gr2_hooks.channel_sink:ChannelSink", "Messages to people.", default_on=True),
        Provider("recall", "gr2_hooks.recall_sink:RecallSink", "An index of all events.", default_on=True),
    )


@hookimpl
def gr2_commands() -> tuple[Provider, ...]:
    """`gr2 channel`, `gr2 recall` and `gr2 verify`."""
    return (
        Provider("channel", "gr2_hooks.channel_commands:COMMANDS", "Messages to people about what happened."),
        Provider("recall", "gr2_hooks.recall_commands:COMMANDS", "Find what happened."),
        Provider("verify", "gr2_hooks.verify:COMMAND", "Run the checks that a lane's repos name."),
    )
