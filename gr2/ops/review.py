"""`review requirements`: who must still approve."""

from __future__ import annotations

from gr2.model.group import Blocker
from gr2.model.outcome import Result, Status
from gr2.model.records import dataclass
from gr2.ops.context import lane_of
from gr2.ops.pr_group import find_group, no_group
from gr2.ops.pr_look import look
from gr2.ops.pr_platform import Platforms
from gr2.session import Session

_UNSATISFIED = frozenset({Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED})


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What one pull request of the group needs. changes_requested: somebody's wish for changes stands."""

    repo: str
    pr_number: int | None
    required: int
    approvals: int
    satisfied: bool
    changes_requested: bool = False


@dataclass(frozen=True, kw_only=True)
class ReviewRequirementsResult(Result):
    """A requirement for each pull request that is not closed."""

    requirements: tuple[Requirement, ...] = ()


def review_requirements(session: Session, lane: str = "") -> ReviewRequirementsResult:
    """How many approvals each pull request of the lane's group needs and has. Writes nothing.

    Raises Blocked `no_pr_group`. A platform that cannot be asked: as last known, with `platform_degraded`.
    """
    _, found_lane = lane_of(session, lane)
    found = find_group(session, found_lane)
    if found is None:
        raise no_group(session, found_lane)
    seen = look(session, Platforms(session), found[0].prs)
    rows = []
    for child in (seen.children.get(child.repo, child) for child in found[0].prs):
        if child.status != "closed":
            objects = Blocker.CHANGES_REQUESTED in child.blockers
            enough = child.approvals >= child.required and not _UNSATISFIED & set(child.blockers)
            rows.append(
                Requirement(
                    repo=child.repo,
                    pr_number=child.pr_number,
                    required=child.required,
                    approvals=child.approvals,
                    satisfied=child.status == "merged" or enough,
                    changes_requested=objects,
                )
            )
    status = Status.OK if all(row.satisfied for row in rows) and not seen.issues else Status.ATTENTION
    return ReviewRequirementsResult(status=status, issues=tuple(seen.issues), requirements=tuple(rows))
