"""Asks many clones the same few things at once. Nothing in a clone is changed, and no remote is contacted."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gr2.edges.git.door import Place
from gr2.edges.process import NOT_FOUND, Command
from gr2.errors import Gr2Error
from gr2.session import Session

_JOBS = 8

ORIGIN_URL = ("config", "--local", "--get", "remote.origin.url")
ORIGIN_HEAD = ("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
HEAD_REF = ("symbolic-ref", "--quiet", "HEAD")
HEAD_COMMIT = ("rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")

Answers = list[str | None]


def ask_each(session: Session, paths: Sequence[str], questions: Sequence[Sequence[str]]) -> list[Answers]:
    """For each workspace-relative clone what git answers to each of `questions` (its arguments); None where git has no
    answer, or cannot read the clone. Raises Blocked `git_missing`."""
    answers: list[Answers] = [[None] * len(questions) for _ in paths]
    commands: list[Command] = []
    asked: list[tuple[int, int]] = []
    for number, path in enumerate(paths):
        place = Place.checkout(session.layout.at(path))
        if not os.path.isdir(place.git_dir):
            continue
        for question, args in enumerate(questions):
            try:
                commands.append(session.git.command(args, at=place))
            except Gr2Error:
                continue
            asked.append((number, question))
    for index, completed in session.git.run_many(commands, jobs=_JOBS):
        number, question = asked[index]
        if completed.exit_code == 0:
            answers[number][question] = completed.stdout.decode(errors="surrogateescape").removesuffix("\n")
        elif completed.exit_code == NOT_FOUND:
            session.git.version()
    return answers


def branch_of(ref: str | None, prefix: str = "refs/heads/") -> str | None:
    """The branch that the full name `ref` is of, None for any other ref."""
    return ref.removeprefix(prefix) if ref is not None and ref.startswith(prefix) else None
