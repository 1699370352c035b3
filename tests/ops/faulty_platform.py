"""A real platform behind a bad line: at one chosen call something happens to the request or to its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gr2.api import (
    AuthFailed,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    Transient,
    Unsupported,
)
from gr2.plugin.manager import open_plugins
from gr2.session import Session
from gr2.testing import World

CALLS = frozenset(
    {
        "auth_status",
        "branch_heads",
        "create_pr",
        "enable_auto_merge",
        "get_pr",
        "list_prs",
        "mark_ready",
        "merge_pr",
        "pr_checks",
        "pr_reviews",
        "prs_overview",
        "update_pr_body",
    }
)
WRITES = frozenset({"create_pr", "enable_auto_merge", "mark_ready", "merge_pr", "update_pr_body"})


class Killed(BaseException):
    """The process is gone: nothing of gr2 catches this."""


ERRORS: dict[str, Callable[[], Exception]] = {
    "transient": lambda: Transient("no connection"),
    "auth": lambda: AuthFailed("not signed in"),
    "rate_limited": lambda: RateLimited("too often", retry_after=100_000.0),
    "protocol": lambda: ProtocolError("garbage"),
    "not_found": lambda: NotFound("nothing there"),
}


@dataclass
class Line:
    """What happens, and when. at: which call, from 1 (0: none); how: "killed before", "killed after", "lost" (done,
    and the answer is lost; a read fails), or a key of ERRORS (not done). lasting: also every later call.
    before: called before the call `at`."""

    at: int = 0
    how: str = ""
    lasting: bool = False
    before: Callable[[], object] | None = None
    calls: list[str] = field(default_factory=list)
    batch: bool = True


class BadLine:
    """Stands in front of an adapter."""

    def __init__(self, adapter: Any, line: Line) -> None:
        self._adapter = adapter
        self._line = line

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        if name not in CALLS:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, found, args, kwargs)

        return call

    def _call(self, name: str, function: Any, args: Any, kwargs: Any) -> Any:
        line = self._line
        line.calls.append(name)
        number = len(line.calls)
        if not line.batch and name in {"prs_overview", "branch_heads"}:
            raise Unsupported("no batch form")
        if number == line.at and line.before is not None:
            line.before()
        if not line.at or not line.how or number < line.at or (number > line.at and not line.lasting):
            return function(*args, **kwargs)
        if line.how == "killed before":
            raise Killed
        if line.how in ERRORS:
            raise ERRORS[line.how]()
        found = function(*args, **kwargs)
        if line.how == "killed after":
            raise Killed
        if name in WRITES:
            raise OutcomeUnknown("the answer was lost")
        assert found is not None or name
        raise Transient("the answer was lost")


class Plugins:
    """The real plugins of a session, whose platforms are behind a bad line."""

    def __init__(self, real: Any, line: Line) -> None:
        self._real = real
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def make(self, family: str, name: str, session: Any) -> Any:
        """What the real ones make, behind the line when it is a platform."""
        made = self._real.make(family, name, session)
        return BadLine(made, self._line) if family == "platform" else made


def session_on(world: World, line: Line, *, cwd: str) -> Session:
    """A session of `world` whose platforms are behind `line`."""
    plain = world.session(cwd=cwd)
    real = open_plugins(plain.settings, plain.asked.environ, runner=plain.runner, clock=plain.clock)
    return world.session(cwd=cwd, plugins=Plugins(real, line))
