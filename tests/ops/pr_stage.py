"""A lane with commits, and both sides of its pull requests on the `local` platform."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from gr2.testing import Ran, World

LANE = "agents/alpha/lanes/feat"


class Stage:
    """The lane alpha/feat with one commit in each repo; commands run in it."""

    def __init__(self, world: World, *, repos: Any = ("app", "api"), extra: str = "", commit: bool = True) -> None:
        self.world = world
        self.repos = tuple(repos)
        world.write_spec(repos=repos, extra=extra)
        assert world.call("apply").exit_code == 0
        made = world.call("lane", "create", "alpha/feat")
        assert made.exit_code == 0, made.stderr
        for repo in self.repos if commit else ():
            self.commit(repo)

    def commit(self, repo: str, name: str = "new.txt", content: str = "new\n") -> str:
        """Commit in the lane's checkout of `repo`."""
        return self.world.commit(f"{LANE}/repos/{repo}", {name: content})

    def call(self, *args: str) -> Ran:
        """Run a command in the lane, with --json."""
        return self.world.call(*args, "--json", cwd=LANE)

    def create(self, *args: str, title: str = "Title", body: str = "Body") -> Ran:
        """`pr create` with a title and a body."""
        return self.call("pr", "create", "--title", title, "--body", body, *args)

    def other_side(self, *args: str) -> Ran:
        """`local-platform ...`, which must work."""
        ran = self.call("local-platform", *args)
        assert ran.exit_code == 0, ran.stdout + ran.stderr
        return ran

    def prs(self, repo: str) -> list[dict[str, Any]]:
        """The pull requests of a repo as they are in its repository's file."""
        try:
            with open(os.path.join(self.world.remote(repo), "gr2-prs.json"), encoding="utf-8") as file:
                return list(json.load(file)["prs"])
        except FileNotFoundError:
            return []

    def rules(self, repo: str, **rules: object) -> None:
        """Let the branch `main` of a repo demand something."""
        path = os.path.join(self.world.remote(repo), "gr2-prs.json")
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**content, "rules": {"main": rules}}, file)

    def lock_branch(self, repo: str) -> Callable[[], None]:
        """Let nobody move the branch `main` of a remote, until what this gives is called."""
        lock = os.path.join(self.world.remote(repo), "refs/heads/main.lock")
        with open(lock, "x", encoding="utf-8"):
            return lambda: os.unlink(lock)

    def group(self) -> dict[str, Any]:
        """The only group's file."""
        (name,) = self.group_files()
        return dict(json.loads(self.world.read(f".grip/pr_groups/{name}")))

    def group_files(self) -> list[str]:
        """The names of all group files."""
        folder = self.world.path(".grip/pr_groups")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def child(self, repo: str) -> dict[str, Any]:
        """A pull request as the group records it."""
        (found,) = [child for child in self.group()["prs"] if child["repo"] == repo]
        return dict(found)

    def events(self, prefix: str = "pr.") -> list[dict[str, Any]]:
        """All events whose type begins with `prefix`, oldest first."""
        found = self.world.call("events", "list", "--type", f"{prefix}*", "--json").json["events"]
        return list(found)

    def types(self) -> list[str]:
        """The types of all events about pull requests."""
        return [event["type"] for event in self.events()]

    def branch(self, repo: str, branch: str = "main") -> str:
        """A branch of a remote, "" when there is none."""
        ref = f"refs/heads/{branch}"
        return self.world.git(self.world.remote(repo), "rev-parse", "--verify", "--quiet", ref, check=False)


def codes(ran: Ran) -> Sequence[tuple[str, bool]]:
    """Code and blocking of each issue."""
    return [(issue["code"], issue["blocking"]) for issue in ran.json["issues"]]
