"""Many short questions at a fraction of a process each: a few go to one shell, which asks them one after the other.

To start a child, read its pipes and collect it costs this process nearly as much as git needs for an answer; a shell
does it for far less. A question that did not end with 0 is asked again by itself: a failure looks the same either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

from gr2.edges.child import Command, Completed
from gr2.edges.process import Runner
from gr2.edges.spawn import find_program
from gr2.model.hints import quoted

# How many go to one shell: the first rounds get little, so that a few questions are asked side by side, and shells are
# at work while the rest is still being found out.
_ROUNDS = (1, 1, 1, 1, 4, 4)
_TOGETHER = 16
_SHELL = "/bin/sh"


def ask_many(runner: Runner, commands: Iterable[Command], *, jobs: int) -> Iterator[tuple[int, Completed]]:
    """Run commands that change nothing, `jobs` shells at a time, and give (index, Completed) of each as it is known.

    A command may run twice. Input, listener and inherited descriptors of a command are not looked at.
    """
    mark = os.urandom(16).hex()
    groups: list[list[tuple[int, Command]]] = []
    numbered = enumerate(commands)

    def shells() -> Iterator[Command]:
        for round in count():
            share = _ROUNDS[round // jobs] if round // jobs < len(_ROUNDS) else _TOGETHER
            group = list(islice(numbered, share))
            if not group:
                return
            groups.append(group)
            yield _shell([command for _, command in group], mark)

    again: list[tuple[int, Command]] = []
    for number, completed in runner.run_many(shells(), jobs=jobs):
        answers = _answers(completed, mark)
        for place, (index, command) in enumerate(groups[number]):
            if place in answers:
                yield index, Completed(argv=command.argv, exit_code=0, stdout=answers[place], stderr=b"", duration_ms=0)
            else:
                again.append((index, command))
    for number, completed in runner.run_many((command for _, command in again), jobs=jobs):
        yield again[number][0], completed


def _shell(commands: Sequence[Command], mark: str) -> Command:
    """One shell for them all: it prints what they print, and after each a line with the mark, its place, its code."""
    items = [(command.env or {}).items() for command in commands]
    shared = dict(items[0])
    for others in items[1:]:
        shared = dict(shared.items() & others)
    lines = []
    for place, command in enumerate(commands):
        own = [f"{key}={quoted(value)}" for key, value in items[place] if key not in shared]
        words = [quoted(_program(command)), *map(quoted, command.argv[1:])]
        lines.append(f"{' '.join((*own, *words))}; set $?; echo; echo {mark} {place} $1")
    return Command(
        argv=(_SHELL, "-c", "\n".join(lines)),
        env=shared,
        timeout=None if commands[0].timeout is None else commands[0].timeout * len(commands),
        stands_for=tuple(command.argv for command in commands),
    )


def _program(command: Command) -> str:
    try:
        return find_program(command.argv[0], command.env or {})
    except OSError:  # asked again by itself, it tells
        return command.argv[0]


def _answers(completed: Completed, mark: str) -> dict[int, bytes]:
    """What was printed by each command that ended with 0, by its place."""
    answers: dict[int, bytes] = {}
    if completed.cut:
        return answers
    begin, sign = 0, b"\n" + mark.encode() + b" "
    while (end := completed.stdout.find(sign, begin)) >= 0:
        line_end = completed.stdout.find(b"\n", end + 1)
        if line_end < 0:
            break
        place, code = completed.stdout[end + len(sign) : line_end].split()
        if code == b"0":
            answers[int(place)] = completed.stdout[begin:end]
        begin = line_end + 1
    return answers
