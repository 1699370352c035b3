"""What must hold after any disaster: nothing of the user's is lost, nothing half-made is visible, all is readable."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gr2.testing import World

# What may differ between two runs that did the same: moments (and so commits of gr2's making), processes, this machine.
_VOLATILE_KEY = re.compile(
    r"(?:.*_)?(?:at|since|timestamp|pid|mtime|mtime_ns|ino|inode|ctime|ctime_ns|deadline|boot|boot_id|monotonic"
    r"|duration_ms|fingerprint|last_read|port_base|commit|stash)"
)
_VOLATILE_TEXT = (
    (re.compile(r"\b(op|sv|ls)_[0-9a-f]{12}\b|\b(pg)_[0-9a-f]{8}\b"), r"\1\2_ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])"), "EVENT_ID"),
)
_STAMP_IN_NAME = re.compile(r"\d{8}T\d{6}\.\d+Z")
# A sink that is installed beside gr2 keeps its own books, and may be struck while it does.
_NOT_COMPARED = (
    ".grip/tmp",
    ".grip/state/locks",
    ".grip/events",
    ".grip/state/channel_times.jsonl",
    ".grip/state/sinks",
)


_REFLOG_TIME = re.compile(rb"(> )\d+ [+-]\d{4}(?=\t|$)", re.M)
# What git said of a repository holds for the same repository after another disaster.
_SOUND: set[str] = set()
_REACHABLE: dict[str, frozenset[str]] = {}
_STATES: dict[str, str] = {}


@dataclass(frozen=True)
class Belongings:
    """What a user had: contents (git's blob ids) by where they were seen, and commits by ref."""

    blobs: dict[str, str]
    commits: dict[str, str]


def blob_id(data: bytes) -> str:
    """The id git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data)).hexdigest()


def checkouts(root: str) -> list[str]:
    """Every directory below `root` that holds a `.git`, the inside of `.grip/tmp` left out."""
    found = []
    for folder, names, _ in os.walk(root):
        if os.path.relpath(folder, root) == ".grip/tmp":
            names.clear()
            continue
        if ".git" in names:
            found.append(folder)
            names.remove(".git")
    return sorted(found)


def bare_repositories(root: str) -> list[str]:
    """Every bare repository below `root`, the inside of `.grip/tmp` left out."""
    found = []
    for folder, names, files in os.walk(root):
        if ".git" in names:
            names.remove(".git")
        if os.path.relpath(folder, root) == ".grip/tmp":
            names.clear()
        elif "HEAD" in files and "objects" in names and os.path.basename(folder) != ".git":
            found.append(folder)
            names.clear()
    return sorted(found)


def belongings(world: World, *, but: str = "") -> Belongings:
    """Everything the user has in the checkouts of the workspace, `but` refs whose names begin so."""
    blobs: dict[str, str] = {}
    commits: dict[str, str] = {}
    for path in checkouts(world.root):
        place = os.path.relpath(path, world.root)
        for name, data in _files(path):
            blobs[f"{place}: worktree {name}"] = blob_id(data)
        for line in world.git(path, "ls-files", "--stage", "-z").split("\0"):
            if line and not line.startswith("160000"):
                blobs[f"{place}: index {line.partition(chr(9))[2]}"] = line.split()[1]
        for line in world.git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines():
            name, _, sha = line.partition(" ")
            if not but or not name.startswith(but):
                commits[f"{place}: {name}"] = sha
        for line in world.git(path, "reflog", "show", "--format=%H", "refs/stash", "--", check=False).splitlines():
            commits[f"{place}: stash {line}"] = line
        head = world.git(path, "rev-parse", "--verify", "--quiet", "HEAD", check=False)
        if head:
            commits[f"{place}: HEAD"] = head
    return Belongings(blobs, commits)


def assert_nothing_lost(before: Belongings, world: World) -> None:
    """Everything of `before` is still in a worktree, an index, or reachable from a ref, reflog, stash or saved copy."""
    kept: set[str] = set()
    for path in checkouts(world.root):
        kept |= {blob_id(data) for _, data in _files(path)}
    for top in (".grip/state/saved", ".grip/trash"):
        kept |= {blob_id(data) for _, data in _files(world.path(top))}
    for path in [*checkouts(world.root), *bare_repositories(world.root)]:
        kept |= _reachable(path, world)
    lost = {where: sha for where, sha in {**before.blobs, **before.commits}.items() if sha not in kept}
    assert not lost, f"lost: {lost}"


def _reachable(path: str, world: World) -> frozenset[str]:
    known = _fingerprint(path)
    if known not in _REACHABLE:
        _REACHABLE[known] = _ask_reachable(path, world)
    return _REACHABLE[known]


def _ask_reachable(path: str, world: World) -> frozenset[str]:
    # A repository that is torn keeps nothing safe: its error is the finding.
    listing = world.git(path, "rev-list", "--objects", "--all", "--reflog", "--indexed-objects", "HEAD", check=False)
    if not listing:
        listing = world.git(path, "rev-list", "--objects", "--all", "--reflog", "--indexed-objects")
    return frozenset(line.split(" ", 1)[0] for line in listing.splitlines())


def _fingerprint(path: str) -> str:
    """The same for two states of the repository at `path` in which git says the same of it.

    What is left out of the contents: the times of files that an index notes, and those of a reflog's lines.
    """
    digest = hashlib.sha1(os.fsencode(path))
    bare = not os.path.isdir(os.path.join(path, ".git"))
    for folder, names, files in os.walk(path):
        names.sort()
        inside = os.path.relpath(folder, path)
        is_object = "objects" in inside.split(os.sep)
        for name in [*names, *sorted(files)]:
            found = os.path.join(folder, name)
            about = os.lstat(found)
            digest.update(b"%s\0%o\0" % (os.fsencode(os.path.join(inside, name)), about.st_mode))
            if stat.S_ISLNK(about.st_mode):
                digest.update(os.fsencode(os.readlink(found)))
            elif is_object and name != "alternates":
                digest.update(b"%d" % (about.st_size if name in files else 0))
            elif name in files:
                digest.update(_timeless(inside, name, Path(found).read_bytes()))
    alternates = Path(path if bare else os.path.join(path, ".git"), "objects/info/alternates")
    if alternates.exists():
        for line in alternates.read_text(encoding="utf-8").splitlines():
            digest.update(_fingerprint(os.path.dirname(line)).encode())
    return digest.hexdigest()


def _timeless(inside: str, name: str, data: bytes) -> bytes:
    if "logs" in inside.split(os.sep):
        return _REFLOG_TIME.sub(rb"\1", data)
    if name != "index" or data[:8] != b"DIRC\0\0\0\2":
        return data
    # Format 2 (gitformat-index): 12 bytes, then per entry 24 bytes of times, device and inode, 38 more, the name, NULs
    # up to a multiple of eight.
    parts, at = [], 12
    for _ in range(int.from_bytes(data[8:12], "big")):
        end = data.index(b"\0", at + 62)
        parts.append(data[at + 24 : end])
        at += (end - at + 8) & ~7
    return b"".join([*parts, data[at:-20]])


def _files(top: str) -> Iterator[tuple[str, bytes]]:
    for folder, names, files in os.walk(top):
        if ".git" in names:
            names.remove(".git")
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                yield os.path.relpath(path, top), os.fsencode(os.readlink(path))
            elif stat.S_ISREG(os.lstat(path).st_mode):
                yield os.path.relpath(path, top), Path(path).read_bytes()


def assert_whole(world: World, before: Sequence[str]) -> None:
    """No checkout, lane, mirror or state file at a final path is half-made. `before`: checkouts the user had."""
    for path in final_checkouts(world):
        assert os.path.isdir(os.path.join(path, ".git")), f"half-made: {path} has no .git: {os.listdir(path)}"
        _assert_sound(path, world)
        if path not in before:
            assert world.git(path, "status", "--porcelain") == "", f"half-made: {path} is not clean"
    for path in checkouts(world.root):
        _assert_sound(path, world)
    for folder, names, files in os.walk(world.root):
        if os.path.basename(os.path.dirname(folder)) == "lanes" and "repos" in names:
            assert "lane.toml" in files, f"half-made: lane {folder} has no lane.toml"
    mirrors = world.path(".grip/cache/repos")
    for name in os.listdir(mirrors) if os.path.isdir(mirrors) else ():
        _assert_sound(os.path.join(mirrors, name), world)


def final_checkouts(world: World) -> list[str]:
    """The final paths of checkouts that exist, by the spec and the lanes there are."""
    try:
        spec = tomllib.loads(world.read(".grip/workspace_spec.toml"))
    except FileNotFoundError:
        return []
    found = [world.path(repo["path"]) for repo in spec.get("repos", [])]
    for unit in spec.get("units", []):
        top = Path(world.path(unit["path"]))
        found += [str(path) for path in top.glob("repos/*")]
        found += [str(path) for path in top.glob("lanes/**/repos/*") if ".git" not in path.parts]
    return [path for path in found if os.path.lexists(path)]


def _assert_sound(path: str, world: World) -> None:
    known = _fingerprint(path)
    if known in _SOUND:
        return
    world.git(path, "rev-parse", "--verify", "HEAD^{commit}")
    world.git(path, "fsck", "--connectivity-only", "--no-dangling")
    if not path.endswith(".git"):
        world.git(path, "status", "--porcelain")
    _SOUND.add(known)


def assert_readable(world: World) -> None:
    """Every state file under `.grip`, every lane.toml and the spec parse."""
    for folder, names, files in os.walk(world.root):
        if os.path.relpath(folder, world.root) in {".grip/tmp", ".grip/cache", ".grip/trash"}:
            names.clear()
            continue
        if ".git" in names:
            names.clear()
            continue
        for name in files:
            path = Path(folder, name)
            if name.endswith(".json") and "/.grip/" in f"{folder}/":
                json.loads(path.read_bytes())
            elif name.endswith(".toml"):
                tomllib.loads(path.read_text(encoding="utf-8"))


def assert_log_is_dense(world: World, *, torn_tail: bool = False) -> list[dict]:
    """All events, oldest first: valid envelopes whose seq counts 1, 2, 3 … over all archives.

    torn_tail: the last line of the last file may be a part of one, which is then left out.
    """
    events = []
    folder = Path(world.path(".grip/events"))
    names = sorted(path.name for path in folder.glob("outbox.2*.jsonl")) if folder.is_dir() else []
    names += ["outbox.jsonl"] if (folder / "outbox.jsonl").exists() else []
    for name in names:
        lines = (folder / name).read_bytes().split(b"\n")
        rest = lines.pop()
        assert not rest or (torn_tail and name == "outbox.jsonl"), f"{name} ends in a part of a line: {rest!r}"
        events += [json.loads(line) for line in lines]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids), "two events with one id"
    for event in events:
        assert event["version"] == 1
        assert re.fullmatch("[0-9a-f]{16}", event["event_id"])
        assert event["timestamp"]
        assert event["type"]
    return events


def assert_no_temporaries(world: World) -> None:
    """Nothing is left under `.grip/tmp`, nor a lock of git's in any repository."""
    top = world.path(".grip/tmp")
    assert not os.path.isdir(top) or os.listdir(top) == [], f"left behind: {os.listdir(top)}"
    for path in [*checkouts(world.root), *bare_repositories(world.root)]:
        git_dir = os.path.join(path, ".git") if os.path.isdir(os.path.join(path, ".git")) else path
        locks = [str(lock) for lock in Path(git_dir).rglob("*.lock")]
        assert not locks, f"left behind: {locks}"


def state_of(world: World, *, ignore: Sequence[str] = ()) -> dict[str, str]:
    """The workspace as two runs that did the same leave it: every file, link and repository, without ids and times.

    ignore: paths, relative to the workspace, that are left out with all below them.
    """
    left_out = {*_NOT_COMPARED, *ignore}
    found: dict[str, list[str]] = {}
    for folder, names, files in os.walk(world.root):
        place = os.path.relpath(folder, world.root)
        if place in left_out:
            names.clear()
            continue
        if ".git" in names:
            names.remove(".git")
            found.setdefault(f"{_without_ids(place)}/.git", []).append(_state_of_git(folder, world))
        elif "HEAD" in files and "objects" in names:
            found.setdefault(_without_ids(place), []).append(_state_of_git(folder, world))
            names.clear()
            continue
        for name in [*files, *(each for each in names if os.path.islink(os.path.join(folder, each)))]:
            path = os.path.join(folder, name)
            relative = os.path.normpath(os.path.join(place, name))
            if relative not in left_out:
                found.setdefault(_without_ids(relative), []).append(_state_of_file(path))
    # Names that are ids are all the same name here.
    return {name: "\n".join(sorted(states)) for name, states in found.items()}


def _state_of_file(path: str) -> str:
    if os.path.islink(path):
        return f"-> {os.readlink(path)}"
    text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    if path.endswith(".json") and "/.grip/" in path:
        text = json.dumps(_without_volatile(json.loads(text)), sort_keys=True)
    return f"{stat.S_IMODE(os.lstat(path).st_mode):o} {_without_ids(text)}"


def _without_volatile(value: object) -> object:
    if isinstance(value, dict):
        return {
            _without_ids(key): _without_volatile(item)
            for key, item in value.items()
            if not _VOLATILE_KEY.fullmatch(key)
        }
    return [_without_volatile(item) for item in value] if isinstance(value, list) else value


def _without_ids(text: str) -> str:
    for pattern, instead in _VOLATILE_TEXT:
        text = pattern.sub(instead, text)
    return _STAMP_IN_NAME.sub("STAMP", text)


def _state_of_git(path: str, world: World) -> str:
    known = _fingerprint(path)
    if known not in _STATES:
        _STATES[known] = _ask_state(path, world)
    return _STATES[known]


def _ask_state(path: str, world: World) -> str:
    bare = not os.path.isdir(os.path.join(path, ".git"))
    git_dir = path if bare else os.path.join(path, ".git")
    refs = []
    for line in world.git(path, "for-each-ref", "--format=%(refname) %(objectname) %(tree) %(symref)").splitlines():
        name, sha, tree, *symref = line.split(" ")
        # A commit of gr2's own making holds the time it was made.
        refs.append(f"{_without_ids(name)} {tree if name.startswith(('refs/stash', 'refs/gr2/')) else sha} {symref}")
    config = Path(git_dir, "config").read_text(encoding="utf-8")
    alternates = Path(git_dir, "objects/info/alternates")
    parts = [*refs, Path(git_dir, "HEAD").read_text(encoding="utf-8"), config]
    parts.append(alternates.read_text(encoding="utf-8") if alternates.exists() else "no alternates")
    if not bare:
        parts += [world.git(path, "ls-files", "--stage"), world.git(path, "status", "--porcelain=v2")]
    return _without_ids("\n".join(parts))


def differences(one: dict[str, str], other: dict[str, str]) -> str:
    """What differs between two states, for a person; "" when nothing does."""
    lines = [f"only undisturbed: {name}" for name in sorted(set(one) - set(other))]
    lines += [f"only after the disaster: {name}" for name in sorted(set(other) - set(one))]
    for name in sorted(set(one) & set(other)):
        if one[name] != other[name]:
            lines.append(f"{name}:\n  undisturbed: {one[name][:2000]}\n  after it:    {other[name][:2000]}")
    return "\n".join(lines)


def run_plain(argv: Sequence[str], *, cwd: str, env: dict[str, str]) -> tuple[int, str, str]:
    """Run a command without any shim; how it ended, its output and its errors."""
    ran = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", timeout=100)
    return ran.returncode, ran.stdout, ran.stderr
