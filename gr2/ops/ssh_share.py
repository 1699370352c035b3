"""One SSH connection for each host while a sync fetches, unless the user's own configuration says how to connect.

It is ssh's own sharing (ControlMaster, ssh_config(5)): a master is opened first, every git then goes through its
socket in a private directory, and it is closed at the end. Should gr2 be killed, the master ends by itself.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gr2.edges.files import remove_tree
from gr2.edges.process import Command
from gr2.model.records import dataclass
from gr2.model.url import scheme_of
from gr2.session import Session

_PERSIST_SECONDS = 20
_CONNECT_SECONDS = 30.0
_SOCKET_LIMIT = 80
"""Bytes of a socket's path, ssh's temporary suffix left out: a Unix socket's is limited to about 104."""
_SCP = re.compile(r"(?:([^@/]+)@)?(\[[^]]+\]|[^:/]+):")
_URL = re.compile(r"(?:git\+)?ssh(?:\+git)?://(?:([^@/]*)@)?(\[[^]]+\]|[^:/]+)(?::(\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Destination:
    """Where ssh is to connect to."""

    host: str
    user: str = ""
    port: str = ""

    @property
    def words(self) -> list[str]:
        """It as arguments of ssh."""
        user = ["-l", self.user] if self.user else []
        return [*user, *(["-p", self.port] if self.port else []), "--", self.host]


def destination_of(url: str) -> Destination | None:
    """Where the ssh URL `url` leads, None for any other URL."""
    if scheme_of(url) not in {"ssh", "git+ssh", "ssh+git"}:
        return None
    match = _URL.match(url)
    if match is not None:
        return Destination(match.group(2).strip("[]"), match.group(1) or "", match.group(3) or "")
    match = _SCP.match(url)
    return Destination(match.group(2).strip("[]"), match.group(1) or "") if match else None


@contextmanager
def shared_connections(session: Session, urls: Iterable[str], *, temporary: str) -> Iterator[Mapping[str, str]]:
    """Environment for git in which it shares one connection per host; empty where that is not gr2's to decide."""
    places = list(dict.fromkeys(found for found in map(destination_of, urls) if found is not None))
    if not places or not _is_ours_to_decide(session):
        yield {}
        return
    with _folder(temporary) as folder:
        socket = folder.replace("%", "%%") + "/%C"
        options = ["-o", "ControlMaster=auto", "-o", f'ControlPath="{socket}"']
        opened = _open(session, [place for place in places if _is_unset(session, place)], options)
        if not opened:
            yield {}
            return
        try:
            # `auto` with an open master: its users go through it, a host without one connects for itself.
            yield {"GIT_SSH_COMMAND": shlex.join(["ssh", *options]), "GIT_SSH_VARIANT": "ssh"}
        finally:
            _close(session, opened, options)


def _is_ours_to_decide(session: Session) -> bool:
    if any(session.asked.environ.get(name) for name in ("GIT_SSH", "GIT_SSH_COMMAND")):
        return False
    return not session.git.run(["config", "--get", "core.sshCommand"], ok=(0, 1)).strip()


def _is_unset(session: Session, place: Destination) -> bool:
    """Whether the user's ssh configuration leaves sharing open for this host."""
    done = session.runner.run(_ssh(session, ["-G", *place.words], timeout=10))
    if done.exit_code != 0:
        return False
    said = dict(line.split(" ", 1) for line in done.stdout.decode(errors="replace").splitlines() if " " in line)
    return said.get("controlmaster", "false") in {"false", "no"} and said.get("controlpath", "none") == "none"


def _open(session: Session, places: Sequence[Destination], options: Sequence[str]) -> list[Destination]:
    persist = ["-o", f"ControlPersist={_PERSIST_SECONDS}"]
    commands = [_ssh(session, [*options, *persist, "-fN", *place.words], timeout=_CONNECT_SECONDS) for place in places]
    done = session.runner.run_many(commands, jobs=8)
    return [places[index] for index, completed in done if completed.exit_code == 0]


def _close(session: Session, places: Sequence[Destination], options: Sequence[str]) -> None:
    commands = [_ssh(session, [*options, "-O", "exit", *place.words], timeout=10) for place in places]
    # Also when gr2 was told to stop: that is when it matters.
    runner = session.git.undisturbed().runner
    for _ in runner.run_many(commands, jobs=8):
        continue


def _ssh(session: Session, args: Sequence[str], *, timeout: float) -> Command:
    return Command(argv=("ssh", *args), env=dict(session.asked.environ), timeout=timeout)


@contextmanager
def _folder(temporary: str) -> Iterator[str]:
    """A private directory whose path is short enough for a socket: inside `temporary` if that is."""
    path = os.path.join(temporary, "s")
    if len(os.fsencode(path)) + 41 > _SOCKET_LIMIT:
        import tempfile

        path = tempfile.mkdtemp(prefix="gr2-")
    else:
        os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        remove_tree(path)
