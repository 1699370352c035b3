"""Both sides of the `local` platform, for the contract suite."""

from __future__ import annotations

from collections.abc import Mapping

from gr2.api import CheckState, PluginContext, Verdict
from gr2.builtin.local_platform import LocalPlatform
from gr2.builtin.local_pulls import LocalCheck, LocalReview
from gr2.testing import World


class LocalSide:
    """A `PlatformUnderTest` over the remotes of a world."""

    users = ("robin", "kim", "sasha")

    def __init__(self, world: World) -> None:
        self.world = world
        self.adapter = LocalPlatform(PluginContext(name="local", session=world.session()))
        self.author = self.adapter.user
        self._made = 0

    def new_repository(self) -> str:
        self._made += 1
        path = self.world.remote(f"repository{self._made}")
        for branch in self.world.git(path, "for-each-ref", "--format=%(refname)", "refs/heads/").splitlines():
            if branch != "refs/heads/main":
                self.world.git(path, "update-ref", "-d", branch)
        return path

    def push(self, repository: str, branch: str, files: Mapping[str, str]) -> str:
        name = next(name for name, path in self.world.remotes.items() if path == repository)
        return self.world.commit(name, dict(files), branch=branch)

    def branch(self, repository: str, branch: str) -> str:
        return self.world.git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)

    def read(self, repository: str, commit: str) -> Mapping[str, str]:
        names = self.world.git(repository, "ls-tree", "-r", "--name-only", commit).splitlines()
        return {name: self.world.git(repository, "show", f"{commit}:{name}") + "\n" for name in names}

    def ref(self, repository: str, name: str) -> str:
        return self.world.git(repository, "ls-remote", repository, name).partition("\t")[0]

    def set_check(self, repository: str, number: int, name: str, state: CheckState) -> None:
        with self.adapter.desk(repository) as desk:
            pull = desk.pull(number)
            kept = [check for check in pull.checks if check.name != name]
            desk.change(number, checks=(*kept, LocalCheck(name=name, state=state, head=pull.head_sha)))

    def submit_review(self, repository: str, number: int, user: str, verdict: Verdict) -> None:
        with self.adapter.desk(repository) as desk:
            pull = desk.pull(number)
            review = LocalReview(reviewer=user, verdict=verdict, commit=pull.head_sha)
            desk.change(number, reviews=(*pull.reviews, review))

    def close(self, repository: str, number: int) -> None:
        with self.adapter.desk(repository) as desk:
            desk.change(number, state="closed")
