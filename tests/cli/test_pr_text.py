"""How a PR group looks: one table, links that can be clicked, what to type; harmless whatever the platform says."""

from __future__ import annotations

import io
import re

import pytest

from gr2.cli.screen import Screen
from gr2.cli.text.pr_status import show_pr_status, state_in_words
from gr2.model.group import Child, Group
from gr2.model.outcome import Status
from gr2.ops.pr_next import Commands
from gr2.ops.pr_status import PrStatusResult

LINK = re.compile("\x1b]8;;(.*?)\x1b\\\\(.*?)\x1b]8;;\x1b\\\\")


def _child(repo: str, **values: object) -> Child:
    known = {"base": "main", "head": "feat", "head_sha": "a" * 40, "pr_number": 7, "status": "open", "mergeable": "yes"}
    return Child(repo=repo, platform="github", **{**known, **values})  # type: ignore[arg-type]


def _group(*children: Child, title: str = "Add the login") -> Group:
    return Group(
        pr_group_id="pg_0123abcd",
        lane_name="feat",
        owner_unit="alpha",
        title=title,
        base_branch="main",
        head_branch="feat",
        draft=False,
        created_by="human:you",
        created_at="",
    ).with_children(children)


def _shown(group: Group, *, colour: bool) -> str:
    out = io.StringIO()
    screen = Screen(out, io.StringIO(), colour=colour, width=100)
    order = tuple(child.repo for child in group.prs)
    following = Commands(group=group).next
    show_pr_status(PrStatusResult(status=Status.ATTENTION, group=group, order=order, next=following), screen)
    return out.getvalue()


def test_one_table_tells_order_checks_reviews_blockers_and_what_to_type() -> None:
    group = _group(
        _child("app", checks="failing", failed_checks=("ci",), blockers=("checks_failing",)),
        _child("api", checks="passing", required=2, approvals=1, blockers=("review_required",)),
    )

    assert _shown(group, colour=False).splitlines() == [
        "Add the login  pg_0123abcd  checks failing",
        "   PR     STATE  CHECKS       REVIEWS  BLOCKED BY",
        "1  app#7  open   failing: ci  -        checks fail",
        "2  api#7  open   passing      1/2      it needs approval",
        "",
        "next: gr2 pr checks",
    ]


@pytest.mark.parametrize(
    ("blocker", "mergeable", "words"),
    [("conflict", "no", "approved, but in conflict"), ("unknown", "unknown", "approved, mergeability unknown")],
)
def test_a_group_that_only_its_bases_keep_from_merging_says_so_wherever_its_state_stands(
    blocker: str, mergeable: str, words: str
) -> None:
    group = _group(_child("app"), _child("api", mergeable=mergeable, blockers=(blocker,)))

    assert (group.state, state_in_words(group)) == ("approved", words)
    assert _shown(group, colour=False).splitlines()[0] == f"Add the login  pg_0123abcd  {words}"


def test_links_can_be_clicked_where_the_terminal_can_and_only_web_addresses() -> None:
    group = _group(
        _child("app", url="https://example.org/shop/app/pull/7"), _child("api", url="file:///srv/git/api.git#7")
    )

    assert LINK.findall(_shown(group, colour=True)) == [("https://example.org/shop/app/pull/7", "app#7")]
    assert "\x1b" not in _shown(group, colour=False)


@pytest.mark.parametrize("text", ["\x1b[31m", "\x1b]8;;http://evil\x07", "a\nb", "\u202egnp", "\x9b2J"])
def test_what_comes_from_outside_is_harmless(text: str) -> None:
    group = _group(
        _child("app", url=f"https://example.org/{text}", failed_checks=(text,), checks="failing"), title=text
    )

    plain, coloured = _shown(group, colour=False), _shown(group, colour=True)

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
    without = LINK.sub("", re.sub("\x1b\\[[0-9;]*m", "", coloured))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", without)
    assert all("\x1b" not in url for url, _ in LINK.findall(coloured))


def test_what_to_type_follows_from_the_state() -> None:
    def following(**values: object) -> str:
        return Commands(group=_group(_child("app", **values)), option=" --lane a/b", checkouts={"app": "my app"}).next

    create = "gr2 pr create --lane a/b"
    assert following() == "gr2 pr merge --lane a/b"
    assert following(status="merged") == ""
    assert following(status="draft", blockers=("draft",)) == "gr2 pr ready --lane a/b"
    assert following(pr_number=None, status="planned") == create
    assert following(blockers=("changes_requested",)) == create
    assert following(blockers=("conflict",)) == f"git -C 'my app' pull --no-rebase origin main && {create}"
    newer = Commands(group=_group(_child("app", blockers=("checks_failing",))), option=" --lane a/b", newer=True)
    assert newer.next == create, "the checks are not those of what is here"
    assert following(blockers=("protected",)) == "", "what the platform does not tell, nobody can type"
    assert following(blockers=("protected", "review_required")) == "gr2 review requirements --lane a/b"
