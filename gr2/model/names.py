"""Names, paths and actors: what is allowed, and the nearest allowed thing to what was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ACTOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LANE_KIND = re.compile(r"[a-z][a-z0-9_-]*")
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9-]*")
CONSUMER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_HIDDEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDI}]")


def is_name(text: str) -> bool:
    """Whether `text` can name a repository or a unit."""
    return NAME.fullmatch(text) is not None and text not in {".", ".."}


def is_actor(text: str) -> bool:
    """Whether `text` is `agent:<name>`, `human:<name>` or `system`."""
    kind, colon, name = text.partition(":")
    if not colon:
        return text == "system"
    return kind in {"agent", "human"} and ACTOR_NAME.fullmatch(name) is not None


def has_control(text: str) -> bool:
    """Whether `text` holds a control character (C0, DEL or C1)."""
    return _CONTROL.search(text) is not None


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def visible(text: str, *, multiline: bool = False) -> str:
    """`text` with control and bidirectional characters escaped, harmless on any terminal.

    Line feeds and tabs are kept only with `multiline`.
    """
    shown = _HIDDEN.sub(_escape, text)
    return shown if multiline else shown.replace("\n", "\\n").replace("\t", "\\t")


def stays_below(path: str) -> bool:
    """Whether `path`, read from a record, names something below where it is taken from, and nothing in a `.git`."""
    parts = path.casefold().split("/")
    return not path.startswith("/") and "\0" not in path and ".." not in parts and ".git" not in parts


def fault_of_path(path: str) -> str | None:
    """Why `path` cannot be a place inside a workspace, or None if it can (links are looked at elsewhere)."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    faults = (
        (not parts, "it is the workspace itself"),
        (path.startswith("/"), "it is absolute"),
        (has_control(path), "it holds control characters"),
        (not _is_utf8(path), "it is not UTF-8"),
        (".." in parts, "it leaves the workspace"),
        (any(part.casefold() == ".git" for part in parts), "a component is .git"),
        (any(part.startswith("-") for part in parts), "a component begins with a dash"),
        (parts[:1] != [] and parts[0].casefold() == ".grip", "it is inside .grip"),
        (len(path) > 1024 or any(len(part.encode(errors="replace")) > 255 for part in parts), "it is too long"),
    )
    return next((reason for found, reason in faults if found), None)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def normal_path(path: str) -> str:
    """`path` without empty and `.` components."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


# git-check-ref-format(1): what a branch name may not hold.
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_ref(name: str) -> bool:
    """Whether git takes `name` as a branch name (git-check-ref-format(1), with --branch's rule on dashes)."""
    if name in {"", "@", "HEAD"} or name.startswith(("-", "/")) or name.endswith(("/", ".")):
        return False
    if len(name) > 1024 or _REF_FORBIDDEN.search(name) or not _is_utf8(name):
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))


def is_lane_name(name: str) -> bool:
    """Whether `name` can name a lane: a branch name, no component `repos` or `lane.toml`, no control character."""
    parts = name.split("/")
    return (
        is_ref(name)
        and not has_control(name)
        and all(0 < len(part.encode()) <= 200 for part in parts)
        and not any(part.casefold() in {"repos", "lane.toml", ".git"} or part.startswith("-") for part in parts)
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    import difflib

    options = sorted(known)
    found = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if found:
        return found[0]
    folded = {option.casefold(): option for option in options}
    return folded.get(word.casefold())
