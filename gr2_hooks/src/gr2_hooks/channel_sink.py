"""The sink `channel`: messages to `.grip/events/channel.jsonl`, and to a Slack-compatible webhook if one is set."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gr2.api import Delivery, Failed, PluginContext, redact
from gr2_hooks.channel import Bridge, Channel, now_of
from gr2_hooks.messages import Message

_NOT_THE_MESSAGES_FAULT = frozenset({408, 429})


class ChannelSink:
    """Every event is taken; those that say something to people become a row. A row that is there is not added again."""

    batch_size = 200

    def __init__(self, ctx: PluginContext) -> None:
        self._session = ctx.session
        settings = ctx.settings if ctx.configured else None
        self._bridge = Bridge(ctx.session, settings)
        self._channel = Channel(ctx.session.layout)
        self._known = self._channel.recent()
        self._slack = Slack(settings) if settings is not None and settings.slack_url else None

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Add the rows of a batch at once; with Slack, one after the other."""
        found = [(index, self._bridge.message(event)) for index, event in enumerate(events)]
        messages = [(index, message) for index, message in found if message and message.event_id not in self._known]
        if self._slack is None:
            self._add([message for _, message in messages])
            return Delivery(accepted=len(events))
        end = time.monotonic() + deadline
        for index, message in messages:
            refused = self._slack.post(message, end - time.monotonic())
            if refused is not None:
                return replace(refused, accepted=index)
            self._add([message])
        return Delivery(accepted=len(events))

    def _add(self, messages: Sequence[Message]) -> None:
        self._channel.append(messages, now_of(self._session))
        self._known.update(message.event_id for message in messages)

    def close(self) -> None:
        """Close the connection to Slack."""
        if self._slack is not None:
            self._slack.close()


class Slack:
    """A Slack-compatible incoming webhook."""

    def __init__(self, settings: Any) -> None:
        try:
            import httpx
        except ImportError as error:
            raise Failed(
                "plugin_failed",
                "posting to Slack needs httpx, which is not installed",
                scope="plugin",
                subject="channel",
                hint="pip install 'gr2-hooks[slack]'",
            ) from error
        self._url = settings.slack_url
        self._seconds = settings.timeout_seconds
        self._client = httpx.Client(follow_redirects=False)

    def post(self, message: Message, left: float) -> Delivery | None:
        """Why the message was not taken; None when it was."""
        import httpx

        if left <= 0:
            return Delivery(accepted=0, unavailable="it took too long")
        text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        try:
            status = self._client.post(self._url, json={"text": text}, timeout=min(left, self._seconds)).status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Delivery(accepted=0, unavailable=redact(f"{type(error).__name__}: {error}"))
        if 200 <= status < 300:
            return None
        if 400 <= status < 500 and status not in _NOT_THE_MESSAGES_FAULT:
            return Delivery(accepted=0, rejected=f"HTTP {status}")
        return Delivery(accepted=0, unavailable=f"HTTP {status}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
