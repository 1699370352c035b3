"""Runs the command line inside the current process, as if it were one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence


def run_inside(args: Sequence[str], *, cwd: str, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `gr2 ARGS` with this environment and current directory."""
    from gr2.cli.main import main

    out, err = _Stream(), _Stream()
    with _moved(cwd, env), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _no_input():
        try:
            code = main(list(args))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
    return int(code or 0), out.text(), err.text()


class _Stream(io.TextIOWrapper):
    """What a process's stdout looks like from inside: text over bytes, no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)

    def text(self) -> str:
        """What was written."""
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode(errors="surrogateescape")


@contextlib.contextmanager
def _moved(cwd: str, env: Mapping[str, str]) -> Iterator[None]:
    before, here = dict(os.environ), os.getcwd()
    _replace_environ(env)
    os.chdir(cwd)
    try:
        yield
    finally:
        os.chdir(here)
        _replace_environ(before)


def _replace_environ(env: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(env):
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextlib.contextmanager
def _no_input() -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before
