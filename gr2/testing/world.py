"""A world of its own for one test: remotes with some history, a workspace, a home without any configuration.

Everything is real: real git, real repositories, the real command line. Nothing outside the world's directory is
read (except programs and the system's git configuration) or written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gr2.model.records import dataclass
from gr2.testing.control import ControlledClock, SeededIds
from gr2.testing.known_plugins import know_plugins
from gr2.testing.remotes import Remotes, import_commit

if TYPE_CHECKING:
    from gr2.session import Progress, Session

_GITCONFIG = """\
[user]
\tname = Robin Tester
\temail = robin@example.org
[init]
\tdefaultBranch = main
"""
_DEAD_PROXY = "http://127.0.0.1:9"
_PASSED_ON = ("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Tables = Sequence[str] | Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Ran:
    """How one run of gr2 ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON document on stdout. Fails the test when stdout is anything else."""
        try:
            found = json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"stdout is not one JSON document ({error}):\n{self.stdout}\n{self.stderr}") from error
        assert isinstance(found, dict), f"not a JSON object: {self.stdout}"
        return found

    @property
    def codes(self) -> list[str]:
        """The codes of the document's issues, in order."""
        return [issue["code"] for issue in self.json["issues"]]


class World:
    """What the `world` fixture hands out.

    root: the workspace's absolute path (an empty directory at first, the current directory of the test).
    home: a home directory with a `.gitconfig` that names an author, and gr2's index of the installed plugins.
    env: the environment of everything run here.
    clock, ids: what `session` uses; a real `gr2` process has its own.
    unit, other_unit: the units of the default spec; actor, other_actor: who works for them.
    """

    unit = "alpha"
    other_unit = "beta"
    actor = "agent:alpha"
    other_actor = "agent:beta"

    def __init__(self, base: str, *, templates: str) -> None:
        self.base = os.path.realpath(base)
        self.root = os.path.join(self.base, "shop")
        self.home = os.path.join(self.base, "home")
        self.clock = ControlledClock()
        self.ids = SeededIds()
        for folder in (self.root, self.home, os.path.join(self.base, "tmp")):
            os.makedirs(folder)
        with open(os.path.join(self.home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write(_GITCONFIG)
        self.env = self._environment()
        know_plugins(self.env)
        self._remotes = Remotes(os.path.join(self.base, "remotes"), templates, self.env)
        self._commits = 0

    def _environment(self) -> dict[str, str]:
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        programs = os.path.dirname(sys.executable)
        env["PATH"] = os.pathsep.join([programs, env.get("PATH", os.defpath)])
        env.update(
            HOME=self.home, TMPDIR=os.path.join(self.base, "tmp"), LANG="C.UTF-8", TERM="dumb", GR2_ACTOR=self.actor
        )
        for name in ("CONFIG", "CACHE", "DATA", "STATE"):
            env[f"XDG_{name}_HOME"] = os.path.join(self.home, "." + name.lower())
        # No network: only this machine can be reached, and no host at all by ssh.
        env.update(
            http_proxy=_DEAD_PROXY, https_proxy=_DEAD_PROXY, no_proxy="127.0.0.1,localhost", GIT_SSH_COMMAND="false"
        )
        return env

    @property
    def remotes(self) -> Mapping[str, str]:
        """The remotes asked for so far: name to absolute path."""
        return self._remotes.made

    def remote(self, name: str) -> str:
        """The absolute path of the bare remote `name`, made when first asked for.

        Its branch `main` has three commits (README.md, src/<name>.txt and run.sh, which is executable), its branch
        `topic` one more; the tag `v1` is the second commit. The same name has the same commits in every world.
        """
        return self._remotes.get(name)

    def path(self, relative: str) -> str:
        """The absolute path of `relative`, taken from the workspace. An absolute path stays what it is."""
        return os.path.join(self.root, relative)

    def write(self, relative: str, content: str | bytes) -> str:
        """Write a file below the workspace (or at an absolute path), folders included; gives its absolute path."""
        path = self.path(relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, relative: str) -> str:
        """The text of a file below the workspace."""
        with open(self.path(relative), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write_spec(
        self,
        *,
        repos: Tables = ("app", "api"),
        units: Tables = ("alpha", "beta"),
        workspace_name: str = "shop",
        extra: str = "",
    ) -> str:
        """Write the workspace's spec; gives its path.

        repos, units: names, or names with the keys to set or replace ({"app": {"reference": True}}); every repo is a
        remote of this world unless it sets `url`, every unit has every repo unless it sets `repos`. extra: TOML that
        follows. For any other text: `write(".grip/workspace_spec.toml", text)`.
        """
        named = dict(repos) if isinstance(repos, Mapping) else {name: {} for name in repos}
        lines = [f"workspace_name = {_toml(workspace_name)}"]
        for name, keys in named.items():
            url = keys["url"] if "url" in keys else self.remote(name)
            lines += ["", "[[repos]]", *_table({"name": name, "path": f"repos/{name}", "url": url, **keys})]
        for name, keys in (units if isinstance(units, Mapping) else {unit: {} for unit in units}).items():
            lines += ["", "[[units]]", *_table({"name": name, "path": f"agents/{name}", "repos": list(named), **keys})]
        return self.write(".grip/workspace_spec.toml", "\n".join([*lines, "", extra]))

    def git(self, path: str, *args: str, check: bool = True, stdin: str = "") -> str:
        """What `git ARGS` printed in the directory `path` (below the workspace, or absolute), without final line feeds.

        Fails the test when git fails, unless `check` is False.
        """
        done = subprocess.run(
            ["git", *args],
            cwd=self.path(path),
            env=self.env,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=100,
        )
        assert done.returncode == 0 or not check, f"git {' '.join(args)} in {path}: {done.returncode}\n{done.stderr}"
        return done.stdout.rstrip("\n")

    def commit(
        self, where: str, files: Mapping[str, str | bytes | None], *, message: str = "", branch: str = "main"
    ) -> str:
        """Commit `files` (None removes one) and give the new commit's SHA.

        where: the name of a remote, which gets the commit on `branch` (made from `main` when new), or the path of a
        checkout, which gets it on the branch it is on.
        """
        self._commits += 1
        message = message or f"change {', '.join(files)}"
        if where in self.remotes or ("/" not in where and not os.path.exists(self.path(where))):
            remote = self.remote(where)
            return import_commit(remote, files, message=message, branch=branch, number=self._commits, env=self.env)
        folder = self.path(where)
        for name, content in files.items():
            if content is None:
                os.unlink(os.path.join(folder, name))
            else:
                self.write(os.path.join(folder, name), content)
        self.git(folder, "add", "--all", "--force", "--", *files)
        self.git(folder, "commit", "--quiet", "--message", message, "--", *files)
        return self.git(folder, "rev-parse", "HEAD")

    def gr2(
        self, *args: str, cwd: str | None = None, env: Mapping[str, str | None] | None = None, stdin: str | None = None
    ) -> Ran:
        """Run `gr2 ARGS` as a process of its own. env: variables to set, or to unset with None."""
        done = subprocess.run(
            [sys.executable, "-m", "gr2", *args],
            cwd=self.path(cwd or ""),
            env=self.environ(env),
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=100,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def call(self, *args: str, cwd: str | None = None, env: Mapping[str, str | None] | None = None) -> Ran:
        """The same inside the test's own process: much faster, for tests that do not need a process of its own."""
        from gr2.testing.inside import run_inside

        return Ran(*run_inside(args, cwd=self.path(cwd or ""), env=self.environ(env)))

    def environ(self, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The world's environment with `changes`; None unsets a variable."""
        merged: dict[str, str | None] = {**self.env, **(changes or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def session(
        self,
        *,
        actor: str | None = None,
        unit: str = "",
        lane: str = "",
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        progress: Progress | None = None,
        plugins: Any = None,
        wait_seconds: float = 5.0,
    ) -> Session:
        """A session on the workspace, with this world's clock and ids; what ops and plugins' functions take."""
        from gr2.edges.git import Git
        from gr2.edges.process import Runner
        from gr2.session import Asked, Session, Silence
        from gr2.store.settings import load_settings

        environ = self.environ(env)
        settings = load_settings(environ)
        runner = Runner()
        return Session(
            root=self.root,
            actor=actor or self.actor,
            asked=Asked(cwd=self.path(cwd or ""), unit=unit, lane=lane, environ=environ),
            settings=settings,
            runner=runner,
            git=Git(runner, environ, stall_seconds=settings.git_stall_seconds),
            clock=self.clock,
            ids=self.ids,
            progress=progress or Silence(),
            plugins=plugins,
            wait_seconds=wait_seconds,
        )


def _table(keys: Mapping[str, Any]) -> list[str]:
    # Tables inside come last: TOML gives every key after a header to that header.
    plain = [f"{name} = {_toml(value)}" for name, value in keys.items() if not isinstance(value, Mapping)]
    for name, value in keys.items():
        if isinstance(value, Mapping):
            plain += [f"{name} = {{ {', '.join(_table(value))} }}"]
    return plain


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
