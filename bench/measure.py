"""Fair timing on a noisy machine: the two sides in turn, medians, the best of several plain ways as the base."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

GR2 = os.path.join(os.path.dirname(sys.executable), "gr2")


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(
    name: str,
    ours: Callable[[], object],
    bases: Sequence[Callable[[], object]],
    *,
    limit: float,
    runs: int = 7,
    before: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """One row: median of `ours`, the best median among `bases`, their ratio. `before` runs untimed before each call."""
    mine: list[float] = []
    theirs: list[list[float]] = [[] for _ in bases]
    for number in range(runs + 1):
        for times, call in zip([mine, *theirs], [ours, *bases], strict=True):
            if before is not None:
                before()
            spent = seconds(call)
            if number:  # the first round warms caches
                times.append(spent)
    median, best = statistics.median(mine), min(statistics.median(times) for times in theirs)
    return {"name": name, "ours": median, "base": best, "ratio": median / best, "limit": limit}


def sh(command: str, *, cwd: str | None = None) -> None:
    """Run a shell command quietly; it has to succeed."""
    subprocess.run(command, shell=True, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def gr2(*args: str, cwd: str, expect: Sequence[int] = (0,), without: str = "") -> None:
    """Run the installed gr2 quietly; `without` names plugins that it is to leave alone."""
    env = {**os.environ, "GR2_DISABLE_PLUGINS": without}
    done = subprocess.run([GR2, *args], cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode not in expect:
        raise RuntimeError(f"gr2 {' '.join(args)} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")


@contextmanager
def place() -> Iterator[str]:
    """A temporary directory with a home of its own, and no user configuration of git or gr2."""
    with tempfile.TemporaryDirectory(prefix="gr2-bench-") as made:
        folder = os.path.realpath(made)
        home = os.path.join(folder, "home")
        os.mkdir(home)
        changed = {
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "NO_COLOR": "1",
        }
        before = {key: os.environ.get(key) for key in (*changed, "PYTHONDONTWRITEBYTECODE")}
        os.environ.update(changed)
        # As installed: with compiled bytecode, which the first, uncounted round writes.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        with open(os.path.join(home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write("[user]\n\tname = Bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n")
        try:
            yield folder
        finally:
            for key, value in before.items():
                os.environ.pop(key, None)
                if value is not None:
                    os.environ[key] = value


def make_remotes(folder: str, count: int, *, files: int = 3, folders: int = 1) -> list[str]:
    """`count` bare repositories with two commits of `files` small files each, copied from one."""
    seed = os.path.join(folder, "seed")
    os.makedirs(seed)
    for number in range(files):
        path = os.path.join(seed, f"dir{number % folders}", f"file{number}.txt")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"line {number}\n" * 20)
    sh("git init -q . && git add . && git commit -qm one && echo two >two && git add . && git commit -qm two", cwd=seed)
    names = [f"r{number:04}" for number in range(count)]
    os.makedirs(os.path.join(folder, "remotes"))
    first = os.path.join(folder, "remotes", "first.git")
    sh(f"git clone -q --bare '{seed}' '{first}' && git -C '{first}' gc -q")
    for name in names:
        sh(f"cp -r '{first}' '{folder}/remotes/{name}.git'")
    return names


def write_spec(root: str, names: Sequence[str], *, unit_repos: Sequence[str] = ()) -> None:
    """A spec over the remotes beside `root`, with one unit."""
    os.makedirs(os.path.join(root, ".grip"), exist_ok=True)
    lines = ['workspace_name = "bench"']
    for name in names:
        lines += ["[[repos]]", f'name = "{name}"', f'path = "repos/{name}"', f'url = "../remotes/{name}.git"']
    lines += ["[[units]]", 'name = "alpha"', 'path = "agents/alpha"', f"repos = {list(unit_repos)!r}".replace("'", '"')]
    with open(os.path.join(root, ".grip/workspace_spec.toml"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
