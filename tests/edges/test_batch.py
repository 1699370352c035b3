"""Several questions to one shell: every answer in its place, whatever the question, and failures as they are alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gr2.edges import batch
from gr2.edges.batch import ask_many
from gr2.edges.process import NOT_FOUND, Command, Completed, Runner

ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def say(*text: str, **env: str) -> Command:
    return Command(argv=("printf", "%s", *text), env={**ENV, **env}, timeout=60)


def sh(script: str, **env: str) -> Command:
    return Command(argv=("sh", "-c", script), env={**ENV, **env}, timeout=60)


def ask(commands: list[Command], jobs: int = 3, runner: Runner | None = None) -> list[Completed]:
    answers = dict(ask_many(runner or Runner(), commands, jobs=jobs))
    assert sorted(answers) == list(range(len(commands)))
    return [answers[index] for index in range(len(commands))]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_every_answer_is_in_its_place(count: int) -> None:
    commands = [say(f"answer {number}") for number in range(count)]

    found = ask(commands)

    assert [(done.exit_code, done.stdout) for done in found] == [(0, b"answer %d" % n) for n in range(count)]
    assert [done.argv for done in found] == [command.argv for command in commands]


@pytest.mark.parametrize(
    "text", ["", "\n", "\n\n", "a\nb", "no end", "a ' b \" c $HOME `id` \\ ; exit 3 #", "é\udcff\n"]
)
def test_an_answer_is_what_was_printed_byte_by_byte(text: str) -> None:
    found = ask([say(text), sh('printf %s "$SAID"', SAID=text), sh(r"printf 'a\0b\n\0'"), say("last")])

    said = os.fsencode(text)
    assert [done.stdout for done in found] == [said, said, b"a\0b\n\0", b"last"]


def test_each_has_its_own_environment() -> None:
    show = 'printf "%s-%s" "$ONE" "$TWO"'
    commands = [sh(show, ONE="1"), sh(show, TWO="2"), sh(show), sh(show, ONE="'; exit 9; '", TWO="two\nlines")]

    found = ask(commands, jobs=1)

    assert [done.stdout for done in found] == [b"1-", b"-2", b"-", b"'; exit 9; '-two\nlines"]


def test_one_that_fails_is_as_if_asked_alone(tmp_path: Path) -> None:
    missing = Command(argv=("no-such-program-anywhere",), env=ENV)
    commands = [say("one"), sh("echo out; echo why >&2; exit 7"), missing, sh("kill -9 $$"), say("two")]

    found = ask(commands)

    assert [done.exit_code for done in found] == [0, 7, NOT_FOUND, 137, 0]
    assert (found[1].stdout, found[1].stderr) == (b"out\n", b"why\n")
    assert b"no-such-program-anywhere" in found[2].stderr
    assert (found[0].stdout, found[4].stdout) == (b"one", b"two")


def test_a_shell_that_ends_early_leaves_no_question_open() -> None:
    """The question kills its shell as soon as it has one; alone, nothing happens."""
    kills = sh("read -r name </proc/$PPID/comm; case $name in sh) kill -9 $PPID ;; esac; echo done")

    found = ask([say("before"), kills, say("after")], jobs=1)

    assert [(done.exit_code, done.stdout) for done in found] == [(0, b"before"), (0, b"done\n"), (0, b"after")]


def test_without_a_shell_each_is_asked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_SHELL", "/no/such/shell")

    assert [done.stdout for done in ask([say("one"), say("two")])] == [b"one", b"two"]


def test_what_is_too_long_for_a_shell_is_asked_alone() -> None:
    long = "x" * 100_000

    assert [len(done.stdout) for done in ask([say(long), say(long), say("short")])] == [100_000, 100_000, 5]


def test_the_trace_names_the_questions_not_the_shell() -> None:
    traced: list[object] = []

    ask([say("one"), say("two")], runner=Runner(trace=traced.append))

    assert traced == [("printf", "%s", "one"), ("printf", "%s", "two")]


def test_the_commands_may_still_be_found_out_while_the_first_are_asked() -> None:
    given: list[int] = []

    def commands() -> object:
        for number in range(100):
            given.append(number)
            yield say(str(number))

    index, _ = next(iter(ask_many(Runner(), commands(), jobs=2)))  # type: ignore[arg-type]

    assert index < 8
    assert len(given) < 50


def test_a_few_questions_are_asked_side_by_side(tmp_path: Path) -> None:
    """Each waits for the others to be asked; one that waits in vain is asked again, which shows."""
    there, log = tmp_path / "there", tmp_path / "log"
    there.mkdir()
    wait = f"for turn in $(seq 100); do test $(ls {there} | wc -l) = 4 && exit; sleep 0.1; done; exit 1"

    found = ask([sh(f"echo asked >>{log}; touch {there}/$N; {wait}", N=str(number)) for number in range(4)], jobs=4)

    assert [done.exit_code for done in found] == [0] * 4
    assert log.read_text().splitlines() == ["asked"] * 4
