"""Commands are split once, and values go in as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.template import NoValue, command_fault, command_words, fill, unknown_variable, variables_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a}", "1"),
        ("x{a}y{b}", "x1y2"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{1}"),
        ("{", "{"),
        ("}", "}"),
        ("{}", "{}"),
        ("{ a }", "{ a }"),
        ("{0}", "{0}"),
        ('{"json": {a}}', '{"json": 1}'),
        ("a{{", "a{"),
    ],
)
def test_braces_are_variables_doubled_or_literal(text: str, expected: str) -> None:
    assert fill(text, {"a": "1", "b": "2"}) == expected


def test_a_value_is_never_scanned_again() -> None:
    assert fill("{a}", {"a": "{b} {{ $(x)", "b": "no"}) == "{b} {{ $(x)"


def test_a_variable_without_a_value_is_told_by_name() -> None:
    with pytest.raises(NoValue, match="lane_name"):
        command_words("echo {lane_name}", {})


def test_unknown_variables_are_found_before_anything_runs() -> None:
    assert unknown_variable("{a} {b}", {"a"}) == "b"
    assert variables_in("{a}{{b}}{c}") == ("a", "c")


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_any_value_is_one_word(value: str) -> None:
    assert command_words("run '{x}' {x} --name={x}", {"x": value}) == ["run", value, value, f"--name={value}"]


@pytest.mark.parametrize("command", ["", "   ", "'", '"a', "a\\", "'' a", "a\0b"])
def test_what_cannot_be_a_command_is_told_in_words(command: str) -> None:
    fault = command_fault(command)

    assert fault is not None
    assert fault[0].islower()


def test_the_shell_is_not_there() -> None:
    words = command_words("echo $HOME `id` $(id) a;b | c > d & *.py ~ # e", {})

    assert words == ["echo", "$HOME", "`id`", "$(id)", "a;b", "|", "c", ">", "d", "&", "*.py", "~", "#", "e"]
