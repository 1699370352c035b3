"""The example keeps the contract of all platforms."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from gr2.api import CheckState, PluginContext, Verdict
from gr2.testing import PlatformContract, PluginContract, World, write_distribution

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SOURCE)


class Side:
    """Both sides of the platform, over the remotes of a world."""

    users = ("robin", "kim")

    def __init__(self, world: World) -> None:
        from gr2_platform_example.platform import Patchwork

        self.world = world
        self.adapter = Patchwork(PluginContext(name="patchwork", session=world.session()))
        self.author = self.adapter.user
        self._made = 0

    def new_repository(self) -> str:
        self._made += 1
        path = self.world.remote(f"repository{self._made}")
        self.world.git(path, "update-ref", "-d", "refs/heads/topic")
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
        with self.adapter._held(repository, None) as desk:
            record = desk.record(number)
            record["checks"].setdefault(record["head_sha"], {})[name] = state
            desk.write(record)

    def submit_review(self, repository: str, number: int, user: str, verdict: Verdict) -> None:
        with self.adapter._held(repository, None) as desk:
            record = desk.record(number)
            record["reviews"].append({"reviewer": user, "verdict": verdict, "commit": record["head_sha"]})
            desk.write(record)

    def close(self, repository: str, number: int) -> None:
        with self.adapter._held(repository, None) as desk:
            desk.write({**desk.record(number), "state": "closed"})


class TestPatchwork(PlatformContract):
    @pytest.fixture
    def platform(self, world: World) -> Side:
        return Side(world)


class TestPlugin(PluginContract):
    target = "gr2_platform_example.plugin"


def test_a_group_spans_two_platforms(world: World) -> None:
    """`app` is on patchwork, `api` on the built-in `local`."""
    folder = os.path.join(world.base, "installed")
    write_distribution(
        folder, "gr2-platform-example", entry_points={"patchwork": "gr2_platform_example.plugin"}, modules={}
    )
    env = {"PYTHONPATH": os.pathsep.join([folder, SOURCE])}
    lane = "agents/alpha/lanes/feat"
    world.write_spec(repos={"app": {"platform": "patchwork"}, "api": {"platform": "local"}})
    for command in (["apply"], ["lane", "create", "alpha/feat"]):
        assert world.gr2(*command, env=env).exit_code == 0
    for repo in ("app", "api"):
        world.commit(f"{lane}/repos/{repo}", {"new.txt": "new\n"})

    created = world.gr2("pr", "create", "--title", "Both", "--json", cwd=lane, env=env)
    auto = world.gr2("local-platform", "check", "api", "1", "ci", "pending", env=env)
    refused = world.gr2("pr", "merge", "--auto", "--json", cwd=lane, env=env)
    done = world.gr2("local-platform", "check", "api", "1", "ci", "success", env=env)
    merged = world.gr2("pr", "merge", "--json", cwd=lane, env=env)

    assert created.exit_code == auto.exit_code == done.exit_code == 0, created.stderr
    assert [child["platform"] for child in created.json["group"]["prs"]] == ["patchwork", "local"]
    assert (refused.exit_code, refused.codes) == (3, ["unsupported"])
    assert (merged.exit_code, merged.json["merged"]) == (0, ["app", "api"])


def test_a_repo_that_two_platforms_know_needs_a_word_in_the_spec(world: World) -> None:
    folder = os.path.join(world.base, "installed")
    write_distribution(
        folder, "gr2-platform-example", entry_points={"patchwork": "gr2_platform_example.plugin"}, modules={}
    )
    env = {"PYTHONPATH": os.pathsep.join([folder, SOURCE])}
    world.write_spec(repos=("app",))
    for command in (["apply"], ["lane", "create", "alpha/feat"]):
        assert world.gr2(*command, env=env).exit_code == 0

    ran = world.gr2("pr", "create", "--title", "T", "--json", cwd="agents/alpha/lanes/feat", env=env)

    assert (ran.exit_code, ran.codes) == (2, ["platform_ambiguous"])
    assert ran.json["issues"][0]["details"]["platforms"] == ["local", "patchwork"]
