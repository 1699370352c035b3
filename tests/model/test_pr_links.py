"""The section with links in a pull request's body: only it is ever rewritten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.pr_links import BEGIN, END, Linked, span, with_span

APP = Linked(repo="app", platform="github", repository="https://github.com/shop/app.git", base="main", number=3)
API = Linked(repo="api", platform="github", repository="git@github.com:shop/api", base="main", number=14)
LOCAL = Linked(
    repo="docs", platform="local", repository="/srv/git/docs.git", base="main", number=2, web_url="file:///srv/x#2"
)
SECTION = span("pg_0123abcd", "feat/x", [APP, API, LOCAL], seen_from=APP)


def test_links_are_short_on_the_same_platform_and_never_a_machine_path() -> None:
    assert SECTION.startswith("<!-- gr2:pr-group:begin v1 id=pg_0123abcd -->\n")
    assert SECTION.endswith("\n<!-- gr2:pr-group:end -->")
    for link in ("shop/app#3", "shop/api#14", "docs#2", "<code>main</code>", "<code>feat/x</code>"):
        assert link in SECTION
    assert "/srv/" not in SECTION


def test_links_to_another_platform_are_addresses() -> None:
    far = Linked(
        repo="web", platform="forge", repository="https://forge.example.org/shop/web", base="main", number=5,
        web_url="https://forge.example.org/shop/web/5",
    )  # fmt: skip
    assert "https://forge.example.org/shop/web/5" in span("pg_0123abcd", "l", [APP, far], seen_from=APP)
    assert "| shop/web#5 |" in span("pg_0123abcd", "l", [APP, far], seen_from=far)


def test_a_local_pull_request_is_linked_by_its_repo() -> None:
    other = Linked(repo="app", platform="local", repository="/srv/git/app.git", base="main", number=1)
    assert "| app#1 |" in span("pg_0123abcd", "l", [LOCAL, other], seen_from=LOCAL)


@pytest.mark.parametrize("lane", ["a|b", "a`b", "</code><script>", "@somebody", "a-->b", "#12", "!important"])
def test_a_lane_cannot_break_out_of_the_section(lane: str) -> None:
    section = span("pg_0123abcd", lane, [APP], seen_from=APP)
    assert lane not in section
    assert section.count("\n") == span("pg_0123abcd", "plain", [APP], seen_from=APP).count("\n")
    assert with_span(section, SECTION) == SECTION


TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)))


@given(TEXTS)
def test_the_persons_text_stays_byte_for_byte(text: str) -> None:
    once = with_span(text, SECTION)
    assert once is not None
    assert once.startswith(text)
    assert with_span(once, SECTION) == once
    other = span("pg_0123abcd", "feat/x", [APP], seen_from=APP)
    assert with_span(once, other) == once.replace(SECTION, other)


@given(TEXTS, TEXTS)
def test_text_around_the_section_stays(before: str, after: str) -> None:
    old = span("pg_99999999", "old", [API], seen_from=API)
    assert with_span(before + old + after, SECTION) == before + SECTION + after


@pytest.mark.parametrize(
    "body",
    [
        f"text {BEGIN} v1 id=pg_0123abcd -->",
        f"text {END}",
        f"{END} text {BEGIN} v1 id=pg_0123abcd -->",
        SECTION + SECTION,
        SECTION + END,
        f"{BEGIN} v2 id=pg_0123abcd -->x{END}",
        f"{BEGIN} v1 id=evil -->x{END}",
    ],
)
def test_a_broken_or_doubled_section_is_left_alone(body: str) -> None:
    assert with_span(body, SECTION) is None


def test_line_ends_that_the_platform_changed_are_no_difference() -> None:
    body = "text\r\n\r\n" + SECTION.replace("\n", "\r\n")
    assert with_span(body, SECTION) == body
