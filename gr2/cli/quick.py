"""`lane path` and `lane current` in the time a shell prompt has: click, and all doors to the outside, stay closed.

Only the plain forms are answered here, and only with an answer; options, `--json` and every error go the ordinary way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from gr2.errors import Gr2Error


def quick(argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> bool:
    """Answer `gr2 ARGV` on stdout, or do nothing and say False."""
    words = _words(argv)
    if words is None:
        return False
    name, options = words
    try:
        answer = _answer(argv[1], name, options, environ, cwd)
    except (Gr2Error, OSError):
        return False
    sys.stdout.write(answer)
    return True


def _words(argv: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The lane named (or "") and the options `--repo` and `--unit`; None for any other form."""
    name, options = "", {"--repo": "", "--unit": ""}
    words = iter(argv[2:])
    for word in words:
        if word in options:
            options[word] = next(words, "-")
            if options[word].startswith("-"):
                return None
        elif word.startswith("-") or name:
            return None
        else:
            name = word
    return None if argv[1] == "current" and (name or options["--repo"]) else (name, options)


def _answer(noun: str, name: str, options: Mapping[str, str], environ: Mapping[str, str], cwd: str) -> str:
    from gr2.model.names import visible
    from gr2.ops.context import find_unit
    from gr2.ops.lane_where import lane_current, lane_path
    from gr2.store.discovery import find_workspace
    from gr2.workspace import Asked, Workspace

    root = find_workspace(cwd, "", environ.get("GR2_WORKSPACE", ""))
    here = Workspace(root=root, asked=Asked(cwd=cwd, unit=options["--unit"], environ=environ))
    if here.asked.unit:
        find_unit(here, here.asked.unit)
    if noun == "path":
        return visible(lane_path(here, name, repo=options["--repo"]).path) + "\n"
    current = lane_current(here)
    return visible(f"{current.owner_unit}/{current.lane_name}") + "\n" if current.lane_name else ""


def current_directory(environ: Mapping[str, str]) -> str:
    """The current directory in the shell's own spelling, links kept, where that is the same place; "/" without one."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return "/"
    spelled = environ.get("PWD", "")
    if os.path.isabs(spelled) and os.path.exists(spelled) and os.path.samefile(spelled, here):
        return os.path.normpath(spelled)
    return here
