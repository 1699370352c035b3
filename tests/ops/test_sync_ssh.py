"""Sync over ssh, with the real ssh and a real sshd on this machine's loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gr2.testing import World

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])) or ""
SSH = shutil.which("ssh") or ""
REPOS = [f"r{number:02}" for number in range(12)]


@dataclass
class Server:
    """An sshd that lets its own user in. `log` is what it says."""

    folder: Path
    port: int
    log: Path

    def connections(self) -> int:
        """How often somebody signed in."""
        return self.log.read_text(encoding="utf-8").count("Accepted publickey")

    def wait_until_nobody_is_there(self) -> None:
        """Returns once every connection has ended."""
        deadline = time.monotonic() + 30
        while self.log.read_text(encoding="utf-8").count("Disconnected from user") < self.connections():
            assert time.monotonic() < deadline, self.log.read_text(encoding="utf-8")
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    """A running sshd, and an `ssh` on the world's PATH that knows it as shop.example."""
    folder = Path(world.base, "sshd")
    folder.mkdir()
    _key(folder / "host")
    _key(folder / "user")
    shutil.copy(folder / "user.pub", folder / "authorized")
    found = Server(folder, _free_port(), folder / "log")
    settings = {
        "ListenAddress": f"127.0.0.1:{found.port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "LogLevel": "VERBOSE",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()), encoding="utf-8")
    known = {
        "HostName": "127.0.0.1",
        "Port": found.port,
        "User": pwd.getpwuid(os.getuid()).pw_name,
        "IdentityFile": folder / "user",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": folder / "known_hosts",
        "StrictHostKeyChecking": "accept-new",
        "BatchMode": "yes",
    }
    lines = "".join(f"    {key} {value}\n" for key, value in known.items())
    (folder / "client").write_text(f"Host shop.example\n{lines}", encoding="utf-8")
    script = world.write(f"{world.base}/bin/ssh", f'#!/bin/sh\nexec {SSH} -F {folder}/client "$@"\n')
    os.chmod(script, 0o755)
    world.env["PATH"] = f"{world.base}/bin{os.pathsep}{world.env['PATH']}"
    del world.env["GIT_SSH_COMMAND"]  # "false": no test leaves this machine, and this one does not either
    argv = [SSHD, "-D", "-E", str(found.log), "-f", str(folder / "config")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not found.log.exists() or "listening" not in found.log.read_text(encoding="utf-8"):
            assert process.poll() is None, "sshd ended; as root it wants a directory /run/sshd"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        process.wait()


def workspace(world: World) -> None:
    """Twelve repos on one host, cloned and mirrored."""
    world.write_spec(repos={name: {"url": f"ssh://shop.example{world.remote(name)}"} for name in REPOS}, units=[])
    applied = world.call("apply", "--json")
    assert applied.json["status"] == "success", applied.stdout


def test_a_sync_of_many_repos_signs_in_once(world: World, server: Server) -> None:
    workspace(world)
    server.wait_until_nobody_is_there()
    before = server.connections()
    heads = {name: world.commit(name, {"new.txt": "new\n"}) for name in REPOS}

    ran = world.call("sync", "run", "--json")

    assert (ran.exit_code, ran.json["status"]) == (0, "success"), ran.stdout
    assert {name: world.git(f"repos/{name}", "rev-parse", "HEAD") for name in REPOS} == heads
    assert server.connections() - before == 1
    server.wait_until_nobody_is_there()


def test_without_sharing_each_git_signs_in(world: World, server: Server) -> None:
    workspace(world)
    before = server.connections()

    ran = world.call("sync", "run", "--json", env={"GIT_SSH_COMMAND": "ssh"})

    assert (ran.exit_code, ran.json["status"]) == (0, "success"), ran.stdout
    assert server.connections() - before >= len(REPOS), "the user's own command is used as it is"


def test_why_a_host_does_not_let_one_in_is_told(world: World, server: Server) -> None:
    workspace(world)
    (server.folder / "authorized").write_text("", encoding="utf-8")

    ran = world.call("sync", "run", "--keep-going", "--json")

    assert ran.json["status"] in {"failed", "blocked"}, ran.stdout
    assert {issue["subject"] for issue in ran.json["issues"] if issue["blocking"]} >= set(REPOS)
    assert all("Permission denied" in issue["message"] for issue in ran.json["issues"] if issue["blocking"])
