"""The linked worktrees of a checkout, read from its files (gitrepository-layout(5), `worktrees/<id>/gitdir`)."""

from __future__ import annotations

import os

from gr2.edges.files import read_regular

_LIMIT = 1 << 16


def linked_worktrees(git_dir: str) -> list[str]:
    """The absolute paths of the worktrees that `git worktree add` made of the repository and that are still there."""
    top = os.path.join(git_dir, "worktrees")
    try:
        names = sorted(os.listdir(top))
    except OSError:
        return []
    return [path for path in (_place(os.path.join(top, name)) for name in names) if path]


def _place(entry: str) -> str:
    try:
        data = read_regular(os.path.join(entry, "gitdir"), limit=_LIMIT)
    except OSError:
        return ""
    file = os.fsdecode((data or b"").removesuffix(b"\n"))
    if not file:
        return ""
    # Git may write it relative to the entry (worktree.useRelativePaths).
    file = os.path.normpath(os.path.join(entry, file))
    return os.path.dirname(file) if os.path.lexists(file) else ""
