"""Names, paths, branches and actors; and that nothing shown to people can move their cursor."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.names import fault_of_path, is_actor, is_lane_name, is_name, is_ref, nearest, normal_path, visible


@pytest.mark.parametrize("name", ["a", "app", "App.2", "a_b-c", "0", "a..b", "x" * 100])
def test_a_usual_name_is_one(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "-a", ".a", "_a", "a/b", "a b", "a\n", "ä", "x" * 101, "a\x00"])
def test_what_is_no_name_is_refused(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("path", ["a", "a/b", "./a", "a//b/", ".config/x", "a b", "ä/ö", ".gitx", "a..b"])
def test_a_usual_path_has_no_fault(path: str) -> None:
    assert fault_of_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "./", "./.", "/", "/a", "//a", "..", "../a", "a/..",
        "a/../b", "-a", "a/-b", ".git", "a/.git", "a/.GIT/b",
        "a/" * 600,
        ".grip", ".GRIP/x", "./.grip/x", ".//.grip", "a\x00", "a\nb", "a\x7f", "a\x85", "a\udc80", "x" * 256,
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_in_a_workspace_has_a_fault(path: str) -> None:
    assert fault_of_path(path)


@given(st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "", "a", ".git", "-x", ".grip"])).map("/".join))
def test_a_path_without_fault_stays_below_the_workspace(path: str) -> None:
    if fault_of_path(path) is None:
        parts = normal_path(path).split("/")
        assert parts and not {"", ".", "..", ".git"} & set(parts)


@given(st.text())
def test_what_is_shown_holds_no_control_and_no_bidirectional_character(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in shown)
    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


@given(st.text())
def test_several_lines_keep_line_feeds_and_tabs_and_nothing_else(text: str) -> None:
    assert {char for char in visible(text, multiline=True) if unicodedata.category(char) == "Cc"} <= {"\n", "\t"}


def test_an_escape_sequence_is_spelled_out() -> None:
    assert visible("a\x1b[31mb\u202e\n") == "a\\x1b[31mb\\u202e\\n"


@pytest.mark.parametrize("name", ["main", "a/b", "feature/x-1", "v1.0", "ä", "a@b", "a-"])
def test_a_usual_branch_is_one(name: str) -> None:
    assert is_ref(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "@", "HEAD", "a b", "a..b", "a~", "a^", "a:", "a?", "a*", "a[", "a\\", "a@{", "/a", "a/", "a//b", ".a",
     "a/.b", "a.lock", "a.lock/b", "a.", "a\x7f", "a\n", "a\udc80"],
)  # fmt: skip
def test_what_git_takes_for_no_branch_is_refused(name: str) -> None:
    assert not is_ref(name)


@pytest.mark.parametrize("name", ["a", "feature/x", "a.b"])
def test_a_usual_lane_name_is_one(name: str) -> None:
    assert is_lane_name(name)


@pytest.mark.parametrize(
    "name", ["repos", "a/repos", "a/Repos/b", "lane.toml", "a/-b", "../a", ".git", "x" * 201, "a\x85"]
)
def test_what_cannot_be_a_lane_is_refused(name: str) -> None:
    assert not is_lane_name(name)


@pytest.mark.parametrize("actor", ["system", "agent:a", "human:a.b@c", "agent:" + "x" * 64])
def test_an_actor_is_a_kind_and_a_name(actor: str) -> None:
    assert is_actor(actor)


@pytest.mark.parametrize(
    "actor", ["", "a", "agent:", "robot:a", "agent:-a", "agent:a b", "agent:" + "x" * 65, "system:a"]
)
def test_what_is_no_actor_is_refused(actor: str) -> None:
    assert not is_actor(actor)


def test_the_nearest_name_is_found_whatever_the_case() -> None:
    assert nearest("ap", ["app", "docs"]) == "app"
    assert nearest("APP", ["app", "docs"]) == "app"
    assert nearest("zzz", ["app", "docs"]) is None
