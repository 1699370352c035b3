"""Bare repositories with some history, made once and copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

_AUTHOR = "Robin Tester <robin@example.org>"
_EPOCH = 1_700_000_000


class Remotes:
    """The remotes of one world in the directory `folder`; `templates` holds the ones to copy."""

    def __init__(self, folder: str, templates: str, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._templates = templates
        self._env = env
        self.made: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The absolute path of the remote `name`."""
        if name not in self.made:
            template = os.path.join(self._templates, f"{name}.git")
            if not os.path.isdir(template):
                _make(template, name, self._env)
            path = os.path.join(self._folder, f"{name}.git")
            shutil.copytree(template, path, symlinks=True)
            self.made[name] = path
        return self.made[name]


def import_commit(
    remote: str,
    files: Mapping[str, str | bytes | None],
    *,
    message: str,
    branch: str,
    number: int,
    env: Mapping[str, str],
) -> str:
    """Commit `files` on `branch` of the bare repository `remote`; gives the SHA."""
    known = _git(remote, env, "for-each-ref", "--format=%(refname)").decode().split()
    start = next((ref for ref in (f"refs/heads/{branch}", "refs/heads/main") if ref in known), None)
    stream = _commit(branch, message, files, when=_EPOCH + 86400 + 60 * number, start=f"{start}^0" if start else None)
    _git(remote, env, "fast-import", "--quiet", "--force", stdin=stream)
    return _git(remote, env, "rev-parse", f"refs/heads/{branch}").decode().strip()


def _make(path: str, name: str, env: Mapping[str, str]) -> None:
    draft = f"{path}.{os.getpid()}"
    os.makedirs(draft)
    _git(draft, env, "init", "--quiet", "--bare", "--initial-branch=main", "--template=")
    history = [
        ("main", "begin", {"README.md": f"# {name}\n"}),
        ("main", "add the source", {f"src/{name}.txt": f"{name} 1\n", "run.sh": f"#!/bin/sh\necho {name}\n"}),
        ("main", "improve the source", {f"src/{name}.txt": f"{name} 2\n"}),
        ("topic", "try something", {f"src/{name}.txt": f"{name} 2\ntried\n"}),
    ]
    stream = b""
    for number, (branch, message, files) in enumerate(history):
        start = "refs/heads/main" if branch == "topic" else None
        stream += _commit(branch, message, files, when=_EPOCH + 60 * number, start=start)
        if number == 1:
            stream += b"reset refs/tags/v1\nfrom refs/heads/main\n\n"
    _git(draft, env, "fast-import", "--quiet", stdin=stream)
    os.rename(draft, path)


def _commit(
    branch: str, message: str, files: Mapping[str, str | bytes | None], *, when: int, start: str | None
) -> bytes:
    lines = [f"commit refs/heads/{branch}\n".encode(), f"committer {_AUTHOR} {when} +0000\n".encode(), _data(message)]
    if start:
        lines.append(f"from {start}\n".encode())
    for name, content in files.items():
        if content is None:
            lines.append(f"D {name}\n".encode())
        else:
            mode = "100755" if name.endswith(".sh") else "100644"
            lines += [f"M {mode} inline {name}\n".encode(), _data(content)]
    return b"".join([*lines, b"\n"])


def _data(content: str | bytes) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return b"data %d\n%s\n" % (len(raw), raw)


def _git(path: str, env: Mapping[str, str], *args: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", *args], cwd=path, env=dict(env), input=stdin, capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, f"git {' '.join(args)} in {path}: {done.stderr.decode(errors='replace')}"
    return done.stdout
