"""How checkouts look."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.cli.screen import Screen, text_for
from gr2.model.checkout import RepoRow
from gr2.ops.repo import RepoStatusResult


@text_for(RepoStatusResult)
def show_repo_status(result: RepoStatusResult, screen: Screen) -> None:
    """One line a checkout."""
    if not result.repos:
        screen.line("The spec names no repositories.")
        return
    show_rows(result.repos, screen)


def show_rows(rows: Iterable[RepoRow], screen: Screen, *, indent: int = 0) -> None:
    """A table of checkouts: where, on which branch, how far from upstream, and what is not committed."""
    cells = [(row.path, branch_of(row), distance(row), work_of(row)) for row in rows]
    screen.table(("CHECKOUT", "BRANCH", "", "STATE"), cells, indent=indent)


def branch_of(row: RepoRow) -> tuple[str, str]:
    """The branch, or the commit of a detached HEAD."""
    if not row.exists:
        return ("-", "dim")
    if row.branch is not None:
        return (row.branch, "cyan")
    return (f"({row.head[:9]})" if row.head else "?", "yellow")


def distance(row: RepoRow) -> tuple[str, str]:
    """Commits ahead of and behind the upstream (or a lane's base): "+2 -1"."""
    parts = [f"+{row.ahead}" if row.ahead else "", f"-{row.behind}" if row.behind else ""]
    return (" ".join(part for part in parts if part), "yellow")


def work_of(row: RepoRow) -> tuple[str, str]:
    """What is not committed, in words."""
    if not row.exists:
        return ("not there yet", "dim")
    if row.is_unreadable:
        return ("cannot be read", "bad")
    counts = (
        (row.conflicted, "conflicted"),
        (row.staged, "staged"),
        (row.unstaged, "changed"),
        (row.untracked, "untracked"),
    )
    parts = [f"{number} {word}" for number, word in counts if number]
    if row.in_progress:
        parts.insert(0, f"{row.in_progress} in progress")
    return (", ".join(parts), "yellow") if parts else ("clean", "dim")
