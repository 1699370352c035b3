"""Mirrors: bare local copies of remotes, from which every checkout borrows its objects.

No object ever leaves a mirror, as checkouts depend on them: `extensions.preciousObjects` makes git refuse to prune, and
automatic gc and maintenance are off (git-config(1)).
"""

from __future__ import annotations

import os
import re
from enum import StrEnum

from gr2.edges.git.refs import head_branch, read_refs
from gr2.model.records import dataclass

_MIRROR_OF = re.compile(r'^\s*mirrorOf = "?([^"\n]*)"?\s*$', re.MULTILINE)


class MirrorKind(StrEnum):
    """What stands at a mirror's path."""

    MISSING = "missing"
    OURS = "ours"
    FOREIGN = "foreign"  # something that is none of gr2's
    BROKEN = "broken"  # ours once, and no longer a whole bare repository


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A mirror as found. `mirror_of` is the canonical URL it was made for."""

    path: str
    kind: MirrorKind
    mirror_of: str = ""
    reason: str = ""

    def branches(self) -> dict[str, str]:
        """The remote's branches as of the last fetch: name to commit."""
        return read_refs(self.path, "refs/heads/")

    def head(self) -> str | None:
        """The remote's HEAD branch as of the last fetch, or None."""
        return head_branch(self.path)


def config_for(canonical_url: str) -> str:
    """What gr2 adds to the configuration of a fresh mirror."""
    return (
        "[core]\n\trepositoryformatversion = 1\n"
        "[extensions]\n\tpreciousObjects = true\n"
        '[remote "origin"]\n\tfetch = +refs/heads/*:refs/heads/*\n\tfetch = +refs/tags/*:refs/tags/*\n'
        "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
        f"[gr2]\n\tmirrorOf = {quoted(canonical_url)}\n"
    )


def quoted(value: str) -> str:
    """`value` as git's configuration syntax takes it (git-config(1), "Syntax")."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def inspect_mirror(path: str) -> Mirror:
    """What stands at `path`, from its files alone."""
    if not os.path.lexists(path):
        return Mirror(path=path, kind=MirrorKind.MISSING)
    if os.path.islink(path) or not os.path.isdir(path):
        return Mirror(path=path, kind=MirrorKind.FOREIGN, reason="it is not a directory")
    try:
        with open(os.path.join(path, "config"), encoding="utf-8", errors="surrogateescape") as file:
            config = file.read(1 << 20)
    except OSError:
        return Mirror(path=path, kind=MirrorKind.FOREIGN, reason="it is not a bare repository")
    match = _MIRROR_OF.search(config)
    if match is None:
        return Mirror(path=path, kind=MirrorKind.FOREIGN, reason="it was not made by gr2")
    url = match.group(1).replace('\\"', '"').replace("\\\\", "\\")
    fault = _fault(path, config)
    kind = MirrorKind.OURS if fault is None else MirrorKind.BROKEN
    return Mirror(path=path, kind=kind, mirror_of=url, reason=fault or "")


def _fault(path: str, config: str) -> str | None:
    if not re.search(r"^\s*bare = true\s*$", config, re.MULTILINE):
        return "it is not bare"
    for folder in ("objects", "refs"):
        if not os.path.isdir(os.path.join(path, folder)):
            return f"its {folder} directory is missing"
    try:
        with open(os.path.join(path, "HEAD"), encoding="ascii", errors="replace") as file:
            head = file.read(4096)
    except OSError:
        return "its HEAD is missing"
    if not re.fullmatch(r"(?:ref: refs/\S.*|[0-9a-f]{40,64})\n?", head):
        return "its HEAD is damaged"
    return None
