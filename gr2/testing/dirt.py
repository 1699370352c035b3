"""Uncommitted work of every kind, for tests of what becomes of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from gr2.testing.world import World

CHECKOUT = "repos/app"
_BASE: Mapping[str, str | bytes] = {
    "README.md": "one\ntwo\nthree\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "mixed.txt": b"one\r\ntwo\n\rthree",
    "data.bin": bytes(range(256)),
    "dir/a.txt": "a\n",
    "dir/b.txt": "b\n",
    "dir/deep/c.txt": "c\n",
    "name with spaces.txt": "spaces\n",
    'line\nfeed\t"quote".txt': "names\n",
    "gr\u00fc\u00df-\u65e5\u672c.txt": "names\n",
    ".gitignore": "ignored.txt\n*.ignored\nignored-dir/\n",
}


def make_checkout(world: World, *, attributes: str = "", config: Mapping[str, str] | None = None) -> str:
    """A checkout with files of every kind, and ignored ones; gives its absolute path.

    attributes: text of a committed `.gitattributes`. config: the checkout's own git configuration, set before anything
    is checked out.
    """
    path = world.path(CHECKOUT)
    world.git("", "clone", "--quiet", world.remote("app"), path)
    for key, value in (config or {}).items():
        world.git(path, "config", key, value)
    for name, content in _BASE.items():
        world.write(os.path.join(path, name), content)
    if attributes:
        world.write(os.path.join(path, ".gitattributes"), attributes)
    os.symlink("dir/a.txt", os.path.join(path, "link"))
    os.symlink("dir", os.path.join(path, "link-to-dir"))
    world.write(os.path.join(path, "tool.sh"), "#!/bin/sh\n")
    os.chmod(os.path.join(path, "tool.sh"), 0o755)
    world.git(path, "-c", "core.safecrlf=false", "add", "--all")
    world.git(path, "commit", "--quiet", "--message", "files of every kind")
    # As a fresh clone has it, with the conversions of checkout applied.
    world.git(path, "rm", "-r", "--quiet", "--cached", ".")
    world.git(path, "reset", "--quiet", "--hard")
    world.write(os.path.join(path, "ignored.txt"), b"ignored\r\n")
    world.write(os.path.join(path, "ignored-dir/deep/x"), "ignored\n")
    return path


Dirt = Callable[[World, str], None]


def _write(name: str, content: str | bytes) -> Dirt:
    def make(world: World, path: str) -> None:
        world.write(os.path.join(path, name), content)

    return make


def _unlink(*names: str) -> Dirt:
    def make(world: World, path: str) -> None:
        for name in names:
            os.unlink(os.path.join(path, name))

    return make


def _git(*args: str) -> Dirt:
    def make(world: World, path: str) -> None:
        world.git(path, "-c", "core.safecrlf=false", *args)

    return make


def _link(target: str, name: str) -> Dirt:
    def make(world: World, path: str) -> None:
        full = os.path.join(path, name)
        if os.path.lexists(full):
            os.unlink(full)
        os.symlink(target, full)

    return make


def _mode(name: str, mode: int) -> Dirt:
    def make(world: World, path: str) -> None:
        os.chmod(os.path.join(path, name), mode)

    return make


def _all(*parts: Dirt) -> Dirt:
    def make(world: World, path: str) -> None:
        for part in parts:
            part(world, path)

    return make


def _odd_bytes(world: World, path: str) -> None:
    with open(os.path.join(os.fsencode(path), b"raw-\xff\xfe.txt"), "wb") as file:
        file.write(b"\xff\x00\r\n")


DIRT: Mapping[str, Dirt] = {
    "unstaged": _write("README.md", "one\nchanged\nthree"),
    "staged": _all(_write("README.md", "staged\n"), _git("add", "README.md")),
    "staged and changed again": _all(
        _write("README.md", "staged\n"), _git("add", "README.md"), _write("README.md", "again\n")
    ),
    "staged and changed back": _all(
        _write("README.md", "staged\n"), _git("add", "README.md"), _write("README.md", "one\ntwo\nthree\n")
    ),
    "untracked": _write("new/deep/file.txt", b"new\r\n\x00"),
    "untracked and empty": _write("empty", b""),
    "untracked and executable": _all(_write("run", "#!/bin/sh\n"), _mode("run", 0o755)),
    "added": _all(_write("new.txt", "new\n"), _git("add", "new.txt")),
    "added and deleted": _all(_write("new.txt", "new\n"), _git("add", "new.txt"), _unlink("new.txt")),
    "deleted": _unlink("README.md", "dir/deep/c.txt"),
    "deletion staged": _git("rm", "--quiet", "README.md", "dir/deep/c.txt"),
    "deletion staged, file still there": _git("rm", "--quiet", "--cached", "README.md"),
    "deletion staged, file now ignored": _all(
        _git("rm", "--quiet", "--cached", "README.md"), _write(".gitignore", "README.md\nignored*\n")
    ),
    "renamed": _git("mv", "README.md", "dir/READ ME.md"),
    "renamed and changed": _all(_git("mv", "README.md", "R.md"), _write("R.md", "one\ntwo\nthree\nfour\n")),
    "renamed by hand": _all(_unlink("README.md"), _write("R.md", "one\ntwo\nthree\n")),
    "executable bit set": _mode("README.md", 0o755),
    "executable bit taken": _mode("tool.sh", 0o644),
    "executable bit staged": _git("update-index", "--chmod=+x", "README.md"),
    "link changed": _link("dir/b.txt", "link"),
    "link to nowhere": _link("no/where\nat all", "dangling"),
    "link became file": _all(_unlink("link"), _write("link", "dir/a.txt")),
    "file became link": _link("tool.sh", "README.md"),
    "link to directory became directory": _all(_unlink("link-to-dir"), _write("link-to-dir/a.txt", "mine\n")),
    "directory became file": _all(_git("rm", "-r", "--quiet", "dir"), _write("dir", "file\n")),
    "directory became link": _all(_git("rm", "-r", "--quiet", "dir"), _git("reset", "--quiet"), _link("src", "dir")),
    "file became directory": _all(_unlink("README.md"), _write("README.md/inside/x", "x\n")),
    "file became directory, staged": _all(
        _unlink("README.md"), _write("README.md/x", "x\n"), _git("add", "--all", "README.md")
    ),
    "end of lines": _all(
        _write("crlf.txt", b"one\r\nTWO\r\n"),
        _write("new-crlf.txt", b"a\r\nb\r\n"),
        _write("new-mixed.txt", b"a\r\nb\nc\r"),
    ),
    "end of lines, staged": _all(
        _write("crlf.txt", b"one\r\nTWO\r\nthree\n"), _git("add", "crlf.txt"), _write("mixed.txt", b"\r\r\n\n\r\n")
    ),
    "attributes changed": _all(
        _write(".gitattributes", "* text eol=crlf\n*.bin -text\n"), _write("n.txt", b"a\nb\r\n")
    ),
    "names": _all(
        _write("name with spaces.txt", "changed\n"),
        _write('line\nfeed\t"quote".txt', "changed\n"),
        _write("gr\u00fc\u00df-\u65e5\u672c.txt", "changed\n"),
        _write('new \n\t"\\ \u00e9.txt', "new\n"),
        _write("-dash", "new\n"),
        _write(":(glob)*", "new\n"),
        _git("add", "--", "./-dash"),
    ),
    "names that are not UTF-8": _odd_bytes,
    "binary": _all(_write("data.bin", bytes(reversed(range(256)))), _write("big.bin", os.urandom(300_000))),
}


def state_of_checkout(world: World, path: str) -> dict[str, str]:
    """Everything that counts in a checkout: commit, index entries, and every file's content, executable bit and link
    target, ignored files included."""
    found = {
        "HEAD": world.git(path, "rev-parse", "--verify", "--quiet", "HEAD", check=False),
        "branch": world.git(path, "symbolic-ref", "--quiet", "HEAD", check=False),
    }
    for line in world.git(path, "ls-files", "--stage", "-z").split("\0"):
        if line:
            facts, _, name = line.partition("\t")
            found[f"index {name!r}"] = facts
    for folder, names, files in os.walk(path):
        if ".git" in names:
            names.remove(".git")
        for name in (*files, *(each for each in names if os.path.islink(os.path.join(folder, each)))):
            full = os.path.join(folder, name)
            found[f"file {os.path.relpath(full, path)!r}"] = _content(full)
    return found


def _content(path: str) -> str:
    if os.path.islink(path):
        return f"-> {os.readlink(path)!r}"
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        return f"{'x' if mode & stat.S_IXUSR else '-'} {file.read()!r}"
