"""How a platform says no. The class is what gr2 acts on; the code is what a person sees (contract, page 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gr2.errors import Failed


class PlatformError(Failed):
    """A platform call that did not work. Subclasses say how; `code` may be a closer one of the contract's."""

    kind: ClassVar[str] = "protocol"
    default_code: ClassVar[str] = "platform_protocol"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        subject: str = "",
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            code or self.default_code, message, scope="platform", subject=subject, hint=hint, details=details
        )


class AuthFailed(PlatformError):
    """Not signed in, or not allowed (code `platform_forbidden`), or the tool is missing (code `platform_missing`)."""

    kind = "auth"
    default_code = "platform_auth"


class NotFound(PlatformError):
    """There is no such repository or pull request, or the caller may not see it."""

    kind = "not_found"
    default_code = "unknown_pr"


class AlreadyExists(PlatformError):
    """There is an open pull request for this head and base already. `number` is its number when the platform says."""

    kind = "exists"
    default_code = "pr_exists"

    def __init__(self, message: str, *, number: int | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.number = number


class Conflict(PlatformError):
    """Base and head do not merge cleanly."""

    kind = "conflict"
    default_code = "conflict"


class HeadMoved(PlatformError):
    """The head is not the expected one. `found` is what it is, "" when the platform does not say."""

    kind = "head_moved"
    default_code = "head_moved"

    def __init__(self, message: str, *, found: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.found = found


class NotMergeable(PlatformError):
    """The platform's own rules refuse the merge (code `method_not_allowed` when only the method is refused)."""

    kind = "not_mergeable"
    default_code = "not_mergeable"


class Queued(PlatformError):
    """It waits in a merge queue already."""

    kind = "queued"
    default_code = "queued"


class RateLimited(PlatformError):
    """Asked too often. `retry_after` is in seconds."""

    kind = "rate_limited"
    default_code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after


class Transient(PlatformError):
    """It may work next time, and nothing was changed: no connection, a 5xx to a read."""

    kind = "transient"
    default_code = "platform_unreachable"


class OutcomeUnknown(PlatformError):
    """A write was sent and its answer lost: it may have happened. Read back; never send it again blindly."""

    kind = "outcome_unknown"
    default_code = "outcome_unknown"


class Unsupported(PlatformError):
    """This platform, or this repository on it, cannot do that."""

    kind = "unsupported"
    default_code = "unsupported"


class ProtocolError(PlatformError):
    """The platform answered something that makes no sense."""

    kind = "protocol"
    default_code = "platform_protocol"
