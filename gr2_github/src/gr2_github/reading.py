"""From GitHub's words to gr2's: pull requests, checks, reviews, and what GitHub itself demands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from gr2.api import Check, Demands, MergeMethod, PullRef, PullRequest, Review

if TYPE_CHECKING:
    from gr2_github import documents

CheckState = Literal["passing", "failing", "pending", "neutral", "skipped"]
Verdict = Literal["approved", "changes_requested", "commented", "dismissed"]

# GitHub's account for those whose own is gone.
GHOST = "ghost"
_CONCLUSIONS: dict[str, CheckState] = {"SUCCESS": "passing", "NEUTRAL": "neutral", "SKIPPED": "skipped"}
_STATES: dict[str, CheckState] = {"SUCCESS": "passing", "PENDING": "pending", "EXPECTED": "pending"}
_VERDICTS: dict[str, Verdict] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes_requested",
    "COMMENTED": "commented",
    "DISMISSED": "dismissed",
}
# Statuses of a merge that branch protection and rulesets allow (GraphQL, MergeStateStatus).
_ALLOWED = frozenset({"CLEAN", "HAS_HOOKS", "UNSTABLE"})
_MERGE_METHODS: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")
_NOT_YET = "9999"
_WORST: tuple[CheckState, ...] = ("failing", "pending", "passing", "neutral", "skipped")


def pull_request(ref: PullRef, found: documents.Pull) -> PullRequest:
    """A pull request as GraphQL tells it."""
    states: dict[str, Literal["open", "closed", "merged"]] = {"OPEN": "open", "CLOSED": "closed", "MERGED": "merged"}
    mergeable: dict[str, Literal["yes", "no"]] = {"MERGEABLE": "yes", "CONFLICTING": "no"}
    merged = found.state == "MERGED"
    return PullRequest(
        ref=ref,
        title=found.title,
        body=found.body,
        base=found.base_ref_name,
        head=found.head_ref_name,
        head_sha=found.head_ref_oid,
        state=states[found.state],
        author=found.author.login if found.author else GHOST,
        draft=found.is_draft and not merged,
        mergeable=mergeable.get(found.mergeable, "unknown"),
        merge_sha=found.merge_commit.oid if merged and found.merge_commit else None,
        queued=found.is_in_merge_queue,
        auto_merge=found.auto_merge_request is not None,
        web_url=web_url(found.url),
        head_url=web_url(found.head_repository.url) if found.is_cross_repository and found.head_repository else "",
        updated_at=found.updated_at,
    )


def created(ref: PullRef, found: documents.RestPull) -> PullRequest:
    """A pull request as the REST API tells it right after making it."""
    return PullRequest(
        ref=ref,
        title=found.title,
        body=found.body or "",
        base=found.base.ref,
        head=found.head.ref,
        head_sha=found.head.sha,
        state=found.state,
        author=found.user.login if found.user else GHOST,
        draft=found.draft,
        mergeable="unknown" if found.mergeable is None else "yes" if found.mergeable else "no",
        web_url=web_url(found.html_url),
        updated_at=found.updated_at,
    )


def web_url(text: str) -> str:
    """`text` if it is a link for people, else ""."""
    return text if text.startswith(("https://", "http://")) else ""


def checks(contexts: Iterable[documents.Context]) -> tuple[Check, ...]:
    """One check a name, by name: of each source (app, workflow and event) the newest run, of several sources the
    worst, so that no success hides a failure of the same name."""
    newest: dict[tuple[str, ...], tuple[str, Check]] = {}
    for context in contexts:
        when, source, check = _check(context)
        if (*source, check.name) not in newest or when >= newest[*source, check.name][0]:
            newest[*source, check.name] = (when, check)
    worst: dict[str, Check] = {}
    for _, check in newest.values():
        known = worst.setdefault(check.name, check)
        shown = min(known, check, key=lambda each: _WORST.index(each.state))
        required = check.required or known.required
        worst[check.name] = Check(name=check.name, state=shown.state, url=shown.url, required=required)
    return tuple(worst[name] for name in sorted(worst))


def _check(context: documents.Context) -> tuple[str, tuple[str, ...], Check]:
    if context.typename == "StatusContext":
        state = _STATES.get(context.state, "failing")
        url = web_url(context.target_url or "")
        check = Check(name=context.context, state=state, url=url, required=context.is_required)
        return context.created_at, ("status",), check
    state = "pending"
    if context.status == "COMPLETED" and context.conclusion:
        state = _CONCLUSIONS.get(context.conclusion, "failing")
    suite = context.check_suite
    run = suite.workflow_run if suite else None
    source = (
        "run",
        suite.app.slug if suite and suite.app else "",
        run.workflow.name if run and run.workflow else "",
        run.event if run else "",
    )
    url = web_url(context.details_url or "")
    return (
        # One that has not been started yet is newer than all that ended.
        context.started_at or (_NOT_YET if state == "pending" else ""),
        source,
        Check(name=context.name, state=state, url=url, required=context.is_required),
    )


def reviews(nodes: Iterable[documents.ReviewNode]) -> tuple[Review, ...]:
    """The reviews that were handed in, oldest first. Of those who may not push to the repository GitHub counts neither
    approval nor objection; they are comments here too."""
    found = []
    for node in nodes:
        verdict = _VERDICTS.get(node.state)
        if verdict is None:
            continue
        if not node.author_can_push_to_repository and verdict != "dismissed":
            verdict = "commented"
        found.append(
            Review(
                reviewer=node.author.login if node.author else GHOST,
                verdict=verdict,
                commit=node.commit.oid if node.commit else "",
                submitted_at=node.submitted_at or "",
            )
        )
    return tuple(sorted(found, key=lambda review: review.submitted_at))


def demands(found: documents.WholePull, known: Sequence[Check], given: Sequence[Review]) -> Demands:
    """What branch protection and rulesets of the base branch demand, as far as GitHub shows it to the caller, and what
    else keeps GitHub from merging."""
    approvals, names, owners = 0, [check.name for check in known if check.required], False
    rule = found.base_ref.ref_update_rule if found.base_ref else None
    if rule:
        approvals = rule.required_approving_review_count or 0
        names += [name for name in rule.required_status_check_contexts or () if name]
        owners = rule.requires_code_owner_reviews
    for ruled in found.base_ref.rules.nodes or () if found.base_ref and found.base_ref.rules else ():
        if ruled and ruled.parameters:
            approvals = max(approvals, ruled.parameters.required_approving_review_count or 0)
            names += [check.context for check in ruled.parameters.required_status_checks]
            owners = owners or ruled.parameters.require_code_owner_review
    if found.review_decision == "REVIEW_REQUIRED":
        # A rule the caller may not see: that there is one is what the decision tells.
        approvals = max(approvals, 1)
    required = tuple(sorted(set(names)))
    blocked = _blocked(found, approvals, required, known, given, owners=owners)
    met = found.state == "OPEN" and found.merge_state_status in _ALLOWED
    return Demands(approvals=approvals, checks=required, blocked_by=blocked, met=met, methods=_methods(found))


def _methods(found: documents.WholePull) -> tuple[MergeMethod, ...] | None:
    """The ways to merge that the rules of the base branch allow, None for all."""
    base = found.base_ref
    rules = [rule for rule in base.rules.nodes or () if rule] if base and base.rules else []
    if any(rule.type == "MERGE_QUEUE" for rule in rules):
        return None  # the queue has a method of its own
    linear = bool(base and base.ref_update_rule and base.ref_update_rule.requires_linear_history)
    linear = linear or any(rule.type == "REQUIRED_LINEAR_HISTORY" for rule in rules)
    lists = [rule.parameters.allowed_merge_methods for rule in rules if rule.parameters]
    allowed = tuple(
        method
        for method in _MERGE_METHODS
        if not (linear and method == "merge") and all(method.upper() in listed for listed in lists if listed)
    )
    return None if allowed == _MERGE_METHODS else allowed


def _blocked(
    found: documents.WholePull,
    approvals: int,
    required: Sequence[str],
    known: Sequence[Check],
    given: Sequence[Review],
    *,
    owners: bool,
) -> tuple[str, ...]:
    if found.state != "OPEN" or found.is_draft:
        return ()
    if found.merge_state_status == "BEHIND":
        return ("the branch must be brought up to date with its base first",)
    if found.merge_state_status != "BLOCKED":
        return ()
    passing = {check.name for check in known if check.state in {"passing", "neutral", "skipped"}}
    author = found.author.login if found.author else GHOST
    latest = {
        review.reviewer: review for review in given if review.verdict != "commented" and review.reviewer != author
    }
    approved = sum(review.verdict == "approved" and review.commit == found.head_ref_oid for review in latest.values())
    # Where nobody has to approve, nobody's wish for changes is what keeps it from being merged.
    objected = approvals > 0 and any(review.verdict == "changes_requested" for review in latest.values())
    if objected or approved < approvals or not set(required) <= passing:
        return ()
    if owners and found.review_decision == "REVIEW_REQUIRED":
        return ("the review of a code owner is missing",)
    return ("a rule of the base branch on GitHub keeps it from being merged",)
