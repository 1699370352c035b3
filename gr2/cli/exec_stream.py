"""`exec run --stream --json`: what the commands print, as JSON Lines while it comes; the document is the last line."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import click

from gr2.cli.command import invocation_of, session_of
from gr2.cli.progress import PlainProgress
from gr2.model.outcome import Result
from gr2.session import Session


class _JsonLines(PlainProgress):
    def __init__(self) -> None:
        super().__init__(only_output=True)
        self._stdout = threading.Lock()

    def output(self, subject: str, stream: str, line: bytes) -> None:
        row = {"repo": subject, "stream": stream, "line": line.decode(errors="replace").rstrip("\r\n")}
        with self._stdout:
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


def streamed(ctx: click.Context, call: Callable[[Session], Result], *, lane: str) -> Result:
    """Call with a session whose children's output becomes rows `{repo, stream, line}` on stdout."""
    session = session_of(ctx, lane=lane)
    return call(replace(session, progress=_JsonLines()) if invocation_of(ctx).json else session)
