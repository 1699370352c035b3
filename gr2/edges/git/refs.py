"""Reads references straight from a repository's files (gitrepository-layout(5)); no process is started.

For repositories of gr2's making, whose reference format is `files`.
"""

from __future__ import annotations

import hashlib
import os
import re

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def is_object_id(text: str) -> bool:
    """Whether `text` is a whole object id."""
    return _SHA.fullmatch(text) is not None


def read_refs(git_dir: str, prefix: str) -> dict[str, str]:
    """Every reference below `prefix` (for example "refs/heads/"), its name without the prefix, to its object id."""
    found: dict[str, str] = {}
    for packed, name in _packed(git_dir):
        if name.startswith(prefix):
            found[name[len(prefix) :]] = packed
    top = os.path.join(git_dir, prefix)
    for folder, _, files in os.walk(top):
        for file in files:
            path = os.path.join(folder, file)
            # A name that git is about to change, or that a killed git was (git-check-ref-format(1)).
            sha = None if file.endswith(".lock") else _loose(path)
            if sha is not None:
                found[os.path.relpath(path, top)] = sha
    return found


def refs_digest(git_dir: str) -> str:
    """A short text that is another one when a branch or tag was made, moved or deleted."""
    found = read_refs(git_dir, "refs/")
    rows = sorted(f"{name} {sha}" for name, sha in found.items() if name.startswith(("heads/", "tags/")))
    return hashlib.sha256("\n".join(rows).encode(errors="surrogateescape")).hexdigest()


def read_ref(git_dir: str, name: str) -> str | None:
    """The object id of the full reference `name`, None when there is none."""
    sha = _loose(os.path.join(git_dir, name))
    if sha is not None:
        return sha
    return next((sha for sha, packed in _packed(git_dir) if packed == name), None)


def head_branch(git_dir: str) -> str | None:
    """The branch that HEAD names (it may not exist yet); None when HEAD is detached or unreadable."""
    text = _text(os.path.join(git_dir, "HEAD"))
    if text is None or not text.startswith("ref: refs/heads/"):
        return None
    return text[len("ref: refs/heads/") :].strip()


def head_commit(git_dir: str) -> str | None:
    """The commit that HEAD is at, None before the first commit or when HEAD cannot be read."""
    text = _text(os.path.join(git_dir, "HEAD"))
    if text is None:
        return None
    if text.startswith("ref: "):
        return read_ref(git_dir, text[5:].strip())
    return text.strip() if _SHA.fullmatch(text.strip()) else None


def _packed(git_dir: str) -> list[tuple[str, str]]:
    text = _text(os.path.join(git_dir, "packed-refs"))
    if text is None:
        return []
    rows = []
    for line in text.split("\n"):
        sha, _, name = line.partition(" ")
        if name and _SHA.fullmatch(sha):
            rows.append((sha, name))
    return rows


def _loose(path: str) -> str | None:
    text = _text(path)
    sha = text.strip() if text is not None else ""
    return sha if _SHA.fullmatch(sha) else None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
