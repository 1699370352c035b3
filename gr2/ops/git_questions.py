"""Asks many clones the same few things at once. Nothing in a clone is changed, and no remote is contacted."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gr2.edges.git.door import GitError, Place
from gr2.edges.process import Command
from gr2.session import Session

_JOBS = 8
_FATAL = 128

ORIGIN_URL = ("config", "--local", "--get", "remote.origin.url")
ORIGIN_HEAD = ("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
HEAD_REF = ("symbolic-ref", "--quiet", "HEAD")
HEAD_COMMIT = ("rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")

Answers = list[str | None]


def ask_each(session: Session, paths: Sequence[str], questions: Sequence[Sequence[str]]) -> list[Answers | None]:
    """For each workspace-relative clone what git answers to each of `questions` (its arguments), None for "there is
    none"; None in place of all answers for a clone that is not there or that git cannot read.

    Raises Blocked `git_missing`, and Failed when a git was ended before it could answer.
    """
    answers: list[Answers | None] = []
    commands: list[Command] = []
    asked: list[tuple[int, int]] = []
    for number, path in enumerate(paths):
        place = Place.checkout(session.layout.at(path))
        try:
            made = [session.git.command(args, at=place) for args in questions] if os.path.isdir(place.git_dir) else []
        except GitError as error:
            if error.exit_code != _FATAL:
                raise
            made = []
        answers.append([None] * len(questions) if made else None)
        asked += [(number, question) for question in range(len(made))]
        commands += made
    for index, completed in session.git.run_many(commands, jobs=_JOBS):
        number, question = asked[index]
        known = answers[number]
        if completed.exit_code == 0 and known is not None:
            known[question] = completed.stdout.decode(errors="surrogateescape").removesuffix("\n")
        elif completed.exit_code == _FATAL:
            answers[number] = None
        elif completed.exit_code not in {0, 1}:
            raise session.git.error(completed, subject=paths[number])
    return answers


def branch_of(ref: str | None, prefix: str = "refs/heads/") -> str | None:
    """The branch that the full name `ref` is of, None for any other ref."""
    return ref.removeprefix(prefix) if ref is not None and ref.startswith(prefix) else None
