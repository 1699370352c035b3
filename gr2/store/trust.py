"""Which hooks files a person has approved: a set of content hashes for each canonical repo URL.

Kept in the user's state directory, never in a workspace: nothing that a repository or a workspace brings along can
approve itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from gr2.edges.files import is_inside
from gr2.edges.locks import FileLock, LockTimeout
from gr2.edges.user_dirs import user_state
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hints import quoted
from gr2.store.state_file import read_state, write_state

VERSION = 1
_FILE = "trusted_hooks.json"


class Approvals:
    """The approvals of the user whose environment is `environ`. `root` is the workspace, where they must not be."""

    def __init__(self, environ: Mapping[str, str], root: str) -> None:
        self.path = os.path.join(user_state(environ), _FILE)
        self._root = root

    def hashes(self, url: str) -> frozenset[str]:
        """The approved hashes of a canonical URL. What cannot be read, or lies in the workspace, approves nothing."""
        try:
            return frozenset(self._read().get(url, ())) if self._is_outside() else frozenset()
        except Gr2Error:
            return frozenset()

    def add(self, url: str, digest: str) -> bool:
        """Approve `digest` for `url`; whether it was not approved before. Raises Blocked, Failed."""

        def change(urls: dict[str, list[str]]) -> bool:
            known = urls.setdefault(url, [])
            if digest in known:
                return False
            known.append(digest)
            return True

        return self._change(change)

    def remove(self, url: str) -> int:
        """Forget every approval of `url`; how many there were."""
        count = len(self._read().get(url, ()))

        def change(urls: dict[str, list[str]]) -> bool:
            return urls.pop(url, None) is not None

        self._change(change)
        return count

    def _is_outside(self) -> bool:
        return not is_inside(os.path.realpath(self.path), os.path.realpath(self._root))

    def _change(self, change: Any) -> bool:
        if not self._is_outside():
            raise Blocked(
                "trust_in_workspace",
                "approvals are never kept inside a workspace, and the user's state directory is in this one",
                subject=self.path,
                hint="unset XDG_STATE_HOME, or let it name a directory elsewhere",
            )
        try:
            with FileLock(f"{self.path}.lock", wait=10.0):
                urls = self._read()
                if not change(urls):
                    return False
                folder = os.path.dirname(self.path)
                write_state(self.path, {"urls": urls}, version=VERSION, temporary=folder)
                return True
        except LockTimeout as error:
            raise Failed("state_locked", f"{self.path} is in use", hint="run the same command again") from error

    def _read(self) -> dict[str, list[str]]:
        found = (read_state(self.path, version=VERSION) or {}).get("urls", {})
        if not isinstance(found, dict):
            hint = f"remove {quoted(self.path)}"
            raise Failed("state_unreadable", f"{self.path} is not a list of approvals", hint=hint)
        return {
            str(url): [one for one in hashes if isinstance(one, str)]
            for url, hashes in found.items()
            if isinstance(hashes, list)
        }


def is_trusted_url(url: str, patterns: Iterable[str], *, base: str) -> bool:
    """Whether the user's `[hooks] trusted_urls` name the canonical `url`: exactly, or by what ends in `/*`.

    A URL whose path climbs (`..`, also encoded) is named by no pattern: servers may take it for another.
    """
    from urllib.parse import unquote

    from gr2.model.url import canonical

    climbs = any(part in {".", ".."} for part in unquote(unquote(url)).replace("\\", "/").split("/"))
    for pattern in patterns:
        if pattern.endswith("/*"):
            start = canonical(pattern[:-2], base=base)
            if not climbs and len(pattern) > 2 and url.startswith(start.rstrip("/") + "/"):
                return True
        elif canonical(pattern, base=base) == url:
            return True
    return False
