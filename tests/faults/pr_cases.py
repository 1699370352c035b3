"""Disasters in the middle of `pr create`, `pr merge` and `review checkout-pr`, on the `local` platform."""

from __future__ import annotations

import json
import os
from typing import Any

from gr2.testing import World
from tests.faults import oracle
from tests.faults.cases import Case
from tests.faults.harness import Faulted

_REPOS = ("app", "api")


def _lane_with_commits(world: World) -> None:
    world.write_spec(repos=_REPOS)
    assert world.call("apply").exit_code == 0
    assert world.call("lane", "create", "alpha/feat").exit_code == 0
    for repo in _REPOS:
        world.commit(f"agents/alpha/lanes/feat/repos/{repo}", {"new.txt": "new\n"})


def _open(world: World) -> None:
    _lane_with_commits(world)
    created = world.call("pr", "create", "--lane", "alpha/feat", "--title", "T", "--body", "B")
    assert created.exit_code == 0, created.stderr


def _reviewed_and_moved(world: World) -> None:
    _open(world)
    assert world.call("review", "checkout-pr", "app", "1", "--unit", "beta").exit_code == 0
    world.commit("agents/alpha/lanes/feat/repos/app", {"new.txt": "newer\n", "more.txt": "more\n"})
    world.git("agents/alpha/lanes/feat/repos/app", "push", "--quiet", "origin", "feat")


def _pulls(world: World, repo: str) -> list[dict[str, Any]]:
    path = os.path.join(world.remote(repo), "gr2-prs.json")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return list(json.load(file)["prs"])


def _told(world: World, kind: str) -> list[dict[str, Any]]:
    return [event for event in oracle.assert_log_is_dense(world) if event["type"] == kind]


def _never_two(world: World, faulted: Faulted) -> None:
    for repo in _REPOS:
        assert len(_pulls(world, repo)) <= 1


def _never_out_of_order(world: World, faulted: Faulted) -> None:
    states = [_pulls(world, repo)[0]["state"] for repo in _REPOS]
    assert states != ["open", "merged"]


def _all_open(world: World) -> None:
    for repo in _REPOS:
        (pull,) = _pulls(world, repo)
        assert (pull["title"], pull["state"], pull["body"].startswith("B\n\n<!-- gr2:")) == ("T", "open", True)
        assert all(link in pull["body"] for link in ("app#1", "api#1"))
        assert world.git(world.remote(repo), "rev-parse", "refs/pull/1/head") == pull["head_sha"]
    repos = [each["repo"] for event in _told(world, "pr.created") for each in event["repos"]]
    assert sorted(repos) == ["api", "app"]
    assert len(os.listdir(world.path(".grip/pr_groups"))) == 1


def _all_merged_once(world: World) -> None:
    for repo in _REPOS:
        (pull,) = _pulls(world, repo)
        log = world.git(world.remote(repo), "log", "--merges", "--format=%H %P", "main").splitlines()
        assert pull["state"] == "merged"
        assert len(log) == 1
        assert log[0].split()[0] == pull["merge_sha"]
        assert log[0].split()[2] == pull["head_sha"]
    assert len(_told(world, "pr.merged")) == 1


def _at_the_new_head(world: World) -> None:
    checkout = "agents/beta/lanes/review-app-1/repos/app"
    assert world.git(checkout, "rev-parse", "HEAD") == _pulls(world, "app")[0]["head_sha"]
    assert world.read(f"{checkout}/new.txt") == "newer\n"


PR_CASES = [
    Case(
        name="pr-create",
        arrange=_lane_with_commits,
        command=["gr2", "pr", "create", "--lane", "alpha/feat", "--title", "T", "--body", "B"],
        struck=_never_two,
        check=_all_open,
    ),
    Case(
        name="pr-merge",
        arrange=_open,
        command=["gr2", "pr", "merge", "--lane", "alpha/feat"],
        struck=_never_out_of_order,
        check=_all_merged_once,
        # The merge commits hold the time they were made.
        ignore=(".grip/pr_groups",),
    ),
    Case(
        name="review-checkout",
        arrange=_open,
        command=["gr2", "review", "checkout-pr", "app", "1", "--unit", "beta"],
    ),
    Case(
        name="review-checkout-moves",
        arrange=_reviewed_and_moved,
        command=["gr2", "review", "checkout-pr", "app", "1", "--unit", "beta"],
        check=_at_the_new_head,
    ),
]
