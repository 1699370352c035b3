"""The story runner tells what happened, and fails for what did not."""

from __future__ import annotations

import pytest

from gr2.testing import World
from gr2.testing.story import check_story, read_story, rewrite_story


def story(session: str) -> str:
    return f"Text, `$ not run`.\n\n```console\n{session}```\n\n```sh\n$ false\n```\n"


def test_a_session_keeps_its_directory_variables_and_functions(world: World) -> None:
    check_story(
        story(
            "$ mkdir here; cd here; X=1\n$ pwd\n/home/you/here\n$ f() { echo f$X; }\n$ f\nf1\n"
            "$ cat <<EOF\n> a\n> b\n> EOF\na\nb\n"
        ),
        world,
    )


def test_both_streams_and_the_exit_code_are_compared(world: World) -> None:
    check_story(story("$ echo out; echo err >&2; (exit 3)\nout\nerr\n[exit 3]\n$ true\n"), world)


@pytest.mark.parametrize(
    "session",
    [
        "$ echo one\ntwo\n",
        "$ echo one\n",
        "$ true\none\n",
        "$ (exit 3)\n",
        "$ true\n[exit 3]\n",
        "$ exit\n$ echo after\nafter\n",
        "$ echo one two\none ... three\n",
        "$ printf 'a\\nb\\nc\\n'\na\n...\nb\n",
    ],
)
def test_a_difference_fails_the_story(world: World, session: str) -> None:
    with pytest.raises(AssertionError, match=r"story:4: \$|story:5: \$"):
        check_story(story(session), world)


def test_ids_times_and_column_widths_are_not_compared(world: World) -> None:
    check_story(
        story(
            "$ echo op_0123456789ab sv_aaaaaaaaaaaa 0123456789012345678901234567890123456789 1.25 s 12 ms\n"
            "op_ffffffffffff sv_bbbbbbbbbbbb 9999999999999999999999999999999999999999 2 s 7 ms\n"
            "$ echo '2026-01-02T03:04:05.000006+00:00 | abc1234  | x  '\n1999-01-02T03:04:05Z | 0123456 | x\n"
        ),
        world,
    )


def test_dots_stand_for_text_and_for_lines(world: World) -> None:
    check_story(story("$ printf 'a b c\\nx\\ny\\nz\\n'\na ... c\n...\nz\n$ true\n...\n"), world)


def test_named_remotes_are_there(world: World) -> None:
    text = "<!-- remotes: app, api -->\n" + story(
        "$ ls remotes\napi.git\napp.git\n$ git -C remotes/app.git log -1 --format=%s\nimprove the source\n"
    )

    check_story(text, world)


def test_rewriting_changes_only_what_differs(world: World) -> None:
    text = story("$ echo op_0123456789ab\nop_ffffffffffff\n$ echo two; (exit 2)\nwrong\nwrong\n$ echo >file\nno\n")

    assert rewrite_story(text, world) == story(
        "$ echo op_0123456789ab\nop_ffffffffffff\n$ echo two; (exit 2)\ntwo\n[exit 2]\n$ echo >file\n"
    )


def test_output_before_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: output before any command"):
        read_story("```console\nlost\n```\n")
