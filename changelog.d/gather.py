"""Moves the changelog fragments into a new section of CHANGELOG.md: `python changelog.d/gather.py VERSION`."""

from __future__ import annotations

import datetime
import os
import sys

KINDS = ("added", "changed", "fixed", "removed", "security")
FOLDER = os.path.dirname(os.path.abspath(__file__))
CHANGELOG = os.path.join(os.path.dirname(FOLDER), "CHANGELOG.md")


def fragments(folder: str) -> dict[str, list[tuple[str, str]]]:
    """For each kind: (file, text) in the order of names. Raises SystemExit for a file that is no fragment."""
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for name in sorted(os.listdir(folder)):
        if name in {"README.md", "gather.py"} or not name.endswith(".md"):
            continue
        kind = name.removesuffix(".md").rpartition(".")[2]
        if kind not in found:
            raise SystemExit(f"{name}: the kind must be one of {', '.join(KINDS)}")
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            found[kind].append((path, file.read().strip()))
    return found


def section(version: str, found: dict[str, list[tuple[str, str]]]) -> str:
    """The new section's text."""
    lines = [f"## {version} ({datetime.date.today().isoformat()})", ""]
    for kind, items in found.items():
        if items:
            lines += [
                f"### {kind.capitalize()}",
                "",
                *(f"- {text.replace(chr(10), chr(10) + '  ')}" for _, text in items),
                "",
            ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Gather, write, remove the fragments."""
    if len(argv) != 1:
        sys.stderr.write("usage: python changelog.d/gather.py VERSION\n")
        return 2
    found = fragments(FOLDER)
    with open(CHANGELOG, encoding="utf-8") as file:
        head, mark, rest = file.read().partition("\n## ")
    with open(CHANGELOG, "w", encoding="utf-8") as file:
        file.write(head.rstrip() + "\n\n" + section(argv[0], found) + (mark + rest if rest else ""))
    for items in found.values():
        for path, _ in items:
            os.unlink(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
