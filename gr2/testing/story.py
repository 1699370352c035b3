"""Stories: Markdown files whose `console` blocks are shell sessions that are run and compared.

In a block fenced with ```console, a line `$ COMMAND` is typed into one shell that lives as long as the story; lines
that follow it at once and begin with `> ` continue the command. The other lines, up to the next `$`, are what the
command prints (both streams, as on a terminal). `[exit 3]` as the last of them is its exit code, 0 when left out.
A line `...` stands for any lines, `...` inside a line for any text. Ids, SHAs, durations, times of day and the width
of columns are not compared. The story starts in an empty home directory that prints as `/home/you`; a comment
`<!-- remotes: app, api -->` puts the remotes of that name (see `World.remote`) into `~/remotes/NAME.git`.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from gr2.model.records import dataclass
from gr2.testing.world import World

HOME = "/home/you"
TIMEOUT_SECONDS = 100.0
_EXIT = re.compile(r"\[exit (\d+)\]")
_REMOTES = re.compile(r"<!-- remotes: (.*?) -->")
_NOT_COMPARED = (
    (re.compile(r"\b(op_|sv_|pg_|ls_)[0-9a-f]{8,12}\b"), r"\1ID"),
    (re.compile(r"\b(?:\d+ (?:seconds?|minutes?) ago|just now)\b"), "AGO"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r'("duration_ms": )\d+'), r"\1N"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s)\b"), "DURATION"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,40}\b"), "ID"),
    (re.compile(r"(?<=\S) +"), " "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Step:
    """One command of a story. `line`: where it stands, from 1; `end`: the line after its output."""

    line: int
    end: int
    command: str
    output: str
    exit_code: int = 0

    def shown(self) -> str:
        """The output as a story shows it."""
        status = f"[exit {self.exit_code}]\n" if self.exit_code else ""
        return self.output + status


def read_story(text: str) -> list[Step]:
    """The commands of a story and what each is to print. Raises ValueError for output before any command."""
    steps: list[Step] = []
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            inside = not inside and line.strip() == "```console"
            fresh = True
        elif inside and line.startswith("$ "):
            steps.append(Step(line=number, end=number + 1, command=line[2:], output=""))
            fresh = False
        elif inside:
            if fresh:
                raise ValueError(f"line {number}: output before any command")
            steps[-1] = _with_line(steps[-1], number, line)
    return steps


def _with_line(step: Step, number: int, line: str) -> Step:
    if line.startswith("> ") and not step.output:
        return replace(step, end=number + 1, command=f"{step.command}\n{line[2:]}")
    status = _EXIT.fullmatch(line)
    if status:
        return replace(step, end=number + 1, exit_code=int(status.group(1)))
    return replace(step, end=number + 1, output=f"{step.output}{line}\n")


def run_story(text: str, world: World) -> list[Step]:
    """Run the commands of a story in `world`; gives them with what they really printed.

    A command that ends the shell ends the story there.
    """
    for name in (part.strip() for found in _REMOTES.findall(text) for part in found.split(",")):
        shutil.copytree(world.remote(name), os.path.join(world.home, "remotes", f"{name}.git"), symlinks=True)
    steps = read_story(text)
    notes = os.path.join(world.base, "story")
    os.makedirs(notes)
    script = ""
    for number, step in enumerate(steps):
        path = os.path.join(notes, str(number))
        with open(path, "w", encoding="utf-8") as file:
            file.write(step.command + "\n")
        script += f". '{path}' >'{path}.out' 2>&1 </dev/null\necho $? >'{path}.status'\n"
    _run_shell(script, world)
    return [_as_it_happened(step, os.path.join(notes, str(number)), world) for number, step in enumerate(steps)]


def _run_shell(script: str, world: World) -> None:
    shell = shutil.which("bash") or "sh"
    env = world.environ({"GR2_ACTOR": "human:you", "COLUMNS": "100"})
    process = subprocess.Popen([shell, "-c", script], cwd=world.home, env=env, start_new_session=True)
    try:
        process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _as_it_happened(step: Step, path: str, world: World) -> Step:
    try:
        with open(f"{path}.out", encoding="utf-8", errors="replace") as file:
            output = file.read()
        with open(f"{path}.status", encoding="utf-8") as file:
            code = int(file.read())
    except (FileNotFoundError, ValueError):
        return replace(step, output="(the shell ended before or in this command)\n", exit_code=-1)
    if output and not output.endswith("\n"):
        output += "\n"
    return replace(step, output=output.replace(world.home, HOME).replace(world.base, "/tmp"), exit_code=code)


def matches(expected: Step, actual: Step) -> bool:
    """Whether a command did what the story says."""
    pattern = ""
    for line in _comparable(expected.output).splitlines():
        if line.strip() == "...":
            pattern += "(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + "\n"
    same = re.fullmatch(pattern, _comparable(actual.output)) is not None
    return same and expected.exit_code == actual.exit_code


def _comparable(output: str) -> str:
    for pattern, instead in _NOT_COMPARED:
        output = pattern.sub(instead, output)
    return output


def check_story(text: str, world: World, *, name: str = "story") -> None:
    """Run a story and raise AssertionError, with a diff, at the first command that did something else."""
    for expected, actual in zip(read_story(text), run_story(text, world), strict=True):
        if not matches(expected, actual):
            lines = difflib.unified_diff(
                expected.shown().splitlines(), actual.shown().splitlines(), "in the story", "really", lineterm="", n=99
            )
            raise AssertionError("\n".join([f"{name}:{expected.line}: $ {expected.command}", *lines]))


def rewrite_story(text: str, world: World) -> str:
    """The story with the real output of every command whose output differs from it."""
    lines = text.splitlines(keepends=True)
    for expected, actual in reversed(list(zip(read_story(text), run_story(text, world), strict=True))):
        if not matches(expected, actual):
            start = expected.line + expected.command.count("\n")
            lines[start : expected.end - 1] = actual.shown().splitlines(keepends=True)
    return "".join(lines)


def main(paths: Sequence[str]) -> int:
    """Rewrite the story files `paths` with what their commands really print."""
    import tempfile

    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with tempfile.TemporaryDirectory() as folder:
            new = rewrite_story(text, World(os.path.join(folder, "world"), templates=os.path.join(folder, "templates")))
        if new != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
            sys.stdout.write(f"rewrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
