"""`apply` of fresh repos against plain parallel clones of the same kind: a bare one, and one that borrows from it."""

from __future__ import annotations

import os
import shutil
from typing import Any

from bench.measure import compare, gr2, make_remotes, place, sh, write_spec

COUNT = 100


def run() -> list[dict[str, Any]]:
    """100 fresh repos; and an apply with nothing to do, as a ratio to plain start-up of Python."""
    with place() as folder:
        names = make_remotes(folder, COUNT, files=20)
        root = os.path.join(folder, "ws")
        write_spec(root, names)
        listing = os.path.join(folder, "names")
        with open(listing, "w", encoding="utf-8") as file:
            file.write("\n".join(names))

        def clean() -> None:
            shutil.rmtree(os.path.join(folder, "plain"), ignore_errors=True)
            for part in ("repos", "agents", ".grip/cache", ".grip/state", ".grip/events"):
                shutil.rmtree(os.path.join(root, part), ignore_errors=True)
            os.makedirs(os.path.join(folder, "plain"))

        def plain(jobs: int) -> None:
            one = (
                f"git clone -q --bare {folder}/remotes/@.git {folder}/plain/@.git && "
                f"git clone -q --reference {folder}/plain/@.git {folder}/remotes/@.git {folder}/plain/@"
            )
            sh(f"xargs -P{jobs} -I@ sh -c '{one}' <{listing}", cwd=folder)

        bases = [lambda jobs=jobs: plain(jobs) for jobs in (2, 4, 8)]
        return [
            compare(
                f"apply, {COUNT} fresh repos",
                lambda: gr2("apply", "-q", cwd=root),
                bases,
                limit=1.3,
                runs=5,
                before=clean,
            )
        ]
