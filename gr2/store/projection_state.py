"""What gr2 last projected to a place, so that its own files are told from a person's. One small file for each
destination and repo."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from gr2.model.records import dataclass
from gr2.store.layout import Layout
from gr2.store.state_file import read_state, write_state

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Projected:
    """source, result: digests of what was to be projected and of what was there afterwards (they differ for a merge).

    before: digest of what was there until then, "" for nothing. event_id: of the event that tells of it, "" once it is
    told. saved_id: of the file that it replaced, or "".
    """

    repo: str
    source: str
    result: str
    before: str = ""
    event_id: str = ""
    saved_id: str = ""


def digest_of(kind: str, content: bytes) -> str:
    """The digest of a file's bytes, or of a link's target."""
    return f"{kind}:{hashlib.sha256(content).hexdigest()}"


def read_projected(layout: Layout, dest: str, repo: str) -> Projected | None:
    """What `repo` last projected to the workspace-relative `dest`, None when it did not."""
    found = read_state(_path(layout, dest, repo), version=VERSION)
    if found is None or (found.get("dest"), found.get("repo")) != (dest, repo):
        return None
    texts: Mapping[str, Any] = {name: str(found.get(name, "")) for name in Projected.__dataclass_fields__}
    return Projected(**texts)


def write_projected(layout: Layout, dest: str, projected: Projected) -> None:
    """Record it."""
    write_state(_path(layout, dest, projected.repo), {"dest": dest, **vars(projected)}, version=VERSION)


def _path(layout: Layout, dest: str, repo: str) -> str:
    digest = hashlib.sha256(os.fsencode(f"{repo}\0{dest}")).hexdigest()[:32]
    return os.path.join(layout.state, "projections", f"{digest}.json")
