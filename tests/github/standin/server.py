"""HTTP on a Unix socket, where `gh` finds it instead of api.github.com."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import tempfile
import threading
from email.utils import formatdate
from types import TracebackType
from typing import Any

from tests.github.standin.hub import Asked, Fault, Hub, Reply

# GitHub's own page for a gateway that timed out is HTML too.
_UNICORN = b"<!DOCTYPE html><html><body>Unicorn! 502</body></html>"


class Server:
    """Serves `hub` at `path` while it is entered."""

    def __init__(self, hub: Hub) -> None:
        # Short: the path of a socket may have 107 bytes.
        self._folder = tempfile.mkdtemp(prefix="gr2-gh-")
        self.path = os.path.join(self._folder, "s")
        self._hub = hub
        self._closing = threading.Event()
        self._server = _Listener(self.path, _Handler)
        self._server.hub, self._server.closing = hub, self._closing
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self._folder)


class _Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    hub: Hub
    closing: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def address_string(self) -> str:
        return "gh"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        self.close_connection = True
        raw = self._body()
        host = self.headers.get("Host", "")
        path = self.path
        for prefix in ("/api/v3", "/api"):
            if host != "api.github.com" and path.startswith(prefix + "/"):
                path = path[len(prefix) :]
                break
        body = json.loads(raw) if raw else None
        what = f"{self.command} {path}"
        if path == "/graphql":
            # Without what is only a name of the query's own: the operation and the first field say what it is for.
            bare = re.sub(r"fragment \w+ on \w+ \{.*?\n\}", "", body["query"], flags=re.DOTALL)
            bare = re.sub(r"\([^()]*\)", "", bare)
            match = re.search(r"(query|mutation)\s*\{\s*(?:\w+:\s*)?(\w+)", bare)
            what += f" {match.group(1)} {match.group(2)}" if match else ""
        hub = self.server.hub
        with hub.lock:
            hub.asked.append(Asked(what=what, host=host, headers=dict(self.headers), body=body))
        token = self.headers.get("Authorization", "").partition(" ")[2]
        fault = hub.fault_for(what)
        if fault is None:
            self._send(hub.answer(self.command, path, host, token, body))
        else:
            reply = hub.answer(self.command, path, host, token, body) if fault.after else None
            fault.act()
            if fault.kind == "meanwhile":
                self._send(reply or hub.answer(self.command, path, host, token, body))
            else:
                self._fail(fault, reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _send(self, reply: Reply) -> None:
        # As GitHub: UTF-8 as it is, control characters escaped.
        data = (
            b"" if reply.status == 204 else json.dumps(reply.body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        self._head(reply.status, "application/json; charset=utf-8", reply.headers)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _head(self, status: int, kind: str, headers: Any) -> None:
        self.send_response_only(status)
        self.send_header("Server", "github.com")
        self.send_header("Date", headers.get("Date") or formatdate(usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("X-GitHub-Media-Type", "github.v3; format=json")
        for name, value in headers.items():
            if name != "Date":
                self.send_header(name, value)

    def _fail(self, fault: Fault, reply: Reply | None) -> None:
        if fault.kind == "status":
            self._send(Reply(status=fault.status, body=fault.body, headers=dict(fault.headers)))
        elif fault.kind == "bad_gateway":
            self._raw(502, "text/html", _UNICORN)
        elif fault.kind == "garbage":
            self._raw(200, "application/json; charset=utf-8", b"\x00\xff{{{ not json")
        elif fault.kind == "hang":
            self.server.closing.wait(120)
        elif fault.kind == "cut":
            self._cut(reply)
        elif fault.kind == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            raise AssertionError(fault.kind)

    def _raw(self, status: int, kind: str, data: bytes) -> None:
        self._head(status, kind, {})
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _cut(self, reply: Reply | None) -> None:
        data = json.dumps(reply.body if reply else {"data": None}).encode()
        self._head(reply.status if reply else 200, "application/json; charset=utf-8", {})
        self.send_header("Content-Length", str(len(data) + 100))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2 + 1])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
