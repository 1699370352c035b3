"""Which repository on which GitHub a URL means. Nothing here contacts anyone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gr2.api import Git

GITHUB = "github.com"
# Names GitHub itself gives github.com: ssh over the https port, and the one browsers show.
_ALIASES = {"ssh.github.com": GITHUB, "www.github.com": GITHUB}

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_SCHEME = re.compile(r"(https?|ssh|git|git\+ssh|ssh\+git)://(?:[^/@]*@)?([^/:@]+)(?::[0-9]*)?/(.*)", re.IGNORECASE)
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:@]+):(?!//)/?(.*)")
_PATH = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)/([A-Za-z0-9_.-]+)")
# The keys of the outermost mapping of a YAML file in the form gh writes; everything indented stays unread.
_TOP_KEY = re.compile(r"""(["']?)([^\s"'#:]+)\1:\s*(?:#.*)?""")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A repository: the host gh is asked for, and who owns it."""

    host: str
    owner: str
    name: str

    @property
    def path(self) -> str:
        """Its path in the REST API."""
        return f"repos/{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def is_host(text: str) -> bool:
    """Whether `text` is a host name as gh takes it: no scheme, port or path."""
    return _HOST.fullmatch(text.lower()) is not None


def address_of(url: str) -> Address | None:
    """The repository that `url` (https, ssh, git, or the scp-like form) means, None for anything else."""
    if url.startswith((".", "/", "-")):
        return None
    match = _SCHEME.fullmatch(url)
    host, rest = (match.group(2), match.group(3)) if match else ("", "")
    if match is None and "://" not in url:
        scp = _SCP.fullmatch(url)
        host, rest = (scp.group(1), scp.group(2)) if scp else ("", "")
    path = _PATH.fullmatch(rest.rstrip("/").removesuffix(".git"))
    host = host.lower()
    if not is_host(host) or path is None or path.group(2) in {".", ".."}:
        return None
    return Address(host=_ALIASES.get(host, host), owner=path.group(1), name=path.group(2))


def hosts_of_gh(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts gh is signed in to: the keys of its `hosts.yml` (never what stands below them), and `GH_HOST`."""
    hosts = [environ["GH_HOST"].lower()] if is_host(environ.get("GH_HOST", "")) else []
    try:
        with open(os.path.join(_config_dir(environ), "hosts.yml"), encoding="utf-8", errors="replace") as file:
            for line in file:
                match = None if line[:1].isspace() else _TOP_KEY.fullmatch(line.rstrip())
                if match and is_host(match.group(2)):
                    hosts.append(match.group(2).lower())
    except OSError:
        pass
    return tuple(dict.fromkeys(hosts))


def _config_dir(environ: Mapping[str, str]) -> str:
    # The order of gh's own documentation (`gh help environment`).
    if environ.get("GH_CONFIG_DIR"):
        return environ["GH_CONFIG_DIR"]
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", ""), ".config")
    return os.path.join(base, "gh")


class Rewrites:
    """The user's `url.<base>.insteadOf` (git-config(1)): the longest matching prefix wins. Read once, when needed."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._known: tuple[tuple[str, str], ...] | None = None

    def apply(self, url: str) -> str:
        """`url` as git would use it."""
        if self._known is None:
            self._known = self._read()
        found = max(
            (pair for pair in self._known if url.startswith(pair[0])), key=lambda pair: len(pair[0]), default=None
        )
        return url if found is None else found[1] + url[len(found[0]) :]

    def _read(self) -> tuple[tuple[str, str], ...]:
        # --global: a repository gr2 happens to stand in has no say in what a URL of the spec means.
        args = ("config", "--global", "--includes", "-z", "--get-regexp", r"^url\..*\.insteadof$")
        listed = self._git.run(args, ok=(0, 1), timeout=10).decode(errors="surrogateescape")
        pairs = (entry.partition("\n") for entry in listed.split("\0") if entry)
        return tuple((prefix, key[len("url.") : -len(".insteadof")]) for key, _, prefix in pairs if prefix)
