"""Lanes against the plain tools: entering and leaving, listing, finding, and sparse checkouts."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from typing import Any

from bench.measure import compare, gr2, make_remotes, place, sh, write_spec

LANES = 100
CLICK = f"{sys.executable} -c 'import click'"


def run() -> list[dict[str, Any]]:
    """Ten clean repos to enter and leave; 100 lanes over three repos; ten repos of 5,000 files, one directory of 20."""
    return [*_enter_and_exit(), *_list(), *_sparse()]


def _enter_and_exit() -> list[dict[str, Any]]:
    with place() as folder:
        names = make_remotes(folder, 10)
        root = os.path.join(folder, "ws")
        write_spec(root, names, unit_repos=names)
        gr2("lane", "create", "one", "-q", cwd=root)
        sh(f"ls -d {root}/agents/alpha/lanes/one/repos/* >{folder}/list")
        # A start of Python with click, and the git status calls that the command needs.
        base = f"{CLICK} && xargs -P4 -I@ git -C @ status --porcelain=v2 --branch <{folder}/list"
        plain = [partial(sh, base)]
        rows = []
        # The core, and with the two sinks of gr2-hooks, which are fed by every command.
        for without, what in (("gr2-hooks", ""), ("", ", channel and recall fed")):
            enter = partial(gr2, "lane", "enter", "one", cwd=root, without=without)
            leave = partial(gr2, "lane", "exit", cwd=root, without=without)
            rows.append(compare(f"lane enter, 10 clean repos{what}", enter, plain, limit=2.0, runs=9, before=leave))
            rows.append(compare(f"lane exit, 10 clean repos{what}", leave, plain, limit=2.0, runs=9, before=enter))
        return rows


def _list() -> list[dict[str, Any]]:
    with place() as folder:
        names = make_remotes(folder, 3)
        root = os.path.join(folder, "ws")
        write_spec(root, names, unit_repos=names)
        for number in range(LANES):
            gr2("lane", "create", f"lane{number}", "-q", cwd=root)
        gr2("lane", "enter", "lane0", cwd=root)
        sh(f"ls -d {root}/agents/alpha/lanes/*/repos/* >{folder}/list")
        status = f"xargs -P@@ -I@ git -C @ status --porcelain=v2 --branch <{folder}/list"
        bases = [partial(sh, status.replace("@@", str(jobs))) for jobs in (2, 4, 8)]
        nothing = [partial(sh, f"{sys.executable} -c pass")]
        rows = [
            compare(f"lane list, {LANES} lanes over 3 repos", partial(gr2, "lane", "list", cwd=root), bases, limit=1.3)
        ]
        for number in range(0, LANES, 2):
            for name in names:
                path = f"{root}/agents/alpha/lanes/lane{number}/repos/{name}"
                sh("echo work >work.txt && git add work.txt && git commit -qm work", cwd=path)
        ours = partial(gr2, "lane", "list", cwd=root)
        # What git is asked: how far each branch is from `main` too, which it tells of a branch that follows it.
        asked = "-C {0} -c branch.{1}.remote=origin -c branch.{1}.merge=refs/heads/main status --porcelain=v2 --branch"
        with open(os.path.join(folder, "asked"), "w", encoding="utf-8") as file:
            for number in range(LANES):
                for name in names:
                    path = f"{root}/agents/alpha/lanes/lane{number}/repos/{name}"
                    file.write(asked.format(path, f"lane{number}") + "\n")
        bases = [partial(sh, f"xargs -P{jobs} -L1 git <{folder}/asked") for jobs in (2, 4, 8)]
        rows.append(compare(f"lane list, {LANES} lanes, half with unpushed work", ours, bases, limit=1.3))
        for args in (("lane", "path", "lane7"), ("lane", "current")):
            ours = partial(gr2, *args, cwd=root)
            rows.append(compare(f"{' '.join(args)}, {LANES} lanes", ours, nothing, limit=5.0, runs=15))
        return rows


def _sparse() -> list[dict[str, Any]]:
    with place() as folder:
        names = make_remotes(folder, 10, files=5_000, folders=20)
        root = os.path.join(folder, "ws")
        write_spec(root, names, unit_repos=names)
        gr2("apply", "-q", cwd=root)
        listing = os.path.join(folder, "names")
        with open(listing, "w", encoding="utf-8") as file:
            file.write("\n".join(names))
        number = 0

        def clean() -> None:
            shutil.rmtree(os.path.join(root, "agents/alpha/lanes"), ignore_errors=True)
            shutil.rmtree(os.path.join(folder, "plain"), ignore_errors=True)

        def ours() -> None:
            nonlocal number
            number += 1
            gr2("lane", "create", f"lane{number}", "--sparse", "dir3", "-q", cwd=root)

        def plain(jobs: int) -> None:
            target = f"{folder}/plain/@"
            clone = f"git clone -q --shared --no-checkout {root}/.grip/cache/repos/@.git {target}"
            choose = f"git -C {target} sparse-checkout set --cone dir3 && git -C {target} checkout -q -b plain"
            sh(f"xargs -P{jobs} -I@ sh -c '{clone} && {choose}' <{listing}", cwd=folder)

        bases = [partial(plain, jobs) for jobs in (1, 2, 4)]
        return [compare("lane create --sparse, 1 directory of 20 in 10 repos", ours, bases, limit=2.0, before=clean)]
