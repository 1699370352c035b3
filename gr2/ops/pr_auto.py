"""`pr merge --auto`: leaves a pull request that is not ready to the platform, to merge when its rules allow."""

from __future__ import annotations

from gr2.model.group import Blocker, Child
from gr2.model.outcome import Issue
from gr2.model.platform_error import NotFound, NotMergeable, OutcomeUnknown
from gr2.model.pull_request import MergeMethod, PullRef
from gr2.ops.pr_group import Work
from gr2.ops.pr_look import look, record

_REVIEWS = frozenset({Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED})


def hand_over(work: Work, child: Child, method: MergeMethod, *, force: bool) -> Issue | None:
    """Turn on auto-merge for `child` at its expected head, and record how it is then.

    Not while it waits for reviews that only gr2 demands, unless `force` lifts them: the platform would merge it without
    them. Then, or when the platform says that it could be merged at once, a non-blocking issue tells why it is not on.
    """
    repo = work.session.spec.repo(child.repo)
    assert repo is not None, "a child whose repo is unknown cannot be read, and is refused before"
    ref = PullRef(url=repo.url, number=child.pr_number or 0)
    overview = work.platforms.overviews(child.platform, [ref]).get(ref)
    if overview is None:
        raise NotFound("the platform has no such pull request")
    if not force and _REVIEWS & set(child.blockers) and overview.demands.approvals < max(child.required, 1):
        return _not_on(work, child, "the platform does not wait for the reviews that gr2 demands")
    if overview.pull.auto_merge:
        return None
    adapter = work.platforms.adapter(child.platform)
    try:
        adapter.enable_auto_merge(ref, method=method, expected_head=child.head_sha, timeout=work.platforms.timeout)
    except OutcomeUnknown:
        pull = work.platforms.read(lambda: adapter.get_pr(ref, timeout=work.platforms.timeout))
        if not pull.auto_merge and pull.state == "open":
            raise
    except NotMergeable as error:
        seen = look(work.session, work.platforms, [child])
        record(work, seen.children.values())
        return _not_on(work, child, error.message)
    seen = look(work.session, work.platforms, [child])
    record(work, seen.children.values())
    return None


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
