"""Merging: what is refused and as what, auto-merge, the merge queue, and what GitHub itself demands."""

from __future__ import annotations

import pytest

from gr2.api import (
    Conflict,
    Demands,
    HeadMoved,
    NotMergeable,
    Overview,
    PlatformError,
    PullRef,
    Queued,
    Transient,
    Unsupported,
)
from tests.github.standin.desk import Desk
from tests.github.standin.hub import Fault
from tests.github.standin.repository import Rule


def overview(desk: Desk, ref: PullRef) -> Overview:
    return desk.adapter.prs_overview([ref])[ref]


def refused(desk: Desk, ref: PullRef, method: str = "merge", expected: str = "") -> PlatformError:
    head = expected or desk.branch(ref.url, "topic")
    with pytest.raises(PlatformError) as raised:
        desk.adapter.merge_pr(ref, method=method, expected_head=head)  # type: ignore[arg-type]
    return raised.value


def test_a_head_that_moved_is_named(desk: Desk) -> None:
    url, ref = desk.opened()
    old = desk.branch(url, "topic")
    moved = desk.push(url, "topic", {"more.txt": "more\n"})

    error = refused(desk, ref, expected=old)

    assert isinstance(error, HeadMoved)
    assert (error.found, error.details["expected"]) == (moved, old)


def test_a_method_that_is_switched_off_is_told_apart(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).methods = ("squash",)

    errors = [refused(desk, ref, method) for method in ("merge", "rebase")]

    assert [(type(error), error.code) for error in errors] == [(NotMergeable, "method_not_allowed")] * 2
    assert desk.adapter.capabilities(url).merge_methods == ("squash",)


def test_a_conflict_is_a_conflict(desk: Desk) -> None:
    url, ref = desk.opened(files={"same.txt": "one\n"})
    desk.push(url, "main", {"same.txt": "other\n"})

    assert isinstance(refused(desk, ref), Conflict)


def test_rules_that_are_not_met_are_told_in_github_s_words(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=2, checks=("ci",))

    error = refused(desk, ref)

    assert isinstance(error, NotMergeable) and error.code == "not_mergeable"
    assert error.details["reasons"] == [
        "At least 2 approving review is required by reviewers with write access",
        'Required status check "ci" is expected',
    ]


@pytest.mark.parametrize("status", [405, 409])
def test_a_merge_while_the_base_moves_may_be_tried_again(desk: Desk, status: int) -> None:
    _, ref = desk.opened()
    message = {"message": "Base branch was modified. Review and try the merge again."}
    desk.hub.faults.append(Fault(kind="status", on="PUT", status=status, body=message))

    assert isinstance(refused(desk, ref), Transient)


@pytest.mark.parametrize("state", ["MERGED", "CLOSED"])
def test_what_is_merged_or_closed_says_so(desk: Desk, state: str) -> None:
    url, ref = desk.opened()
    desk.pull(url, ref.number).state = state

    error = refused(desk, ref)

    assert isinstance(error, NotMergeable)
    assert error.details["state"] == state.lower()


def test_mergeability_that_is_not_known_yet_is_not_taken_for_yes(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).mergeability_takes = 2

    assert [desk.adapter.get_pr(ref).mergeable for _ in range(3)] == ["unknown", "unknown", "yes"]


def test_where_there_is_a_merge_queue_it_is_put_there(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(merge_queue=True)
    head = desk.branch(url, "topic")
    before = desk.branch(url, "main")

    merged = desk.adapter.merge_pr(ref, method="merge", expected_head=head)

    assert (merged.merge_sha, merged.queued) == (None, True)
    assert desk.adapter.get_pr(ref).queued is True
    assert desk.adapter.capabilities(url).merge_queue is True
    assert isinstance(refused(desk, ref), Queued), "and not twice"
    assert desk.hub.count("enqueue") == 1
    assert desk.branch(url, "main") == before

    desk.repository(url).run_queue()

    read = desk.adapter.get_pr(ref)
    assert (read.state, read.queued, read.merge_sha) == ("merged", False, desk.branch(url, "main"))


def test_a_merge_queue_takes_no_other_head_than_the_expected(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(merge_queue=True)
    old = desk.branch(url, "topic")
    desk.push(url, "topic", {"more.txt": "more\n"})

    assert isinstance(refused(desk, ref, expected=old), HeadMoved)
    assert desk.adapter.get_pr(ref).queued is False


@pytest.mark.parametrize("how", ["merge", "queue", "auto"])
def test_a_head_that_moves_at_the_last_moment_is_left_alone(desk: Desk, how: str) -> None:
    url, ref = desk.opened()
    rules = {"merge": Rule(), "queue": Rule(merge_queue=True), "auto": Rule(checks=("ci",))}
    desk.repository(url).rules["main"] = rules[how]
    head, before = desk.branch(url, "topic"), desk.branch(url, "main")
    on = "PUT" if how == "merge" else "mutation"
    moved: list[str] = []
    push = lambda: moved.append(desk.push(url, "topic", {"more.txt": "more\n"}))  # noqa: E731
    desk.hub.faults.append(Fault(kind="meanwhile", on=on, act=push))

    with pytest.raises(HeadMoved):
        if how == "auto":
            desk.adapter.enable_auto_merge(ref, method="merge", expected_head=head)
        else:
            desk.adapter.merge_pr(ref, method="merge", expected_head=head)

    read = desk.adapter.get_pr(ref)
    assert (read.state, read.head_sha, read.queued, read.auto_merge) == ("open", moved[0], False, False)
    assert desk.branch(url, "main") == before


def test_auto_merge_merges_when_the_rules_are_met_and_not_before(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(checks=("ci",))
    head = desk.branch(url, "topic")

    desk.adapter.enable_auto_merge(ref, method="squash", expected_head=head)

    read = desk.adapter.get_pr(ref)
    assert (read.state, read.auto_merge) == ("open", True)
    desk.set_check(url, ref.number, "ci", "passing")
    read = desk.adapter.get_pr(ref)
    assert (read.state, read.merge_sha) == ("merged", desk.branch(url, "main"))


def test_auto_merge_that_is_not_to_be_had_is_unsupported(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(checks=("ci",))
    desk.repository(url).auto_merge_allowed = False

    with pytest.raises(Unsupported, match="not allowed"):
        desk.adapter.enable_auto_merge(ref, method="merge", expected_head=desk.branch(url, "topic"))

    assert desk.adapter.capabilities(url).auto_merge is False


def test_auto_merge_of_what_can_be_merged_at_once_says_so(desk: Desk) -> None:
    url, ref = desk.opened()

    with pytest.raises(NotMergeable, match="at once"):
        desk.adapter.enable_auto_merge(ref, method="merge", expected_head=desk.branch(url, "topic"))


def test_auto_merge_by_a_method_that_is_switched_off_says_so(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(checks=("ci",))
    desk.repository(url).methods = ("squash",)

    with pytest.raises(NotMergeable) as raised:
        desk.adapter.enable_auto_merge(ref, method="merge", expected_head=desk.branch(url, "topic"))

    assert raised.value.code == "method_not_allowed"


@pytest.mark.parametrize("ruleset", [False, True], ids=["branch protection", "ruleset"])
def test_the_platform_s_demands_are_told_with_checks_nobody_reported(desk: Desk, ruleset: bool) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=2, checks=("ci", "lint"), ruleset=ruleset)
    desk.set_check(url, ref.number, "ci", "passing")

    found = overview(desk, ref)

    assert found.demands == Demands(approvals=2, checks=("ci", "lint"))
    assert [(check.name, check.required) for check in found.checks] == [("ci", True)]


@pytest.mark.parametrize(
    ("rule", "methods"),
    [
        (Rule(ruleset=True), None),
        (Rule(ruleset=True, methods=("merge", "squash", "rebase")), None),
        (Rule(ruleset=True, methods=("squash", "merge")), ("merge", "squash")),
        (Rule(ruleset=True, methods=("merge", "squash"), linear=True), ("squash",)),
        (Rule(ruleset=True, linear=True), ("squash", "rebase")),
        (Rule(linear=True), ("squash", "rebase")),
        (Rule(linear=True, hidden=True), None),
    ],
)
def test_the_ways_to_merge_that_rules_of_the_base_allow_are_told(
    desk: Desk, rule: Rule, methods: tuple[str, ...] | None
) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = rule
    desk.hub.asked.clear()

    assert overview(desk, ref).demands.methods == methods
    assert desk.hub.count() == 1


def test_where_the_base_branch_is_now_is_told(desk: Desk) -> None:
    url, ref = desk.opened()
    moved = desk.push(url, "main", {"more.txt": "more\n"})

    assert overview(desk, ref).pull.base_sha == moved


def test_a_rule_the_caller_may_not_see_still_wants_a_review(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=2, hidden=True)

    assert overview(desk, ref).demands.approvals == 1


def test_a_missing_review_of_a_code_owner_is_told_as_such(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=1, code_owners=True)
    desk.submit_review(url, ref.number, "casey", "approved")

    assert overview(desk, ref).demands.blocked_by == ("the review of a code owner is missing",)

    desk.submit_review(url, ref.number, "owner", "approved")
    assert overview(desk, ref).demands.blocked_by == ()


def test_a_branch_that_is_behind_is_told_where_the_rules_mind(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.push(url, "main", {"more.txt": "more\n"})
    assert overview(desk, ref).demands.blocked_by == ()

    desk.repository(url).rules["main"] = Rule(up_to_date=True)

    assert overview(desk, ref).demands.blocked_by == ("the branch must be brought up to date with its base first",)


def test_what_is_blocked_by_checks_or_reviews_is_not_told_twice(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=1, checks=("ci",))

    assert overview(desk, ref).demands.blocked_by == ()

    desk.submit_review(url, ref.number, "casey", "approved")
    assert overview(desk, ref).demands.blocked_by == ()


def test_reviews_of_strangers_are_comments(desk: Desk) -> None:
    url, ref = desk.opened()
    pull = desk.pull(url, ref.number)
    desk.hub.review(pull, "stranger", "APPROVED", can_push=False)
    desk.hub.review(pull, "stranger", "CHANGES_REQUESTED", can_push=False)
    desk.hub.review(pull, "casey", "PENDING")
    desk.hub.review(pull, "", "APPROVED")

    found = [(review.reviewer, review.verdict) for review in desk.adapter.pr_reviews(ref)]

    assert found == [("stranger", "commented"), ("stranger", "commented"), ("ghost", "approved")]


def test_a_success_does_not_hide_a_failure_of_the_same_name(desk: Desk) -> None:
    url, ref = desk.opened()
    pull = desk.pull(url, ref.number)
    desk.hub.report(pull, "build", "FAILURE", event="push")
    desk.hub.report(pull, "build", "SUCCESS", event="pull_request")
    desk.hub.report(pull, "lint", "FAILURE")
    desk.hub.report(pull, "lint", "SUCCESS")
    desk.hub.report(pull, "legacy", "FAILURE", is_status=True)

    found = {check.name: check.state for check in desk.adapter.pr_checks(ref)}

    assert found == {"build": "failing", "lint": "passing", "legacy": "failing"}


def test_a_check_that_is_queued_again_is_newer_than_the_one_that_ended(desk: Desk) -> None:
    url, ref = desk.opened()
    pull = desk.pull(url, ref.number)
    desk.hub.report(pull, "ci", "SUCCESS")
    desk.hub.report(pull, "ci", None, suite="again", started=False)

    assert [check.state for check in desk.adapter.pr_checks(ref)] == ["pending"]


@pytest.mark.parametrize("order", [("push", "pull_request"), ("pull_request", "push")])
def test_a_required_check_stays_required_beside_a_worse_one_of_its_name(desk: Desk, order: tuple[str, str]) -> None:
    url, ref = desk.opened()
    pull = desk.pull(url, ref.number)
    for event in order:
        desk.hub.report(
            pull, "build", "SUCCESS" if event == "push" else "FAILURE", event=event, required=event == "push"
        )

    assert [(check.state, check.required) for check in desk.adapter.pr_checks(ref)] == [("failing", True)]


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        ("SUCCESS", "passing"),
        ("NEUTRAL", "neutral"),
        ("SKIPPED", "skipped"),
        ("FAILURE", "failing"),
        ("CANCELLED", "failing"),
        ("TIMED_OUT", "failing"),
        ("ACTION_REQUIRED", "failing"),
        ("STARTUP_FAILURE", "failing"),
        ("STALE", "failing"),
        (None, "pending"),
    ],
)
def test_conclusions_of_checks_are_gr2_s_states(desk: Desk, conclusion: str | None, state: str) -> None:
    url, ref = desk.opened()
    desk.hub.report(desk.pull(url, ref.number), "ci", conclusion)

    assert [check.state for check in desk.adapter.pr_checks(ref)] == [state]
