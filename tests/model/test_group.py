"""The state of a PR group, as a pure function of its children, over every combination of their states."""

from __future__ import annotations

import itertools

import pytest

from gr2.model.group import (
    Blocker,
    Child,
    Group,
    GroupState,
    blockers_of,
    checks_of,
    demanded,
    group_state,
    merge_order,
    observed,
    standing_of,
)
from gr2.model.pull_request import Check, Demands, Overview, PullRef, PullRequest, Review

HEAD, OLD = "a" * 40, "b" * 40


def _child(repo: str = "app", **values: object) -> Child:
    made = Child(repo=repo, platform="local", base="main", head="feat", head_sha=HEAD, pr_number=1, **values)  # type: ignore[arg-type]
    blockers = blockers_of(made, changes_requested=False, protected=False)
    return Child(**{**vars(made), "blockers": blockers})


def _every_child() -> list[Child]:
    """One child of every combination of what its state is made of."""
    found = {}
    statuses = ("planned", "open", "draft", "queued", "merged", "closed")
    for status, checks, approvals, mergeable, changes, protected in itertools.product(
        statuses,
        ("none", "pending", "passing", "failing"),
        (0, 1),
        ("yes", "no", "unknown"),
        (False, True),
        (False, True),
    ):
        made = Child(
            repo="app",
            platform="local",
            base="main",
            head="feat",
            head_sha=HEAD,
            status=status,  # type: ignore[arg-type]
            checks=checks,  # type: ignore[arg-type]
            approvals=approvals,
            required=1,
            mergeable=mergeable,  # type: ignore[arg-type]
        )
        blockers = blockers_of(made, changes_requested=changes, protected=protected)
        found[(status, blockers)] = Child(**{**vars(made), "blockers": blockers})
    return list(found.values())


EVERY = _every_child()
# For pairs: what a planned child lacks says nothing, and a queued one is like an open one.
TELLING = [
    child
    for child in EVERY
    if (child.status != "planned" or len(child.blockers) == 2) and (child.status != "queued" or len(child.blockers) < 2)
]


def _expected(children: tuple[Child, ...]) -> str:
    """The contract's sentence, written out a second time: the first that holds."""
    statuses = [child.status for child in children]
    if all(status == "merged" for status in statuses):
        return "merged"
    if "merged" in statuses:
        return "partially_merged"
    if all(status == "closed" for status in statuses):
        return "closed"
    still_open = [child for child in children if child.status in {"open", "draft", "queued"}]
    blockers = [set(child.blockers) for child in still_open]
    for state, names in (
        ("draft", {"draft"}),
        ("checks_failing", {"checks_failing"}),
        ("checks_pending", {"checks_pending"}),
        ("review_required", {"review_required", "changes_requested"}),
    ):
        if any(each & names for each in blockers):
            return state
    if len(still_open) == len(children) and not any(blockers):
        return "mergeable"
    if len(still_open) == len(children) and all(each <= {"conflict", "unknown"} for each in blockers):
        return "approved"
    return "open"


def test_the_state_of_every_single_child_is_as_contracted() -> None:
    assert len(EVERY) > 100
    for child in EVERY:
        assert group_state([child]) == _expected((child,)), child


def test_the_state_of_every_pair_of_children_is_as_contracted() -> None:
    for pair in itertools.product(TELLING, repeat=2):
        assert group_state(pair) == _expected(pair), pair


def test_every_state_occurs_and_the_order_of_children_means_nothing() -> None:
    seen = set()
    for pair in itertools.combinations_with_replacement(TELLING, 2):
        state = group_state(pair)
        seen.add(state)
        assert state == group_state(pair[::-1])
    assert seen == set(GroupState)


def test_a_group_of_three_is_partially_merged_until_the_last() -> None:
    merged, opened = _child("a", status="merged"), _child("b", status="open", mergeable="yes")
    assert group_state([merged, merged, opened]) == "partially_merged"
    assert group_state([merged, _child("c", status="closed")]) == "partially_merged"
    assert group_state([merged, merged, merged]) == "merged"


def test_a_group_without_children_is_open() -> None:
    assert group_state([]) == "open"


@pytest.mark.parametrize(
    ("child", "blockers"),
    [
        (_child(status="merged", checks="failing", mergeable="no"), ()),
        (_child(status="closed", checks="failing"), ("closed",)),
        (_child(status="draft", mergeable="yes"), ("draft",)),
        (_child(status="open", mergeable="yes"), ()),
        (_child(status="open", mergeable="unknown"), ("unknown",)),
        (
            _child(status="draft", checks="failing", required=2, approvals=1, mergeable="no"),
            ("draft", "checks_failing", "review_required", "conflict"),
        ),
    ],
)
def test_blockers_stand_in_their_order(child: Child, blockers: tuple[str, ...]) -> None:
    assert child.blockers == blockers


def test_no_checks_do_not_block_unless_some_are_required() -> None:
    assert checks_of([], Demands()) == ("none", ())
    assert checks_of([], Demands(checks=("ci",))) == ("pending", ())


def test_neutral_and_skipped_pass_and_a_failure_wins_over_what_is_pending() -> None:
    neutral = [Check(name="a", state="neutral"), Check(name="b", state="skipped")]
    assert checks_of(neutral, Demands(checks=("a",))) == ("passing", ())
    mixed = [Check(name="z", state="failing"), Check(name="p", state="pending"), Check(name="f", state="failing")]
    assert checks_of(mixed, Demands()) == ("failing", ("f", "z"))


def _reviews(*given: tuple[str, str, str]) -> list[Review]:
    return [Review(reviewer=who, verdict=verdict, commit=commit) for who, verdict, commit in given]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "approvals", "objecting"),
    [
        ([("kim", "approved", HEAD)], 1, ()),
        ([("kim", "approved", OLD)], 0, ()),
        ([("kim", "approved", HEAD), ("kim", "approved", HEAD)], 1, ()),
        ([("kim", "approved", HEAD), ("kim", "commented", HEAD)], 1, ()),
        ([("author", "approved", HEAD), ("Author", "approved", HEAD)], 0, ()),
        ([("kim", "changes_requested", OLD)], 0, ("kim",)),
        ([("kim", "changes_requested", OLD), ("robin", "approved", HEAD)], 1, ("kim",)),
        ([("kim", "changes_requested", HEAD), ("kim", "approved", OLD)], 0, ()),
        ([("kim", "changes_requested", HEAD), ("kim", "commented", HEAD)], 0, ("kim",)),
        ([("kim", "approved", HEAD), ("kim", "changes_requested", HEAD)], 0, ("kim",)),
        ([("kim", "dismissed", HEAD)], 0, ()),
        ([("kim", "changes_requested", OLD), ("kim", "dismissed", HEAD)], 0, ()),
        ([("kim", "approved", HEAD), ("robin", "approved", HEAD), ("sasha", "approved", OLD)], 2, ()),
    ],
)
def test_the_standing_of_reviews(given: list[tuple[str, str, str]], approvals: int, objecting: tuple[str, ...]) -> None:
    standing = standing_of(_reviews(*given), author="author", head=HEAD)
    assert (standing.approvals, standing.changes_requested_by) == (approvals, objecting)


def test_what_the_platform_demands_is_never_undercut() -> None:
    pull = PullRequest(
        ref=PullRef(url="u", number=7), title="t", body="", base="main", head="feat", head_sha=HEAD, state="open",
        mergeable="yes", author="author",
    )  # fmt: skip
    overview = Overview(pull=pull, demands=Demands(approvals=2), reviews=tuple(_reviews(("kim", "approved", HEAD))))
    child = observed(_child(), overview, required=0)
    assert (child.required, child.approvals, child.blockers) == (2, 1, (Blocker.REVIEW_REQUIRED,))
    assert observed(_child(), overview, required=3).required == 3


def test_what_is_missing_of_the_platform_s_demands_is_told_apart_from_gr2_s_own_rules() -> None:
    pull = PullRequest(
        ref=PullRef(url="u", number=7), title="t", body="", base="main", head="feat", head_sha=HEAD, state="open",
        mergeable="yes", author="author",
    )  # fmt: skip
    checks = (Check(name="ci", state="failing"), Check(name="lint", state="failing"))
    reviews = tuple(_reviews(("kim", "approved", OLD), ("robin", "changes_requested", HEAD)))

    def missing(demands: Demands) -> set[Blocker]:
        overview = Overview(pull=pull, checks=checks, reviews=reviews, demands=demands)
        return set(demanded(observed(_child(), overview, required=2), overview))

    assert missing(Demands()) == set()
    assert missing(Demands(checks=("ci",))) == {Blocker.CHECKS_FAILING}
    assert missing(Demands(checks=("absent",))) == {Blocker.CHECKS_PENDING}
    assert missing(Demands(approvals=1)) == {Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED}
    assert missing(Demands(approvals=1, met=True)) == set(), "the platform counts approvals of older heads"


def test_the_merge_order_is_explicit_first_then_declared() -> None:
    assert merge_order(["c", "a", "b"], declared=["a", "b", "c"], explicit=()) == ("a", "b", "c")
    assert merge_order(["c", "a", "b"], declared=["a", "b", "c"], explicit=["c", "x"]) == ("c", "a", "b")
    assert merge_order(["gone", "a"], declared=["a"], explicit=()) == ("a", "gone")


def test_base_and_draft_of_a_group_follow_from_its_children() -> None:
    group = Group(
        pr_group_id="pg_00000000", lane_name="l", owner_unit="u", title="t", base_branch=None, head_branch="feat",
        draft=True, created_by="system", created_at="",
    )  # fmt: skip
    one, other = _child("a", status="open", mergeable="yes"), _child("b", status="draft")
    mixed = group.with_children([one, other])
    assert (mixed.base_branch, mixed.draft, mixed.state) == ("main", True, "draft")
    ready = mixed.with_children([Child(**{**vars(other), "status": "open", "base": "next", "blockers": ()})])
    assert (ready.base_branch, ready.draft, ready.state) == (None, False, "mergeable")
    assert [child.repo for child in ready.prs] == ["a", "b"]
