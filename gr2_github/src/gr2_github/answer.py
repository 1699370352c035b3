"""What `gh api --include` prints: a status line, headers, an empty line, and the body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([1-5][0-9][0-9])\b[^\n]*\n")
# What GitHub asks for when a secondary limit comes without a time ("Best practices for using the REST API").
_SECONDARY_WAIT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer. Header names are in lower case; `body` is what gh printed, `whole` whether gh got all of it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    @property
    def document(self) -> Any:
        """The body as JSON. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    @property
    def message(self) -> str:
        """What GitHub says in words: its `message`, and the messages of its `errors`. "" when it says nothing."""
        try:
            found = self.document
        except ValueError:
            return ""
        if not isinstance(found, dict):
            return ""
        listed = found.get("errors")
        inner = [_message(error) for error in listed] if isinstance(listed, list) else []
        return ": ".join(part for part in (str(found.get("message") or ""), "; ".join(filter(None, inner))) if part)

    @property
    def is_rate_limited(self) -> bool:
        """Whether it is one of GitHub's refusals for asking too often, primary or secondary."""
        if self.status not in {403, 429}:
            return False
        if self.status == 429 or "retry-after" in self.headers or self.headers.get("x-ratelimit-remaining") == "0":
            return True
        said = self.message.lower()
        return "rate limit" in said or "abuse detection" in said

    def retry_after(self, now: float) -> float:
        """Seconds to rest after a rate limit. `now` (Unix time) counts only when the answer has no date."""
        after = self.headers.get("retry-after", "")
        if after.isdecimal():
            return float(after)
        reset = self.headers.get("x-ratelimit-reset", "")
        if reset.isdecimal() and self.headers.get("x-ratelimit-remaining", "0") == "0":
            # The server's own clock: that of this machine may be wrong.
            return max(1.0, float(reset) - (_date(self.headers.get("date", "")) or now))
        return _SECONDARY_WAIT_SECONDS

    @property
    def missing_scopes(self) -> tuple[str, ...]:
        """The OAuth scopes any of which would do, when the token has none of them."""
        wanted = _words(self.headers.get("x-accepted-oauth-scopes", ""))
        if "x-oauth-scopes" not in self.headers or not wanted:
            return ()
        return () if set(wanted) & set(_words(self.headers["x-oauth-scopes"])) else wanted


def parse(printed: bytes, *, whole: bool) -> Answer | None:
    """The answer gh printed, None when it printed none (it never got one)."""
    line = _STATUS_LINE.match(printed)
    if line is None:
        return None
    head, separator, body = printed[line.end() :].partition(b"\r\n\r\n")
    if printed[line.end() :].startswith(b"\r\n"):
        head, separator, body = b"", b"\r\n", printed[line.end() + 2 :]
    headers = {}
    for row in head.decode("latin-1").split("\r\n"):
        name, colon, value = row.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Answer(status=int(line.group(1)), headers=headers, body=body, whole=whole and bool(separator))


def _message(error: object) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    said = error.get("message")
    if isinstance(said, str) and said:
        return said
    return " ".join(str(error[key]) for key in ("resource", "field", "code") if error.get(key))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
