"""How GitHub and gh say no, and which of gr2's platform errors that is.

The sources are GitHub's "Troubleshooting the REST API" and "Rate limits", and what gh prints when it got no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gr2.api import (
    AuthFailed,
    Completed,
    NotFound,
    OutcomeUnknown,
    PlatformError,
    ProtocolError,
    RateLimited,
    Transient,
    Unsupported,
    redact,
    visible,
)
from gr2_github.answer import Answer

GH_AUTH_EXIT = 4
TIMED_OUT = 124
# GitHub says the one in its schema, and the other in its answers.
RATE_LIMITED = frozenset({"RATE_LIMIT", "RATE_LIMITED"})
# Go's net package: the connection was never made, so the request was never sent.
_NOT_SENT = re.compile(
    r"\bdial (?:tcp|udp|unix)\b|\bproxyconnect\b|error connecting to |no such host|\bx509: |tls: failed to verify"
)
# How net/http begins the error of a request that was under way.
_UNDER_WAY = re.compile(
    r"""(?:Get|Post|Put|Patch|Delete) "https?:|unexpected EOF|stream error|connection reset|http2: """
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked, for messages. what: in words, as in "merging owner/name#3". write: it changes something."""

    host: str
    what: str
    write: bool
    subject: str = ""
    seconds: float = 0.0


def lost(request: Request, reason: str) -> PlatformError:
    """The error for a request whose answer never came: a write may have happened."""
    if request.write:
        return OutcomeUnknown(
            f"{request.what}: {reason}; it may have happened",
            subject=request.subject,
            hint="run the same command again: gr2 looks first",
        )
    return Transient(f"{request.what}: {reason}", subject=request.subject, hint="run the same command again later")


def unanswered(request: Request, completed: Completed) -> PlatformError:
    """The error for a gh that printed no HTTP answer."""
    if completed.timed_out or completed.exit_code == TIMED_OUT:
        return lost(request, f"{request.host} did not answer within {request.seconds:g} s")
    said = _said(completed)
    if completed.exit_code == GH_AUTH_EXIT or "gh auth login" in said:
        return not_signed_in(request)
    if completed.exit_code == 0:
        garbage = "gh answered with something that is not JSON"
        if request.write:
            return lost(request, garbage)
        return ProtocolError(f"{request.what}: {garbage}", subject=request.subject, hint="try: gh api user")
    reason = first_line(said) or f"gh ended with {completed.exit_code}"
    if _NOT_SENT.search(said):
        return Transient(
            f"{request.what}: {request.host} cannot be reached: {reason}",
            subject=request.subject,
            hint="check the connection and the proxy, then run the same command again",
        )
    if request.write or _UNDER_WAY.search(said):
        return lost(request, f"the answer was lost: {reason}")
    return ProtocolError(f"{request.what}: gh failed: {reason}", subject=request.subject, hint="try: gh api user")


def not_signed_in(request: Request) -> AuthFailed:
    """gh has no token for the host, or GitHub does not accept it."""
    return AuthFailed(
        f"gh is not signed in to {request.host}",
        subject=request.host,
        hint=f"gh auth login --hostname {request.host}",
    )


def refusal(request: Request, answer: Answer, *, now: float) -> PlatformError:
    """The error for an HTTP answer that is not a success, as far as its status alone tells."""
    said = first_line(answer.message)
    details = {"http_status": answer.status, **({"reasons": [said]} if said else {})}
    if answer.status >= 500:
        return lost(request, f"{request.host} answered {answer.status}" + (f" ({said})" if said else ""))
    if answer.is_rate_limited:
        return rate_limited(request, answer.retry_after(now), details)
    if answer.status == 401:
        return not_signed_in(request)
    if answer.status == 403:
        return forbidden(request, said, answer.missing_scopes, details, sso=answer.headers.get("x-github-sso", ""))
    if answer.status in {404, 410, 451}:
        return not_found(request, answer.missing_scopes, details)
    if 300 <= answer.status < 400:
        return NotFound(f"{request.what}: the repository has moved", subject=request.subject, details=details)
    return ProtocolError(
        f"{request.what}: {request.host} refused it" + (f": {said}" if said else f" with {answer.status}"),
        code="platform_refused",
        subject=request.subject,
        details=details,
    )


def rate_limited(request: Request, seconds: float, details: Mapping[str, Any]) -> RateLimited:
    """Asked too often; nothing was done."""
    return RateLimited(
        f"{request.host} wants {seconds:.0f} s of rest before the next request",
        retry_after=seconds,
        subject=request.host,
        hint="run the same command again after that time",
        details={**details, "retry_after": seconds},
    )


def forbidden(
    request: Request, said: str, scopes: Sequence[str], details: Mapping[str, Any], *, sso: str = ""
) -> AuthFailed:
    """gh is signed in, and may not do this."""
    hint = f"check that the account of gh at {request.host} may do this: gh auth status --hostname {request.host}"
    if scopes:
        hint = f"gh auth refresh --hostname {request.host} --scopes {scopes[0]}"
    elif sso or "SAML" in said:
        hint = f"authorise gh for the organisation: gh auth refresh --hostname {request.host}"
    return AuthFailed(
        f"{request.what}: {request.host} does not allow it" + (f": {said}" if said else ""),
        code="platform_forbidden",
        subject=request.subject,
        hint=hint,
        details={**details, **({"scopes": list(scopes)} if scopes else {})},
    )


def not_found(request: Request, scopes: Sequence[str], details: Mapping[str, Any]) -> NotFound:
    """GitHub says 404 both for what is not there and for what the caller may not see."""
    hint = f"check the URL, and that the account may see it: gh auth status --hostname {request.host}"
    if scopes:
        hint = f"gh auth refresh --hostname {request.host} --scopes {scopes[0]}"
    return NotFound(
        f"{request.what}: it does not exist, or the account of gh may not see it",
        subject=request.subject,
        hint=hint,
        details=details,
    )


def graphql_refusal(request: Request, error: Mapping[str, Any], answer: Answer, *, now: float) -> PlatformError:
    """The error for one entry of a GraphQL answer's `errors`."""
    kind = str(error.get("type") or "")
    said = first_line(str(error.get("message") or ""))
    details = {"type": kind, "reasons": [said]}
    if kind in RATE_LIMITED:
        return rate_limited(request, answer.retry_after(now), details)
    if kind == "NOT_FOUND":
        return not_found(request, (), details)
    if kind == "INSUFFICIENT_SCOPES":
        wanted = re.findall(r"\['([a-z:_]+)'", said)
        return forbidden(request, said, wanted or ("repo",), details)
    if kind == "FORBIDDEN":
        return forbidden(request, said, (), details)
    if kind in {"SERVICE_UNAVAILABLE", "STALE_DATA"} or "omething went wrong" in said or "imeout" in said:
        return lost(request, f"{request.host} could not answer: {said}")
    if kind == "UNPROCESSABLE":
        return Unsupported(
            f"{request.what}: {request.host} refused it: {said}", subject=request.subject, details=details
        )
    return ProtocolError(
        f"{request.what}: {request.host} refused it: {said}",
        code="platform_refused",
        subject=request.subject,
        details=details,
    )


def _said(completed: Completed) -> str:
    return redact(completed.stderr.decode(errors="replace")).strip()


def first_line(text: str) -> str:
    """The first line of text from outside, harmless and of bounded length, without a final period."""
    lines = text.strip().splitlines()
    return visible(lines[0][:300]).rstrip(". ") if lines else ""
