"""What would be lost to the eye if a lane's checkouts went away: work that exists nowhere else (contract, page 3)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gr2.edges.git.refs import read_refs
from gr2.edges.git.worktrees import linked_worktrees
from gr2.model.checkout import RepoRow
from gr2.model.hints import git_at, quoted
from gr2.model.lane import Lane
from gr2.model.outcome import Issue
from gr2.model.spec import Unit
from gr2.ops.lane_work import WorkReader
from gr2.session import Session


def kept_only_here(session: Session, unit: Unit, lane: Lane, rows: Sequence[RepoRow]) -> list[Issue]:
    """Why the checkouts of `rows` should stay: a merge or rebase in progress, uncommitted work, linked worktrees,
    unpushed commits of any local branch, saved work that waits, stash entries.

    Raises GitError when git cannot answer."""
    present = [row for row in rows if row.exists]
    reader = WorkReader(session)
    reader.prefetch(present)
    issues: list[Issue] = []
    for row in present:
        issues += _dirt(session, lane, row)
        issues += _worktrees(session, lane, row)
        issues += _commits(session, reader, lane, row)
    return [*issues, *_saved(session, unit, lane, present)]


def _dirt(session: Session, lane: Lane, row: RepoRow) -> Iterator[Issue]:
    if row.in_progress is not None:
        from gr2.store.saved_work import in_progress_issue

        yield in_progress_issue(session.root, row.path, row.in_progress)
    elif row.dirty:
        count = row.staged + row.unstaged + row.untracked + row.conflicted
        yield Issue(
            code="dirty_lane_repo",
            scope="lane",
            subject=f"{row.repo} ({lane.id})",
            message=f"{row.repo} has uncommitted work ({count} {'file' if count == 1 else 'files'})",
            hint="commit it, or add --force, which keeps it in the trash for 30 days",
            details={"repo": row.repo, "path": row.path},
        )


def _worktrees(session: Session, lane: Lane, row: RepoRow) -> Iterator[Issue]:
    """Those that somebody made by hand: without the checkout git works in none of them."""
    found = linked_worktrees(os.path.join(session.layout.at(row.path), ".git"))
    if found:
        yield Issue(
            code="dirty_lane_repo",
            scope="lane",
            subject=f"{row.repo} ({lane.id})",
            message=f"{row.repo} has a linked worktree that would stop working: {', '.join(found)}",
            hint=f"{git_at(session.root, row.path, 'worktree', 'remove', found[0])}, or add --force",
            details={"repo": row.repo, "path": row.path, "worktrees": found},
        )


def _commits(session: Session, reader: WorkReader, lane: Lane, row: RepoRow) -> Iterator[Issue]:
    path = session.layout.at(row.path)
    tips = read_refs(os.path.join(path, ".git"), "refs/heads/")
    if row.branch is None and row.head is not None:
        tips["HEAD"] = row.head
    unpushed = [branch for branch, head in sorted(tips.items()) if _is_unpushed(reader, lane, row, branch, head)]
    if unpushed:
        yield Issue(
            code="unpushed_work",
            scope="lane",
            subject=f"{row.repo} ({lane.id})",
            message=f"{row.repo} has commits that are on no remote branch: {', '.join(unpushed)}",
            hint=f"{git_at(session.root, row.path, 'push', '-u', 'origin', unpushed[0])}, or add --force",
            details={"repo": row.repo, "path": row.path, "branches": unpushed},
        )


def _is_unpushed(reader: WorkReader, lane: Lane, row: RepoRow, branch: str, head: str) -> bool:
    if branch == row.branch:
        return reader.work(lane, row).unpushed
    # What status says of the branch that is checked out says nothing of this one.
    other = replace(row, branch=branch, head=head, upstream=None, ahead=None, behind=None)
    return reader.work(lane, other).unpushed


def _saved(session: Session, unit: Unit, lane: Lane, rows: Sequence[RepoRow]) -> Iterator[Issue]:
    from gr2.edges.git.stash_log import stash_entries
    from gr2.store.saved import all_saved, waiting

    repos = {row.repo for row in rows}
    found = [saved for saved in waiting(session.layout, unit=unit.name, lane=lane.name) if saved.repo in repos]
    if found:
        count = len(found)
        yield Issue(
            code="saved_work",
            scope="lane",
            subject=lane.id,
            message=f"{count} {'piece of saved work waits' if count == 1 else 'pieces of saved work wait'} in it",
            hint=f"gr2 lane enter {quoted(lane.id)} --restore, gr2 saved drop {found[0].id}, or add --force",
            details={"saved": [{"id": saved.id, "repo": saved.repo, "files": list(saved.files)} for saved in found]},
        )
    ours = {saved.stash for saved in all_saved(session.layout)[0]}
    for row in rows:
        own = [sha for sha in stash_entries(os.path.join(session.layout.at(row.path), ".git")) if sha not in ours]
        if own:
            yield Issue(
                code="saved_work",
                scope="lane",
                subject=f"{row.repo} ({lane.id})",
                message=f"{row.repo} has {len(own)} of your own git stash entries",
                hint=f"{git_at(session.root, row.path, 'stash', 'list')}, or add --force",
                details={"repo": row.repo, "path": row.path, "stashes": own},
            )
