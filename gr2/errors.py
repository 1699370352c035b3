"""Errors that carry what a person needs: a stable code, one sentence, and what to type next.

The kind of an error (its class) alone decides the status of the command that raised it, and so its exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Gr2Error(Exception):
    """Something gr2 can name. `status` is the command's status when nothing else was done."""

    status = "failed"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        scope: str = "workspace",
        subject: str = "",
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.scope = scope
        self.subject = subject
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Invalid(Gr2Error):
    """Usage, malformed, unknown or unsafe input; nothing was tried."""

    status = "invalid"


class Blocked(Gr2Error):
    """A safety or policy condition refused it; nothing was changed."""

    status = "blocked"


class Failed(Gr2Error):
    """It was tried and did not work."""

    status = "failed"


class Interrupted(Gr2Error):
    """SIGINT or SIGTERM asked gr2 to stop. `signum` is the signal."""

    status = "interrupted"

    def __init__(self, signum: int) -> None:
        super().__init__("interrupted", "stopped by a signal", hint="run the same command again to continue")
        self.signum = signum
