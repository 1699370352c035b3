"""What tests hold in their hands: the stand-in from the platform's side, and the adapter from gr2's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gr2_github.platform import GitHubPlatform
from gr2_github.settings import GitHubSettings

from gr2.api import PluginContext, PullRef
from gr2.testing import World
from gr2.testing.remotes import import_commit
from tests.github.standin.hub import LOGIN, TOKEN, Hub
from tests.github.standin.repository import Pull, Repository

_CONCLUSIONS = {"passing": "SUCCESS", "failing": "FAILURE", "pending": None, "neutral": "NEUTRAL", "skipped": "SKIPPED"}


class Desk:
    """A world whose GitHub is `hub`, behind the socket `socket`. It is a `PlatformUnderTest` too."""

    author = LOGIN
    users = ("casey", "sasha", "owner")

    def __init__(self, world: World, hub: Hub, socket: str) -> None:
        self.world = world
        self.hub = hub
        self._made = 0
        self._commits = 0
        self._adapter: GitHubPlatform | None = None
        self.gh_config = os.path.join(world.env["XDG_CONFIG_HOME"], "gh")
        # Version 1 keeps newer versions of gh from rewriting what this one reads too.
        world.write(os.path.join(self.gh_config, "config.yml"), f'version: "1"\nhttp_unix_socket: {socket}\n')
        self.sign_in("github.com")
        world.git(".", "config", "--global", f"url.{hub.folder}/.insteadOf", "https://github.com/")

    def sign_in(self, *hosts: str, token: str = TOKEN) -> None:
        """Write what `gh auth login` leaves."""
        rows = [
            f"{host}:\n    git_protocol: https\n    user: {LOGIN}\n    oauth_token: {token}\n"
            f"    users:\n        {LOGIN}:\n            oauth_token: {token}\n"
            for host in hosts
        ]
        self.world.write(os.path.join(self.gh_config, "hosts.yml"), "".join(rows))

    @property
    def adapter(self) -> GitHubPlatform:
        """One adapter, as one run of gr2 has it."""
        if self._adapter is None:
            self._adapter = self.another_adapter()
        return self._adapter

    def another_adapter(
        self, *, hosts: tuple[str, ...] = (), env: Mapping[str, str | None] | None = None
    ) -> GitHubPlatform:
        """An adapter of another run. hosts: `[plugins.github] hosts` of the spec."""
        session = self.world.session(env=env)
        settings = GitHubSettings(hosts=hosts)
        context = PluginContext(name="github", session=session, load_settings=lambda: settings, configured=True)
        return GitHubPlatform(context)

    def new_repository(self, name: str = "", owner: str = "acme") -> str:
        self._made += 1
        repository = self.hub.add(owner, name or f"repo{self._made}")
        self._import(repository, "main", {"README.md": "# here\n"})
        return f"https://github.com/{repository.full_name}.git"

    def repository(self, url: str) -> Repository:
        owner, _, name = url.removeprefix("https://github.com/").removesuffix(".git").partition("/")
        found = self.hub.find(owner, name)
        assert found is not None, url
        return found

    def pull(self, url: str, number: int) -> Pull:
        return self.repository(url).pulls[number]

    def push(self, repository: str, branch: str, files: Mapping[str, str]) -> str:
        found = self.repository(repository)
        sha = self._import(found, branch, files)
        for pull in found.pulls.values():
            pull.refresh()
        return sha

    def branch(self, repository: str, branch: str) -> str:
        return self.repository(repository).branch(branch)

    def read(self, repository: str, commit: str) -> Mapping[str, str]:
        found = self.repository(repository)
        names = found.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")
        return {name: found.git("cat-file", "blob", f"{commit}:{name}") + "\n" for name in names if name}

    def ref(self, repository: str, name: str) -> str:
        listed = self.world.git(".", "ls-remote", repository, name)
        return listed.partition("\t")[0]

    def set_check(self, repository: str, number: int, name: str, state: str) -> None:
        self.hub.report(self.pull(repository, number), name, _CONCLUSIONS[state])

    def submit_review(self, repository: str, number: int, user: str, verdict: str) -> None:
        self.hub.review(self.pull(repository, number), user, verdict.upper())

    def close(self, repository: str, number: int) -> None:
        self.pull(repository, number).state = "CLOSED"

    def opened(self, *, files: Mapping[str, str] | None = None, **more: Any) -> tuple[str, PullRef]:
        """A new repository with an open pull request from `topic` to `main`."""
        url = self.new_repository()
        self.push(url, "topic", files or {"topic.txt": "one\n"})
        repository = self.repository(url)
        wanted = {
            "title": "title",
            "body": "body",
            "base": "main",
            "head": "topic",
            "draft": False,
            "author": LOGIN,
            **more,
        }
        pull = repository.open_pull(**wanted)
        return url, PullRef(url=url, number=pull.number)

    def _import(self, repository: Repository, branch: str, files: Mapping[str, str]) -> str:
        self._commits += 1
        message = f"change {self._commits}"
        return import_commit(
            repository.path, files, message=message, branch=branch, number=self._commits, env=self.world.env
        )
