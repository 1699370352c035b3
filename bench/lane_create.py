"""`lane create` over big repositories against plain `git worktree add`."""

from __future__ import annotations

import os
import shutil
from typing import Any

from bench.measure import compare, gr2, make_remotes, place, sh, write_spec

REPOS = 10
FILES = 5_000


def run() -> list[dict[str, Any]]:
    """Ten repositories of 5,000 files each."""
    with place() as folder:
        names = make_remotes(folder, REPOS, files=FILES, folders=20)
        root = os.path.join(folder, "ws")
        write_spec(root, names, unit_repos=names)
        gr2("apply", "-q", cwd=root)
        listing = os.path.join(folder, "names")
        with open(listing, "w", encoding="utf-8") as file:
            file.write("\n".join(names))
        number = 0

        def clean() -> None:
            shutil.rmtree(os.path.join(root, "agents/alpha/lanes"), ignore_errors=True)
            shutil.rmtree(os.path.join(folder, "trees"), ignore_errors=True)
            for name in names:
                sh("git worktree prune && git branch -q -D plain || true", cwd=f"{root}/repos/{name}")

        def ours() -> None:
            nonlocal number
            number += 1
            gr2("lane", "create", f"lane{number}", "-q", cwd=root)

        def plain(jobs: int) -> None:
            add = f"git -C {root}/repos/@ worktree add -q -b plain {folder}/trees/@ origin/main"
            sh(f"xargs -P{jobs} -I@ {add} <{listing}", cwd=folder)

        bases = [lambda jobs=jobs: plain(jobs) for jobs in (1, 2, 4)]
        name = f"lane create, {REPOS} repos of {FILES} files"
        return [compare(name, ours, bases, limit=1.5, runs=3, before=clean)]
