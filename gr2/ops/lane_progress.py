"""How far a lane is, derived from git whenever somebody looks (contract, page 3; the rules are in docs/lanes.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from gr2.edges.files import read_regular
from gr2.errors import Gr2Error
from gr2.model.checkout import RepoRow
from gr2.model.lane import Lane
from gr2.model.spec import Unit
from gr2.ops.lane_work import Work, WorkReader
from gr2.session import Session

STALE_SECONDS = 30 * 86_400
_GROUP_LIMIT = 16 << 20
# What git writes when somebody works in a checkout. Looking at one writes none of them.
_TOUCHED = (".git/logs/HEAD", ".git/index", ".git/FETCH_HEAD")


def progress_of(
    session: Session, unit: Unit, lane: Lane, rows: Sequence[RepoRow], reader: WorkReader | None = None
) -> str:
    """new, active, unpushed, in_review, merged or stale. `rows`: the lane's checkouts as just inspected."""
    reader = reader or WorkReader(session)
    works = [_work(reader, lane, row) for row in rows]
    own = [work for work in works if work.own]
    dirty = any(row.dirty or row.in_progress for row in rows)
    if own and not dirty and all(work.merged for work in own):
        return "merged"
    if lane.pr_group_id is not None and _is_open(session, lane.pr_group_id):
        return "in_review"
    if _is_stale(session, unit, lane):
        return "stale"
    if any(work.unpushed for work in own):
        return "unpushed"
    return "active" if own or dirty else "new"


def _work(reader: WorkReader, lane: Lane, row: RepoRow) -> Work:
    try:
        return reader.work(lane, row)
    except Gr2Error:
        # A checkout that git cannot read has its own issue; its commits are not known to be anywhere else.
        return Work(own=True, unpushed=True)


def _is_open(session: Session, group: str) -> bool:
    """Whether a pull request of the group waits, as last seen."""
    try:
        data = read_regular(os.path.join(session.layout.pr_groups, f"{group}.json"), limit=_GROUP_LIMIT)
        prs = json.loads(data or b"{}").get("prs", [])
        return any(pr.get("status") in {"open", "draft", "queued"} for pr in prs)
    except (OSError, ValueError, AttributeError):
        return False


def _is_stale(session: Session, unit: Unit, lane: Lane) -> bool:
    now = session.clock.now().timestamp()
    root = session.layout.lane(unit.path, lane.name)
    newest = 0.0
    for repo in lane.repos:
        for name in _TOUCHED:
            try:
                newest = max(newest, os.stat(os.path.join(root, "repos", repo, name)).st_mtime)
            except OSError:
                continue
    return 0 < newest < now - STALE_SECONDS
