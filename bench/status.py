"""`repo status` against plain `git status` through xargs, start-up included."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import Any

from bench.measure import GR2, compare, gr2, make_remotes, place, sh, write_spec

LIMITS = {100: 1.8, 1000: 1.25}
PEAK_LIMIT = 120 * 1024 * 1024


def run() -> list[dict[str, Any]]:
    """100 and 1,000 clean repos, and gr2's peak memory at 1,000."""
    rows = []
    for count, limit in LIMITS.items():
        with place() as folder:
            names = make_remotes(folder, count)
            root = os.path.join(folder, "ws")
            write_spec(root, names)
            gr2("apply", "-q", cwd=root)
            sh(f"ls -d {root}/repos/* >{folder}/list")
            bases = [partial(_plain, root, f"{folder}/list", jobs) for jobs in (2, 4, 8)]
            ours = partial(gr2, "repo", "status", cwd=root)
            runs = 5 if count > 100 else 9
            rows.append(compare(f"repo status, {count} clean repos", ours, bases, limit=limit, runs=runs))
            if count == 1000:
                rows.append(_peak(root))
    return rows


def _plain(root: str, listing: str, jobs: int) -> None:
    sh(f"xargs -P{jobs} -I@ git -C @ status --porcelain=v2 --branch <{listing}", cwd=root)


def _peak(root: str) -> dict[str, Any]:
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    done = subprocess.run(["python3", "-c", code, GR2, "repo", "status"], cwd=root, capture_output=True, check=True)
    peak = int(done.stdout.split()[-1])
    return {
        "name": f"repo status, 1000 repos: peak memory {peak >> 20} MB of {PEAK_LIMIT >> 20} MB (as ratio)",
        "ours": 0.0,
        "base": 0.0,
        "ratio": peak / PEAK_LIMIT,
        "limit": 1.0,
    }
