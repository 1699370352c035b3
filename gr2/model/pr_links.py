"""The links between the pull requests of a group: a section of each body that gr2 rewrites, and nothing else of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gr2.model.records import dataclass
from gr2.model.url import canonical, host_of

BEGIN = "<!-- gr2:pr-group:begin"
END = "<!-- gr2:pr-group:end -->"
_SPAN = re.compile(r"<!-- gr2:pr-group:begin v1 id=pg_[0-9a-f]{8} -->.*?<!-- gr2:pr-group:end -->", re.DOTALL)
_ANY_END = "<!-- gr2:pr-group:end"
_MARKUP = frozenset("&<>\"'|`*_[]\\~#@!$\n\r")
NUMBER_ROOM = 10
"""Digits that a number not known yet may have."""


@dataclass(frozen=True, kw_only=True)
class Linked:
    """One pull request to link to. repository: its URL as in the spec; web_url: "" or an address for people."""

    repo: str
    platform: str
    repository: str
    base: str
    number: int | None = None
    web_url: str = ""


def span(group_id: str, lane: str, linked: Sequence[Linked], *, seen_from: Linked) -> str:
    """The section for the body of `seen_from`: a table of all pull requests of the group."""
    rows = "\n".join(f"| {cell(each.repo)} | {_link(each, seen_from)} | {cell(each.base)} |" for each in linked)
    return (
        f"{BEGIN} v1 id={group_id} -->\n"
        f"Pull requests of the lane {cell(lane)}, to be merged together:\n\n"
        f"| Repo | Pull request | Base |\n| --- | --- | --- |\n{rows}\n"
        f"{END}"
    )


def cell(text: str) -> str:
    """`text` for a table of Markdown: it can neither end the cell nor be taken for markup, a mention or a reference."""
    escaped = "".join(f"&#{ord(char)};" if char in _MARKUP else char for char in text)
    return f"<code>{escaped}</code>"


def _link(each: Linked, seen_from: Linked) -> str:
    if each.number is None:
        return "#" * NUMBER_ROOM
    same = each.platform == seen_from.platform and host_of(each.repository) == host_of(seen_from.repository)
    if same and host_of(each.repository):
        path = canonical(each.repository).partition("://")[2].partition("/")[2]
        return f"{path}#{each.number}"
    if re.match(r"https?://[^\s|<>]+$", each.web_url):
        return each.web_url
    return f"{each.repo}#{each.number}"


def with_span(body: str, section: str) -> str | None:
    """`body` with `section` in place of the one it has, or after the person's text when it has none.

    None when the body's markers are broken or doubled: then nobody can tell what is the person's.
    """
    begins, ends = body.count(BEGIN), body.count(_ANY_END)
    if not begins and not ends:
        return f"{body}\n\n{section}" if body else section
    found = list(_SPAN.finditer(body))
    if begins != 1 or ends != 1 or len(found) != 1:
        return None
    old = found[0]
    if old.group().replace("\r\n", "\n") == section:
        return body
    return body[: old.start()] + section + body[old.end() :]
