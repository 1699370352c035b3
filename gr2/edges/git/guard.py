"""Keeps a checkout's own configuration from running programs or redirecting what gr2 does.

git reads `.git/config` of every repository it works in, and many of its keys name programs (git-config(1)). gr2 honours
the user's and the system's configuration and takes these keys away from the repository's: a value given on the command
line wins over the file, so each dangerous key found there is overridden by the user's own value, or by a harmless one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from gr2.model.records import dataclass

_HEADER = re.compile(r'\[([A-Za-z0-9-]+)(?: "((?:[^"\\\n]|\\["\\])*)")?\]')
_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?")

# What git itself, gh and the common editors write into a fresh clone. Anything else is looked at with git's own parser.
_PLAIN: dict[str, frozenset[str]] = {
    "core": frozenset(
        [
            "repositoryformatversion",
            "filemode",
            "bare",
            "logallrefupdates",
            "ignorecase",
            "precomposeunicode",
            "symlinks",
            "autocrlf",
            "eol",
            "safecrlf",
            "sparsecheckout",
            "sparsecheckoutcone",
            "abbrev",
            "quotepath",
            "untrackedcache",
            "preloadindex",
            "longpaths",
        ]
    ),
    "remote": frozenset(
        ["url", "fetch", "tagopt", "prune", "promisor", "partialclonefilter", "gh-resolved", "pushdefault"]
    ),
    "branch": frozenset(
        ["remote", "merge", "rebase", "description", "gh-merge-base", "vscode-merge-base", "autosetuprebase"]
    ),
    "user": frozenset(["name", "email", "signingkey", "useconfigonly"]),
    "extensions": frozenset(["objectformat", "partialclone", "preciousobjects", "refstorage"]),
    "submodule": frozenset(["active", "url"]),
    "pull": frozenset(["rebase", "ff"]),
    "push": frozenset(["default", "autosetupremote", "followtags"]),
    "gc": frozenset(["auto", "autodetach"]),
    "maintenance": frozenset(["auto", "strategy"]),
    "index": frozenset(["version", "sparse"]),
    "advice": frozenset(["detachedhead"]),
    "gr2": frozenset(["mirrorof"]),
}

_USE_DEFAULT = {
    "core.sshcommand": "ssh",
    "gpg.program": "gpg",
    "gpg.openpgp.program": "gpg",
    "gpg.x509.program": "gpgsm",
    "gpg.ssh.program": "ssh-keygen",
}
_EMPTY = re.compile(
    r"core\.(?:askpass|editor|pager|alternaterefscommand|attributesfile)"
    r"|filter\..*\.(?:clean|smudge|process|required)"
    r"|diff\.external|diff\..*\.(?:command|textconv|cachetextconv)"
    r"|credential\..*|sequence\.editor|trailer\..*\.(?:command|cmd)|gpg\.ssh\.defaultkeycommand"
    r"|commit\.gpgsign|tag\.gpgsign|push\.gpgsign|http\..*proxy.*|http\.(?:.*\.)?cookiefile"
)
# A value on the command line cannot take these away, or an empty one would break git: refused where they would matter.
_REFUSED = re.compile(
    r"url\..*\.(?:insteadof|pushinsteadof)|remote\..*\.(?:vcs|proxy|pushurl)|core\.gitproxy"
    r"|http\..*|protocol\..*|ssh\..*|uploadpack\..*|receive\..*|transfer\..*|fetch\.bundle.*"
)
# Of these git takes the first value it reads, the file's: only an option of the verb wins over them.
_PROGRAM = re.compile(r"remote\..*\.(uploadpack|receivepack)")
_OPTION = {"uploadpack": ("--upload-pack", "git-upload-pack"), "receivepack": ("--receive-pack", "git-receive-pack")}
_HELPER = re.compile(r"credential\.(?:.*\.)?helper")
_PARTIAL = re.compile(r"extensions\.partialclone|remote\..*\.(?:promisor|partialclonefilter)")


@dataclass(frozen=True)
class Guard:
    """What must be put over a repository's own configuration.

    overrides: keys and values. refused: keys that make talking to a remote from it unsafe. programs: options (such as
    `--upload-pack`) and values for the verbs that talk to a remote. partial: any verb may talk to a remote, because
    objects are missing here.
    """

    overrides: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, ...] = ()
    programs: tuple[tuple[str, str], ...] = ()
    partial: bool = False


_NOTHING = Guard()


def is_plain(config: bytes) -> bool:
    """Whether the text of a `.git/config` holds only lines that can neither run nor redirect anything."""
    try:
        text = config.decode()
    except UnicodeDecodeError:
        return False
    allowed: frozenset[str] = frozenset()
    # Only what git takes for a line's end: to it a form feed is a part of the line.
    for raw in text.split("\n"):
        line = raw.strip(" \t\r")
        if not line or line[0] in "#;":
            continue
        header = _HEADER.fullmatch(line)
        if header is not None:
            allowed = _PLAIN.get(header.group(1).lower(), frozenset())
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is None or line.endswith("\\") or entry.group(1).lower() not in allowed:
            return False
    return True


def guard_for(git_dir: str, ask: Callable[[], bytes]) -> Guard:
    """The guard for the repository at `git_dir`. `ask` runs `git config --list --show-scope --includes -z` there."""
    try:
        with open(os.path.join(git_dir, "config"), "rb") as file:
            # With a `commondir` git reads another directory's configuration (gitrepository-layout(5)).
            if is_plain(file.read(1 << 20)) and not os.path.lexists(os.path.join(git_dir, "commondir")):
                return _NOTHING
    except OSError:
        # A worktree or submodule keeps its configuration elsewhere, or there is none: git knows.
        pass
    return from_listing(ask())


def from_listing(listing: bytes) -> Guard:
    """The guard that a listing of all configuration with its scopes calls for."""
    local: list[str] = []
    outer: dict[str, list[str]] = {}
    fields = listing.decode(errors="surrogateescape").split("\0")
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = entry.partition("\n")
        if scope in {"local", "worktree"}:
            local.append(key)
        elif scope in {"system", "global"}:
            outer.setdefault(key, []).append(value)
    overrides: list[tuple[str, str]] = []
    programs: dict[str, str] = {}
    for key in dict.fromkeys(local):
        program = _PROGRAM.fullmatch(key)
        if program is not None:
            option, usual = _OPTION[program.group(1)]
            programs[option] = next(iter(outer.get(key, [])), usual)
        else:
            overrides += _override(key, outer.get(key, []))
    if any(_HELPER.fullmatch(key) for key in local):
        # An empty helper clears all those named before it (gitcredentials(7)), the user's too.
        theirs = [(key, value) for key, values in outer.items() if _HELPER.fullmatch(key) for value in values]
        overrides += [("credential.helper", ""), *theirs]
    refused = tuple(dict.fromkeys(key for key in local if _REFUSED.fullmatch(key) and not _EMPTY.fullmatch(key)))
    partial = any(_PARTIAL.fullmatch(key) for key in local)
    return Guard(tuple(overrides), refused, tuple(programs.items()), partial)


def _override(key: str, outer: Iterable[str]) -> list[tuple[str, str]]:
    theirs = [(key, value) for value in outer]
    if _HELPER.fullmatch(key):
        return []
    if re.fullmatch(r"merge\..*\.driver", key):
        return theirs or [(key, "git merge-file --marker-size=%L %A %O %B")]
    if key in _USE_DEFAULT:
        return theirs or [(key, _USE_DEFAULT[key])]
    if _EMPTY.fullmatch(key):
        return theirs or [(key, "")]
    return []
