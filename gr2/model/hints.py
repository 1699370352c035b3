"""What to type next, so that it does the same wherever it is typed: places from the root, words quoted for a shell."""

from __future__ import annotations

import os
import re

_PLAIN = re.compile(r"[\w@%+:,./-]+", re.ASCII)


def quoted(word: str) -> str:
    """`word` as every shell takes it for one word that means itself (shlex is not worth its import here)."""
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "'\"'\"'") + "'"


def place_at(root: str, path: str) -> str:
    """The workspace-relative `path`, of the workspace at the absolute `root`, as a word to type anywhere."""
    return quoted(os.path.join(root, path))


def git_at(root: str, path: str, *words: str) -> str:
    """The git command `words` in the checkout at the workspace-relative `path`: no other checkout than that one."""
    return f"git -C {place_at(root, path)} {' '.join(map(quoted, words))}"


def from_here(hint: str, cwd: str) -> str:
    """`hint` for one who stands in the absolute directory `cwd`: places below it are named from there."""
    if cwd in {"", "/"}:
        return hint
    return re.sub(rf"(?<!\S)('?){re.escape(cwd)}/(?=[^\s'-])", r"\1", hint)
