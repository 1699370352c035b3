"""The event sinks of the core: standard output, and HTTP."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from gr2.api import Delivery, Failed, Invalid, PluginContext, redact

if TYPE_CHECKING:
    import httpx

_BODY_LIMIT = 1 << 16
_ACCEPTED = range(200, 300)
_NOT_THE_EVENTS_FAULT = frozenset({408, 429})


class Stdout:
    """One event a line. It is only used when named."""

    batch_size = 200

    def __init__(self, ctx: PluginContext) -> None:
        pass

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Write and flush; a reader that went away is unavailable."""
        try:
            sys.stdout.write("".join(json.dumps(event) + "\n" for event in events))
            sys.stdout.flush()
        except BrokenPipeError:
            return Delivery(accepted=0, unavailable="nobody reads standard output")
        return Delivery(accepted=len(events))

    def close(self) -> None:
        """Standard output stays open."""


class WebhookSettings(BaseModel):
    """url: where events are posted. secret_env: the environment variable that holds the secret for signatures.
    timeout_seconds: for one request."""

    url: str
    secret_env: str = ""
    timeout_seconds: float = Field(default=10.0, gt=0, le=300)

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.lower().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value


class Webhook:
    """CloudEvents 1.0 (structured JSON mode), one event a POST, in order, over one connection.

    2xx accepts. 408, 429, every answer but 4xx, and no answer: the receiver is unavailable. Another 4xx rejects that
    event. Redirects are not followed.
    """

    batch_size = 50

    def __init__(self, ctx: PluginContext) -> None:
        self._settings: WebhookSettings = ctx.settings
        self._secret = _secret(self._settings, ctx.session.asked.environ)
        self._client = _client()

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Post one after the other until one is not accepted or the time is over."""
        end = time.monotonic() + deadline
        for index, event in enumerate(events):
            left = end - time.monotonic()
            if left <= 0:
                return Delivery(accepted=index, unavailable="" if index else "it took too long")
            answer = self._post(event, min(left, self._settings.timeout_seconds))
            if answer is not None:
                return Delivery(accepted=index, **answer)
        return Delivery(accepted=len(events))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _post(self, event: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """What of a Delivery says that `event` was not accepted; None when it was."""
        import httpx

        body = json.dumps(cloud_event(event)).encode()
        headers = {"Content-Type": "application/cloudevents+json; charset=utf-8", **signature(body, self._secret)}
        try:
            with self._client.stream(
                "POST", self._settings.url, content=body, headers=headers, timeout=seconds
            ) as response:
                _read_some(response, time.monotonic() + seconds)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return {"unavailable": redact(f"{type(error).__name__}: {error}")}
        status = response.status_code
        if status in _ACCEPTED:
            return None
        said = f"HTTP {status} {response.reason_phrase}".rstrip()
        if 400 <= status < 500 and status not in _NOT_THE_EVENTS_FAULT:
            return {"rejected": said}
        return {"unavailable": said, "retry_after": retry_after(response.headers.get("Retry-After", ""))}


def cloud_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudEvents 1.0 envelope around `event` (github.com/cloudevents/spec, v1.0.2)."""
    from urllib.parse import quote

    return {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": "urn:gr2:" + quote(str(event.get("workspace", ""))),
        "type": event["type"],
        "time": event["timestamp"],
        "datacontenttype": "application/json",
        "data": event,
    }


def signature(body: bytes, secret: bytes) -> dict[str, str]:
    """The header that proves who sent `body`, nothing without a secret."""
    if not secret:
        return {}
    import hmac

    return {"X-Gr2-Signature": "sha256=" + hmac.new(secret, body, "sha256").hexdigest()}


def retry_after(value: str) -> float | None:
    """The seconds a `Retry-After` header asks for (RFC 9110, section 10.2.3), None when it does not say."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _read_some(response: httpx.Response, end: float) -> None:
    # A short body read to its end keeps the connection; a long or a slow one is not worth it.
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > _BODY_LIMIT or time.monotonic() > end:
            return


def _client() -> httpx.Client:
    try:
        import httpx
    except ImportError as error:
        raise Failed(
            "plugin_failed",
            "the webhook sink needs httpx, which is not installed",
            scope="plugin",
            subject="webhook",
            hint="pip install 'gr2[webhook]'",
        ) from error
    from gr2 import __version__

    return httpx.Client(follow_redirects=False, headers={"User-Agent": f"gr2/{__version__}"})


def _secret(settings: WebhookSettings, environ: Mapping[str, str]) -> bytes:
    if not settings.secret_env:
        return b""
    secret = environ.get(settings.secret_env, "")
    if not secret:
        raise Invalid(
            "invalid_config",
            f"plugins.webhook.secret_env names {settings.secret_env}, which is not set",
            scope="plugin",
            subject="plugins.webhook.secret_env",
            hint=f"set {settings.secret_env}",
        )
    return secret.encode()
