"""The sinks `stdout` and `webhook`, the latter against a real HTTP server."""

from __future__ import annotations

import hmac
import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from gr2.api import PluginContext
from gr2.builtin.sinks import Stdout, Webhook, WebhookSettings, retry_after
from gr2.errors import Invalid
from gr2.store.failures import Marker, write_marker
from gr2.store.sink_state import read_sink_state
from gr2.testing import EventSinkContract, Ran, World
from gr2.testing.contracts_sink import written


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers `answers` in turn (status, headers), then 204."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.connections: set[Any] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/in?token=s3cret"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.requests]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.connections.add(self.client_address)
        status, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
        if 200 <= status < 300:
            # Kept before it is answered: who sees the answer sees the request.
            self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_webhook(world: World, url: str, **settings: Any) -> Webhook:
    model = WebhookSettings(url=url, **settings)
    session = world.session(env={"HOOK_SECRET": "tea"})
    return Webhook(PluginContext(name="webhook", session=session, load_settings=lambda: model, configured=True))


Make = Callable[..., Webhook]
Events = list[dict[str, Any]]


@pytest.fixture
def webhook(receiver: Receiver) -> Iterator[Make]:
    """Makes sinks that are closed before the receiver is."""
    with ExitStack() as stack:

        def make(world: World, url: str, **settings: Any) -> Webhook:
            return stack.enter_context(closing(make_webhook(world, url, **settings)))

        yield make


class TestWebhook(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _receiver(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def make_sink(self, world: World) -> Webhook:
        return make_webhook(world, self.receiver.url)

    def received(self, world: World) -> Sequence[str]:
        return [event["id"] for event in self.receiver.events]


class TestStdout(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _screen(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.seen: list[str] = []

    def make_sink(self, world: World) -> Stdout:
        return Stdout(PluginContext(name="stdout", session=world.session()))

    def received(self, world: World) -> Sequence[str]:
        self.seen += [json.loads(line)["event_id"] for line in self.capsys.readouterr().out.splitlines()]
        return self.seen


@pytest.fixture
def events(world: World) -> Events:
    world.write_spec()
    return written(world, 4)


def test_an_event_is_posted_as_a_cloud_event(webhook: Make, world: World, receiver: Receiver, events: Events) -> None:
    webhook(world, receiver.url).deliver(events[:1], deadline=10)

    ((path, headers, _),) = receiver.requests
    assert path == "/in?token=s3cret"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert "X-Gr2-Signature" not in headers
    assert receiver.events == [
        {
            "specversion": "1.0",
            "id": events[0]["event_id"],
            "source": "urn:gr2:shop",
            "type": "lane.created",
            "time": events[0]["timestamp"],
            "datacontenttype": "application/json",
            "data": events[0],
        }
    ]


def test_the_body_is_signed_with_the_secret(webhook: Make, world: World, receiver: Receiver, events: Events) -> None:
    webhook(world, receiver.url, secret_env="HOOK_SECRET").deliver(events[:1], deadline=10)

    ((_, headers, body),) = receiver.requests
    assert headers["X-Gr2-Signature"] == "sha256=" + hmac.new(b"tea", body, "sha256").hexdigest()


def test_a_secret_that_is_not_set_is_invalid(webhook: Make, world: World) -> None:
    world.write_spec()
    with pytest.raises(Invalid, match="invalid_config"):
        webhook(world, "http://127.0.0.1:1/", secret_env="NO_SUCH")


def test_one_connection_serves_many_events(webhook: Make, world: World, receiver: Receiver, events: Events) -> None:
    webhook(world, receiver.url).deliver(events, deadline=10)

    assert len(receiver.connections) == 1
    assert len(receiver.events) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_4xx_rejects_that_event(webhook: Make, world: World, receiver: Receiver, events: Events, status: int) -> None:
    receiver.answers = [(200, {}), (status, {})]

    delivery = webhook(world, receiver.url).deliver(events, deadline=10)

    assert delivery.accepted == 1
    assert delivery.rejected.startswith(f"HTTP {status}")
    assert delivery.unavailable == ""


@pytest.mark.parametrize("status", [301, 307, 408, 429, 500, 502, 503, 599])
def test_everything_else_but_2xx_means_wait(
    webhook: Make, world: World, receiver: Receiver, events: Events, status: int
) -> None:
    receiver.answers = [(status, {"Location": receiver.url, "Retry-After": "17"})]

    delivery = webhook(world, receiver.url).deliver(events, deadline=10)

    assert (delivery.accepted, delivery.rejected, delivery.retry_after) == (0, "", 17.0)
    assert str(status) in delivery.unavailable
    assert receiver.requests == []


def test_nobody_listening_means_wait_and_secrets_stay_secret(webhook: Make, world: World, events: Events) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = webhook(world, f"http://127.0.0.1:{port}/in?token=s3cret")

    delivery = sink.deliver(events, deadline=10)

    assert delivery.accepted == 0
    assert delivery.unavailable
    assert "s3cret" not in delivery.unavailable


def test_a_receiver_that_is_silent_is_not_waited_for(webhook: Make, world: World, events: Events) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = webhook(world, f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_seconds=0.2)

        delivery = sink.deliver(events, deadline=10)

    assert (delivery.accepted, delivery.rejected) == (0, "")
    assert "Timeout" in delivery.unavailable


def test_an_answer_that_trickles_in_is_not_waited_for(webhook: Make, world: World, events: Events) -> None:
    def trickle(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            peer.recv(1 << 16)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with suppress(OSError):
                for _ in range(1000):
                    peer.sendall(b"x")
                    time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        sink = webhook(world, f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_seconds=0.3)

        started = time.monotonic()
        delivery = sink.deliver(events[:1], deadline=10)

        assert (delivery.accepted, delivery.unavailable) == (1, "")
        assert time.monotonic() - started < 20
        thread.join()


def test_a_receiver_that_hangs_up_means_wait(webhook: Make, world: World, events: Events) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        delivery = webhook(world, f"http://127.0.0.1:{server.getsockname()[1]}/").deliver(events, deadline=10)
        thread.join()

    assert (delivery.accepted, delivery.rejected) == (0, "")
    assert delivery.unavailable


@pytest.mark.parametrize("url", ["", "ftp://x/", "file:///etc/passwd", "javascript:x", "localhost:80"])
def test_only_http_urls_are_settings(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings(url=url)


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert retry_after("120") == 120.0
    assert 90 < (retry_after(soon) or 0) <= 100
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert [retry_after(text) for text in ("", "soon", "-1", "²")] == [None] * 4


def test_a_reader_that_is_gone_means_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    world.write_spec()
    monkeypatch.setattr(sys, "stdout", Gone())

    delivery = Stdout(PluginContext(name="stdout", session=world.session())).deliver([{"a": 1}], deadline=1)

    assert delivery.accepted == 0


def resolve_a_failure(world: World, url: str) -> Ran:
    """A mutating command with one event, while the webhook is switched on."""
    world.write_spec()
    marker = Marker(
        operation_id="op_0123456789ab", operation="apply", repo="app", failed_at="2026-01-01T00:00:00+00:00"
    )
    write_marker(world.session().layout, marker)
    text = f'[events]\nsinks = ["webhook"]\n[plugins.webhook]\nurl = "{url}"\n'
    env = {"GR2_CONFIG": world.write(world.home + "/config.toml", text), "http_proxy": None}
    return world.call("failures", "resolve", "op_0123456789ab", "--resolution", "retry", "--json", env=env)


def test_a_mutating_command_delivers_what_it_emitted(world: World, receiver: Receiver) -> None:
    ran = resolve_a_failure(world, receiver.url)

    assert ran.json["status"] == "success"
    assert [event["type"] for event in receiver.events] == ["failure.resolved"]


def test_a_sink_that_is_away_changes_nothing_of_the_commands_result(world: World) -> None:
    ran = resolve_a_failure(world, "http://127.0.0.1:9/")

    assert (ran.exit_code, ran.json["status"], ran.json["issues"], ran.stderr) == (0, "success", [], "")
    assert read_sink_state(world.session().layout, "webhook").failures == 1
