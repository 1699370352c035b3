"""Commits of a lane that its open pull requests lack: made since the last push, and left out of a merge."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gr2.edges.git import GitError, Place
from gr2.edges.git.refs import read_ref
from gr2.model.group import Child
from gr2.model.outcome import Issue
from gr2.ops.pr_group import Work


def newer_commits(work: Work) -> dict[str, int]:
    """By repo, how many commits the lane's branch has here and neither its open pull request nor any branch of the
    remote has, as far as the last fetch knows. Repos without such commits are left out.

    Read from files where both are at the same commit, asked of git where they differ; no remote is contacted.
    """
    found = {child.repo: _count(work, child) for child in work.existing.prs if child.is_live}
    return {repo: count for repo, count in found.items() if count}


def _count(work: Work, child: Child) -> int:
    checkout = work.session.layout.lane_checkout(work.unit.path, work.lane.name, child.repo)
    here = read_ref(os.path.join(checkout, ".git"), f"refs/heads/{child.head}")
    if here is None or here == child.head_sha:
        return 0
    # A head that git does not have here was pushed by somebody else.
    args = ["rev-list", "--count", "--ignore-missing", here, f"^{child.head_sha}", "--not", "--remotes=origin", "--"]
    try:
        return int(work.session.git.text(args, at=Place.checkout(checkout)))
    except GitError:
        # A checkout that git cannot read is for `gr2 doctor`, and no reason to hide how the pull request stands.
        return 0


def newer_issues(work: Work, newer: Mapping[str, int], *, push: str) -> list[Issue]:
    """A non-blocking issue for each pull request of the group that lacks commits. push: the command that pushes them;
    it is not for one that is merged, whose commits need another pull request."""
    return [_issue(work, child, newer[child.repo], push) for child in work.existing.prs if child.repo in newer]


def _issue(work: Work, child: Child, count: int, push: str) -> Issue:
    hint = f"{push}, to push {'it' if count == 1 else 'them'}"
    if child.status == "merged":
        hint = f"gr2 pr create --title TITLE{work.lane_option}, for another pull request"
        if not work.existing.is_over:
            hint = f"when the whole group is merged: {hint}"
    commits = "1 commit that is" if count == 1 else f"{count} commits that are"
    return Issue(
        code="not_pushed",
        scope="repo",
        subject=child.repo,
        message=f"{child.repo} has {commits} not in {child.name}",
        hint=hint,
        blocking=False,
        details={
            "repo": child.repo,
            "pr_number": child.pr_number,
            "head": child.head,
            "head_sha": child.head_sha,
            "commits": count,
            "reasons": ["not_pushed"],
        },
    )
