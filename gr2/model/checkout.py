"""The row that tells a checkout's git state (contract, page 1, "A repo row")."""

from __future__ import annotations

from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class RepoRow:
    """State of one checkout. `ahead` and `behind` are against the upstream; without one, lanes are counted against
    their base and others not at all. Counts are of paths; `path` is relative to the workspace."""

    repo: str
    scope: str
    unit: str | None
    lane: str | None
    path: str
    exists: bool
    branch: str | None = None
    head: str | None = None
    upstream: str | None = None
    ahead: int | None = None
    behind: int | None = None
    dirty: bool = False
    staged: int = 0
    unstaged: int = 0
    untracked: int = 0
    conflicted: int = 0
    in_progress: str | None = None

    @property
    def is_unreadable(self) -> bool:
        """Whether it is there, and git could not answer for it: nothing below `exists` means anything."""
        return self.exists and self.branch is None and self.head is None


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout the spec (or a lane) says should be there. `base`: the branch a lane's checkout started from."""

    repo: str
    scope: str
    path: str
    unit: str = ""
    lane: str = ""
    base: str = ""
