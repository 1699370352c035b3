"""git's own lock files that a killed git left behind: found, and removed only when nobody can be using them."""

from __future__ import annotations

import os
import re

_LOOSE = re.compile(r"[0-9a-f]{2}").fullmatch


def remove_stale_locks(git_dir: str, *, since_ns: int, work_tree: str = "") -> list[str]:
    """Remove the lock files in `git_dir` that are not older than `since_ns` (file time in nanoseconds) and that no
    live process holds; give their paths.

    A lock of the user's own git that is at work is left: a process has it open, or git runs in the checkout.
    """
    stale = []
    for path in lock_files(git_dir):
        try:
            newer = os.lstat(path).st_mtime_ns >= since_ns
        except FileNotFoundError:
            continue
        if newer:
            stale.append(path)
    if not stale:
        return []
    used = _in_use({os.path.realpath(path) for path in stale}, os.path.realpath(work_tree or git_dir))
    removed = [path for path in stale if os.path.realpath(path) not in used]
    for path in removed:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
    return removed


def lock_files(git_dir: str) -> list[str]:
    """Every lock file git may have made in the repository `git_dir`."""
    found = []
    for folder, names, files in os.walk(git_dir):
        if os.path.basename(folder) == "objects":
            names[:] = [name for name in names if not _LOOSE(name)]
        found += [os.path.join(folder, name) for name in files if name.endswith(".lock")]
    return sorted(found)


def _in_use(paths: set[str], work_tree: str) -> set[str]:
    """Those of `paths` that a live process may be using."""
    if os.path.isdir("/proc/self/fd"):
        return _in_use_by_proc(paths, work_tree)
    return _in_use_by_lsof(paths)


def _in_use_by_proc(paths: set[str], work_tree: str) -> set[str]:
    used: set[str] = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as file:
                is_git = file.read().startswith("git")
            here = os.readlink(f"/proc/{name}/cwd")
            if is_git and (here == work_tree or here.startswith(work_tree + "/")):
                return paths
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                target = os.readlink(f"/proc/{name}/fd/{descriptor}")
                if target in paths:
                    used.add(target)
        except OSError:
            continue  # gone, or another user's
    return used


def _in_use_by_lsof(paths: set[str]) -> set[str]:
    from gr2.edges.process import Command, Runner

    done = Runner().run(Command(argv=("lsof", "-Fn", "--", *sorted(paths)), env=dict(os.environ), timeout=10))
    if done.exit_code == 127 or done.timed_out:
        return paths
    return {line[1:] for line in done.stdout.decode(errors="surrogateescape").splitlines() if line.startswith("n")}
