"""What `git status --porcelain=v2 --branch -z` says, as a value (format: git-status(1))."""

from __future__ import annotations

import os

from gr2.model.records import dataclass

STATUS_ARGS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=none")

_IN_PROGRESS = (
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)


@dataclass(frozen=True, kw_only=True)
class CheckoutState:
    """A checkout as git sees it. `branch` is None when detached, `head` None before the first commit.

    Counts are of paths; an untracked directory counts once, as in `git status`.
    """

    branch: str | None
    head: str | None
    upstream: str | None = None
    ahead: int | None = None
    behind: int | None = None
    staged: int = 0
    unstaged: int = 0
    untracked: int = 0
    conflicted: int = 0
    submodules_changed: int = 0
    paths: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether anything here is neither committed nor ignored."""
        return bool(self.staged or self.unstaged or self.untracked or self.conflicted)


def parse_status(output: bytes) -> CheckoutState:
    """The state that git printed. Raises ValueError for output that is not porcelain v2."""
    branch: str | None = None
    head: str | None = None
    upstream: str | None = None
    ahead: int | None = None
    behind: int | None = None
    staged = unstaged = untracked = conflicted = submodules = 0
    paths: list[str] = []
    records = iter(output.decode(errors="surrogateescape").split("\0"))
    for record in records:
        kind = record[:2]
        if kind == "# ":
            name, _, value = record[2:].partition(" ")
            if name == "branch.oid":
                head = None if value == "(initial)" else value
            elif name == "branch.head":
                branch = None if value == "(detached)" else value
            elif name == "branch.upstream":
                upstream = value
            elif name == "branch.ab":
                plus, _, minus = value.partition(" ")
                ahead, behind = int(plus), -int(minus)
        elif kind in {"1 ", "2 "}:
            staged += record[2] != "."
            unstaged += record[3] != "."
            submodules += record[5] == "S"
            paths.append(record.split(" ", 8 if kind == "1 " else 9)[-1])
            if kind == "2 ":
                next(records, None)
        elif kind == "u ":
            conflicted += 1
            paths.append(record.split(" ", 10)[-1])
        elif kind == "? ":
            untracked += 1
            paths.append(record[2:])
        elif record and kind != "! ":
            raise ValueError(f"not porcelain v2: {record[:40]!r}")
    return CheckoutState(
        branch=branch,
        head=head,
        upstream=upstream,
        ahead=ahead,
        behind=behind,
        staged=staged,
        unstaged=unstaged,
        untracked=untracked,
        conflicted=conflicted,
        submodules_changed=submodules,
        paths=tuple(paths),
    )


def in_progress(git_dir: str) -> str | None:
    """The merge, rebase, cherry-pick, revert or bisect that waits for a person in `git_dir`, or None."""
    try:
        there = os.listdir(git_dir)
    except OSError:
        return None
    return next((name for file, name in _IN_PROGRESS if file in there), None)
