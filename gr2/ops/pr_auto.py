"""`pr merge --auto`: leaves a pull request that is not ready to the platform, to merge when its rules allow."""

from __future__ import annotations

from gr2.errors import Blocked
from gr2.model.group import Blocker, Child, demanded
from gr2.model.outcome import Issue
from gr2.model.platform_error import NotMergeable, OutcomeUnknown, Transient
from gr2.model.pull_request import MergeMethod, Overview, PullRef
from gr2.model.records import dataclass
from gr2.ops.pr_group import Work
from gr2.ops.pr_look import look, record, take_in, with_old_head
from gr2.ops.pr_merge_check import refuse_moved, refuse_unread, remaining_blockers, wait_for_mergeability

_REVIEWS = frozenset({Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED})


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A pull request whose turn it is, as it stands now, and what stands in its way."""

    child: Child
    overview: Overview | None
    blockers: tuple[str, ...]


def take_turn(work: Work, child: Child, *, force: bool) -> Turn:
    """Look at `child` again: much may have happened while those before it were merged.

    Raises PlatformError when it, or its policy, cannot be read; Blocked when its head moved.
    """
    seen = look(work.session, work.platforms, [child])
    refuse_unread(work, seen)
    refuse_moved(work, seen)
    wait_for_mergeability(work, seen)
    take_in(work, seen)
    problem = seen.unsure.get(child.repo)
    if problem is not None and not force:
        if isinstance(problem, Blocked):
            raise problem
        message = f"its policy cannot be read: {problem.message}"
        raise Transient(message, code=problem.code, hint=problem.hint)
    now, overview = seen.children.get(child.repo, child), seen.overviews.get(child.repo)
    return Turn(child=now, overview=overview, blockers=remaining_blockers(now, overview, force=force))


def hand_over(work: Work, turn: Turn, method: MergeMethod, *, force: bool) -> Issue | None:
    """Turn on auto-merge at the expected head, and record how it is then.

    Not while it waits for reviews that only gr2 demands, or fails checks that only gr2 minds, unless `force` lifts
    them: the platform would merge it in spite of them. Then, or when the platform says that it could be merged at once,
    a non-blocking issue tells why it is not on.
    """
    child, overview = turn.child, turn.overview
    repo = work.session.spec.repo(child.repo)
    assert repo is not None and overview is not None, "what cannot be read is refused before"
    ref = PullRef(url=repo.url, number=child.pr_number or 0)
    if overview.pull.auto_merge:
        return None
    reason = "" if force else _not_minded(child, overview)
    if reason:
        return _not_on(work, child, reason)
    adapter = work.platforms.adapter(child.platform)
    refused = ""
    try:
        adapter.enable_auto_merge(ref, method=method, expected_head=child.head_sha, timeout=work.platforms.timeout)
    except OutcomeUnknown:
        pull = work.platforms.read(lambda: adapter.get_pr(ref, timeout=work.platforms.timeout))
        if not pull.auto_merge and pull.state == "open":
            raise
    except NotMergeable as error:
        refused = error.message
    seen = look(work.session, work.platforms, [child])
    record(work, [with_old_head(work, now) for now in seen.children.values()])
    return _not_on(work, child, refused) if refused else None


def _not_minded(child: Child, overview: Overview) -> str:
    """What gr2 demands of `child` and the platform would not wait for, "" for nothing."""
    if _REVIEWS & set(child.blockers) and not _waits_for_reviews(child, overview):
        return "the platform does not wait for the reviews that gr2 demands"
    if Blocker.CHECKS_FAILING in child.blockers and Blocker.CHECKS_FAILING not in demanded(child, overview):
        return "the platform does not mind the checks that fail"
    return ""


def _waits_for_reviews(child: Child, overview: Overview) -> bool:
    """Whether the platform would wait for the reviews that `child` lacks. It may count approvals of older heads."""
    last = {review.reviewer: review.verdict for review in overview.reviews if review.verdict != "commented"}
    last.pop(overview.pull.author, None)
    approvals = list(last.values()).count("approved")
    wanted = overview.demands.approvals
    return wanted >= max(child.required, 1) and (Blocker.REVIEW_REQUIRED not in child.blockers or approvals < wanted)


def _not_on(work: Work, child: Child, reason: str) -> Issue:
    return Issue(
        code="auto_merge_off",
        scope="platform",
        subject=child.name,
        message=f"{child.name} does not merge by itself: {reason}",
        hint=f"gr2 pr merge --auto{work.lane_option} again later",
        blocking=False,
        details={"repo": child.repo, "pr_number": child.pr_number},
    )
