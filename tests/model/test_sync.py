"""The rules of a sync, over every state a checkout can be seen in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gr2.model.checkout import Checkout
from gr2.model.sync import STRATEGIES, Distance, Seen, Tally, first_verdict, second_verdict

SHAS = st.sampled_from(["a" * 40, "b" * 40, "c" * 40])
BRANCHES = st.sampled_from(["main", "feat"])
LANE = Checkout(repo="app", scope="lane", unit="alpha", lane="feat", path="agents/alpha/lanes/feat/repos/app")

seen = st.builds(
    Seen,
    root=st.just("/ws"),
    checkout=st.sampled_from([Checkout(repo="app", scope="shared", path="repos/app"), LANE]),
    exists=st.booleans(),
    link=st.none() | st.just("repos"),
    branch=st.none() | BRANCHES,
    head=st.none() | SHAS,
    busy=st.none() | st.just("merge"),
    expected=st.just("") | BRANCHES,
    pin=st.just("") | SHAS,
    target=st.none() | SHAS,
    tracking=st.none() | SHAS,
    remote_default=BRANCHES,
)
distances = st.builds(
    Distance,
    ahead=st.integers(0, 3),
    behind=st.integers(0, 3),
    rewritten=st.booleans(),
    own=st.integers(0, 3),
)


@given(seen)
def test_a_checkout_is_looked_at_closer_only_where_it_may_be_moved(found: Seen) -> None:
    verdict = first_verdict(found)

    if verdict.compare:
        assert found.exists
        assert found.link is None
        assert found.busy is None
        assert found.head != (found.pin or found.target)
        assert (found.branch is None) == bool(found.pin)
        assert found.pin or found.expected in {"", found.branch}
    assert not verdict.kind


@given(seen)
def test_what_is_left_alone_never_blocks_and_says_why(found: Seen) -> None:
    issue = first_verdict(found).issue

    if issue is not None:
        assert not issue.blocking
        assert issue.message[0].islower() or issue.message.startswith("HEAD")
        assert not issue.message.endswith(".")
        assert issue.details["path"] == found.checkout.path


@given(seen, distances, st.sampled_from(STRATEGIES))
def test_no_strategy_moves_a_branch_back(found: Seen, distance: Distance, strategy: str) -> None:
    verdict = second_verdict(found, distance, strategy)

    if verdict.kind and not found.pin:
        assert distance.behind > 0
        assert (verdict.kind == "fast-forward") == (distance.ahead == 0)
    if verdict.kind == "pin":
        assert distance.own == 0
    if strategy == "ff-only" and not found.pin:
        assert verdict.kind in {"", "fast-forward"}


names = st.sets(st.sampled_from(["app", "api", "web", "lib"]))


@given(names, names, names)
def test_each_repo_counts_once_failed_before_updated_before_skipped(
    updated: set[str], skipped: set[str], failed: set[str]
) -> None:
    counts = Tally(updated=updated, skipped=skipped, failed=failed).counts()

    assert sum(counts) == len(updated | skipped | failed)
    assert counts[2] == len(failed)
    assert counts[0] == len(updated - failed)
