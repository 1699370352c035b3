"""`sync run` and `sync status` against plain git: parallel fetches over the mirrors, and parallel `git status`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench.measure import compare, gr2, make_remotes, place, sh, write_spec
from gr2.testing.distributions import write_distribution

RUN_LIMITS = {100: 1.8, 1000: 1.4}
STATUS_LIMITS = {100: 2.0, 1000: 1.3}
MOVED = 10
FETCH = "git -C {root}/.grip/cache/repos/@.git fetch -q --prune origin"


def run() -> list[dict[str, Any]]:
    """Nothing new at 100 and 1,000 repos, ten of a hundred moved, a slow network, status."""
    rows: list[dict[str, Any]] = []
    for count in (100, 1000):
        with place() as folder:
            root, names = _workspace(folder, count)
            rows += _unmoved(root, names, folder)
            if count == 100:
                rows.append(_moved(root, names, folder))
    rows += _latency()
    return rows


def _workspace(folder: str, count: int) -> tuple[str, list[str]]:
    names = make_remotes(folder, count)
    root = os.path.join(folder, "ws")
    write_spec(root, names)
    gr2("apply", "-q", cwd=root)
    with open(f"{folder}/list", "w", encoding="utf-8") as file:
        file.write("\n".join(names) + "\n")
    return root, names


def _unmoved(root: str, names: list[str], folder: str) -> list[dict[str, Any]]:
    count = len(names)
    runs = 5 if count > 100 else 9
    fetches = [partial(_each, FETCH.format(root=root), folder, jobs) for jobs in (2, 4, 8)]
    status = f"git -C {root}/repos/@ status --porcelain=v2 --branch"
    looks = [partial(_each, status, folder, jobs) for jobs in (2, 4, 8)]
    ran, looked = partial(gr2, "sync", "run", "-q", cwd=root), partial(gr2, "sync", "status", cwd=root)
    return [
        compare(f"sync run, {count} repos, nothing new", ran, fetches, limit=RUN_LIMITS[count], runs=runs),
        compare(f"sync status, {count} repos", looked, looks, limit=STATUS_LIMITS[count], runs=runs),
    ]


def _each(command: str, folder: str, jobs: int) -> None:
    sh(f"xargs -P{jobs} -I@ {command} <{folder}/list", cwd=folder)


def _moved(root: str, names: list[str], folder: str) -> dict[str, Any]:
    """Ten remotes get a commit before each run; by hand that is fetching all mirrors, and ten fast-forwards."""
    moved = names[:: len(names) // MOVED][:MOVED]
    with open(f"{folder}/moved", "w", encoding="utf-8") as file:
        file.write("\n".join(moved) + "\n")

    def push() -> None:
        for name in moved:
            remote = f"{folder}/remotes/{name}.git"
            new = "git commit-tree -p main -m more $(git rev-parse main^{tree})"
            sh(f"git update-ref refs/heads/main $({new})", cwd=remote)

    def by_hand(jobs: int) -> None:
        _each(FETCH.format(root=root), folder, jobs)
        one = f"cd {root}/repos/@ && git fetch -q {root}/.grip/cache/repos/@.git +refs/heads/*:refs/remotes/origin/*"
        sh(f"xargs -P{jobs} -I@ sh -c '{one} && git merge -q --ff-only origin/main' <{folder}/moved", cwd=folder)

    ran = partial(gr2, "sync", "run", "-q", cwd=root)
    bases = [partial(by_hand, jobs) for jobs in (2, 4, 8)]
    return compare(f"sync run, {MOVED} of {len(names)} repos moved", ran, bases, limit=1.5, runs=7, before=push)


# A connection that is open already (a shared one), 50 ms away. What is left of it is a channel, the server's
# capabilities, and the list of its references: three round trips.
_SLOW_SSH = """#!/bin/sh
sleep 0.15
for last; do :; done
exec sh -c "$last"
"""
_PLUGIN = """
import time
from gr2.api import Heads, Provider, hookimpl

gr2_api = 1

@hookimpl
def gr2_platform_adapters():
    return [Provider(name="bench", path="gr2_bench_platform:Platform")]

class Platform:
    def __init__(self, ctx):
        pass

    def matches(self, url):
        return url.startswith("ssh://bench/")

    def branch_heads(self, urls, *, timeout=None):
        time.sleep(0.15)  # one request: TCP, TLS, HTTP
        return {url: self.heads(url) for url in urls}

    def heads(self, url):
        branches = {}
        with open("/" + url.removeprefix("ssh://bench/") + "/packed-refs") as file:
            for line in file:
                sha, _, name = line.strip().partition(" ")
                if name.startswith("refs/heads/"):
                    branches[name[11:]] = sha
        return Heads(url=url, branches=branches, default_branch="main")
"""


def _latency() -> list[dict[str, Any]]:
    """100 repos behind 50 ms per round trip, without and with a platform that tells all heads."""
    with place() as folder:
        ssh = os.path.join(folder, "slow-ssh")
        with open(ssh, "w", encoding="utf-8") as file:
            file.write(_SLOW_SSH)
        os.chmod(ssh, stat.S_IRWXU)
        with _environment(GIT_SSH_COMMAND=ssh, GIT_SSH_VARIANT="ssh"):
            names = make_remotes(folder, 100)
            root = os.path.join(folder, "ws")
            _write_ssh_spec(root, names, folder)
            gr2("apply", "-q", "--jobs", "10", cwd=root)
            with open(f"{folder}/list", "w", encoding="utf-8") as file:
                file.write("\n".join(names) + "\n")
            bases = [partial(_each, FETCH.format(root=root), folder, jobs) for jobs in (8, 10)]
            ran = partial(gr2, "sync", "run", "-q", "--jobs", "10", cwd=root)
            rows = [compare("sync run, 100 repos, 50 ms of latency", ran, bases, limit=1.2, runs=3)]
            with _plugin(folder):
                row = compare("the same where the platform tells all heads", ran, bases, limit=4.0, runs=3)
                row["ratio"] = row["base"] / row["ours"]
                rows.append({**row, "at_least": True})
        return rows


def _write_ssh_spec(root: str, names: list[str], folder: str) -> None:
    write_spec(root, names)
    spec = os.path.join(root, ".grip/workspace_spec.toml")
    with open(spec, encoding="utf-8") as file:
        text = file.read()
    with open(spec, "w", encoding="utf-8") as file:
        file.write(text.replace('url = "../remotes/', f'url = "ssh://bench{folder}/remotes/'))


@contextmanager
def _environment(**changes: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _plugin(folder: str) -> Iterator[None]:
    """A platform plugin, installed for the length of the block by way of PYTHONPATH."""
    site = os.path.join(folder, "site")
    write_distribution(
        site,
        "gr2-bench-platform",
        entry_points={"bench": "gr2_bench_platform"},
        modules={"gr2_bench_platform.py": _PLUGIN},
    )
    with _environment(PYTHONPATH=site):
        gr2("plugins", "check", cwd=folder, expect=range(256))
        yield
