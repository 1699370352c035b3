"""Run the benchmarks named (all by default) and print one table: `make bench ARGS="emit startup"`."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

import bench

PARTS = sorted(
    module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in {"__main__", "measure"}
)


def main(argv: Sequence[str]) -> int:
    """Print a row for each figure: gr2's median, the plain tool's, their ratio, and the limit the project sets."""
    names = [name for name in argv if name != "--json"]
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}, and --json\n")
        return 2
    rows: list[dict[str, Any]] = []
    for name in names or PARTS:
        sys.stderr.write(f"measuring {name} ...\n")
        found = importlib.import_module(f"bench.{name}").run()
        rows += found
        for row in found:
            show(row)
    if "--json" in argv:
        sys.stdout.write(json.dumps(rows) + "\n")
    return 0


def show(row: dict[str, Any]) -> None:
    """One figure. `limit` is an upper bound on the ratio, or a lower one when the row says `at_least`."""
    at_least = row.get("at_least", False)
    met = row["ratio"] >= row["limit"] if at_least else row["ratio"] <= row["limit"]
    sign = ">=" if at_least else "<="
    sys.stdout.write(
        f"{row['name']:<58} {row['ours'] * 1000:9.1f} ms {row['base'] * 1000:9.1f} ms "
        f"{row['ratio']:6.2f}x {sign} {row['limit']:.2f}x {'' if met else '  OVER'}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
