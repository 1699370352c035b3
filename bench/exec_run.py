"""`exec run` against plain xargs over the same checkouts."""

from __future__ import annotations

import os
from typing import Any

from bench.measure import compare, gr2, make_remotes, place, sh, write_spec

COUNT = 100


def run() -> list[dict[str, Any]]:
    """`git rev-parse HEAD` in 100 checkouts."""
    with place() as folder:
        names = make_remotes(folder, COUNT)
        root = os.path.join(folder, "ws")
        write_spec(root, names)
        gr2("apply", "-q", cwd=root)
        sh(f"ls -d {root}/repos/* >{folder}/list")

        def plain(jobs: int) -> None:
            sh(f"xargs -P{jobs} -I@ git -C @ rev-parse HEAD <{folder}/list", cwd=root)

        bases = [lambda jobs=jobs: plain(jobs) for jobs in (2, 4, 8)]
        command = ("exec", "run", "--shared", "--jobs", "8", "--", "git", "rev-parse", "HEAD")
        return [compare(f"exec run, {COUNT} checkouts", lambda: gr2(*command, cwd=root), bases, limit=3.0, runs=9)]
