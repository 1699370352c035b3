"""Hints: what is typed means the same to a shell as to gr2, wherever it is typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.cli.root_help import NOUNS
from gr2.model.hints import from_here, git_at, place_at, quoted

TOP = Path(__file__).parent.parent.parent / "gr2"
# The built-in plugins see the api only, and name no place of a workspace.
SOURCES = [source for source in sorted(TOP.rglob("*.py")) if source.parent.name != "builtin"]
COMMAND = re.compile(
    rf"(?:^|[^\w/-])(?:git -C |gr2 (?:{'|'.join(NOUNS)}|-C)\b[^,;:]*)$"
    rf"|(?:^|[?,;:] |then |or )(?:move|remove|repair|look at|edit) $"
)
# What the spec's rules or gr2 itself named: it holds nothing that a shell would take for its own; and whole options.
PLAIN = re.compile(
    r"(?:.*\.)?(?:operation_id|saved_id|repo|repo\.name)|(?:saved|row|found\[0\])\.id|archives\[-1\]|.*\['saved_id'\]"
    r"|(?:plugin|unit|broken\[0\]|result)\.name|row\.get\('name'\)|methods\[0\]|dirty|strategy|SPEC_FILE"
    r"|HOOKS_FILE|(?:self\.|work\.lane_)option|lane_option\(.*\)"
)


@given(st.text(min_size=1).filter(lambda word: "\0" not in word))
def test_a_quoted_word_is_one_word_to_a_shell(word: str) -> None:
    assert shlex.split(quoted(word)) == [word]


def test_plain_words_stay_as_they_are() -> None:
    assert git_at("/ws", "repos/app", "switch", "feat/x") == "git -C /ws/repos/app switch feat/x"
    assert quoted("t'x;") == """'t'"'"'x;'"""
    assert quoted("") == "''"


@pytest.mark.parametrize(
    ("path", "cwd", "shown"),
    [
        ("repos/app", "/ws", "repos/app"),
        ("repos/app", "/ws/repos", "app"),
        ("repos/app", "/ws/agents/a", "/ws/repos/app"),
        ("repos/app", "/", "/ws/repos/app"),
        ("repos/app", "", "/ws/repos/app"),
        ("repos/app", "/w", "/ws/repos/app"),
        ("my app", "/ws", "'my app'"),
        ("x/ws/y", "/ws", "x/ws/y"),
        ("x/ws/y", "/x/ws", "/ws/x/ws/y"),
        ("-x", "/ws", "/ws/-x"),
    ],
)
def test_a_place_is_named_from_where_one_stands_only_when_it_is_below(path: str, cwd: str, shown: str) -> None:
    assert from_here(f"move {place_at('/ws', path)} away", cwd) == f"move {shown} away"


def values_after_a_command(source: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if COMMAND.search(before):
                    yield part.lineno, ast.unparse(part.value)
                before += "X"
            elif isinstance(part, ast.Constant):
                before += str(part.value)


def test_every_value_in_a_command_to_type_is_quoted() -> None:
    bare = [
        f"{source.name}:{line}: {value}"
        for source in SOURCES
        for line, value in values_after_a_command(source)
        if not value.startswith(("quoted(", "place_at(")) and not PLAIN.fullmatch(value)
    ]
    assert bare == []


def test_what_git_is_told_to_do_in_a_checkout_is_written_in_one_place() -> None:
    assert [source.name for source in SOURCES if "git -C {" in source.read_text(encoding="utf-8")] == ["hints.py"]


def test_no_command_to_type_holds_a_choice_that_a_shell_would_act_on() -> None:
    offered = re.compile(rf"(?:\bgr2 (?:{'|'.join(NOUNS)})\b|--[a-z]).*(?:\||\.\.\.(?!`)|[<>])")
    assert [text for source in SOURCES for text in told_by(source) if offered.search(text)] == []


def told_by(source: Path) -> Iterator[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    written = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in written:
            yield node.value
