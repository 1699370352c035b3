"""`lane list` and `lane show`: how far a lane is, read from git each time."""

from __future__ import annotations

import json
import os
import time

import pytest

from gr2.testing import World

FEAT = "agents/alpha/lanes/feat/repos"


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app", "api"])
    assert world.call("lane", "create", "alpha/feat").exit_code == 0
    return world


def progress(world: World) -> str:
    found: str = world.call("lane", "show", "alpha/feat", "--json").json["lane"]["progress"]
    [listed] = world.call("lane", "list", "--json").json["lanes"]
    assert listed["progress"] == found
    return found


def fetch(world: World, repo: str = "app") -> None:
    world.git(f".grip/cache/repos/{repo}.git", "fetch", "--prune", "--quiet", "origin")


def test_a_lane_in_which_nothing_was_done_is_new(shop: World) -> None:
    assert progress(shop) == "new"


def test_a_new_lane_stays_new_when_its_base_moves_on_and_it_follows(shop: World) -> None:
    shop.commit("app", {"b.txt": "b\n"})
    fetch(shop)
    assert progress(shop) == "new"

    shop.git(f"{FEAT}/app", "pull", "--quiet", "--ff-only", "origin", "main")

    assert progress(shop) == "new"


def test_uncommitted_work_is_active(shop: World) -> None:
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")

    assert progress(shop) == "active"


def test_commits_that_are_nowhere_else_are_unpushed(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})

    assert progress(shop) == "unpushed"


@pytest.mark.parametrize("args", [["-u"], []])
def test_pushed_commits_are_active(shop: World, args: list[str]) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", *args, "origin", "feat")

    assert progress(shop) == "active"


def test_commits_after_a_push_are_unpushed(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", "-u", "origin", "feat")
    shop.commit(f"{FEAT}/app", {"a.txt": "b\n"})

    assert progress(shop) == "unpushed"


def test_commits_that_were_merged_are_merged(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", "origin", "feat:main")
    fetch(shop)

    assert progress(shop) == "merged"


def test_a_squash_merge_is_a_merge(shop: World) -> None:
    for content in ("a\n", "a\nb\n"):
        shop.commit(f"{FEAT}/app", {"a.txt": content})
    shop.commit("app", {"a.txt": "a\nb\n"}, message="squashed")
    assert progress(shop) == "unpushed"

    fetch(shop)

    assert progress(shop) == "merged"


def test_a_lane_is_merged_when_all_its_repos_are(shop: World) -> None:
    for repo in ("app", "api"):
        shop.commit(f"{FEAT}/{repo}", {"a.txt": "a\n"})
    shop.commit("app", {"a.txt": "a\n"})
    fetch(shop)

    assert progress(shop) == "unpushed"


def test_a_merged_lane_with_new_work_is_active_again(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.commit("app", {"a.txt": "a\n"})
    fetch(shop)
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")

    assert progress(shop) == "active"


@pytest.mark.parametrize(("status", "expected"), [("open", "in_review"), ("draft", "in_review"), ("closed", "active")])
def test_a_lane_with_an_open_pull_request_is_in_review(shop: World, status: str, expected: str) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", "origin", "feat")
    lane = shop.read("agents/alpha/lanes/feat/lane.toml")
    shop.write("agents/alpha/lanes/feat/lane.toml", 'pr_group_id = "pg_01234567"\n' + lane)
    shop.write(".grip/pr_groups/pg_01234567.json", json.dumps({"version": 1, "prs": [{"status": status}]}))

    assert progress(shop) == expected


def test_a_lane_that_nobody_touched_for_long_is_stale(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    long_ago = time.time() - 31 * 86_400
    for repo in ("app", "api"):
        for name in (".git/logs/HEAD", ".git/index"):
            os.utime(shop.path(f"{FEAT}/{repo}/{name}"), (long_ago, long_ago))

    assert progress(shop) == "stale"


def test_looking_writes_nothing(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n", "b.txt": "b\n"})
    shop.commit("app", {"a.txt": "a\n"})
    fetch(shop)
    before = _files(shop)

    progress(shop)

    assert _files(shop) == before


def _files(world: World) -> dict[str, int]:
    found = {}
    for folder, _, names in os.walk(world.root):
        for name in names:
            path = os.path.join(folder, name)
            found[path] = os.lstat(path).st_mtime_ns
    return found


def test_the_lane_has_the_fields_of_the_contract(shop: World) -> None:
    [lane] = shop.call("lane", "list", "--json").json["lanes"]

    assert set(lane) >= {
        "lane_name",
        "owner_unit",
        "agent_id",
        "lane_type",
        "state",
        "progress",
        "base_branch",
        "branch_map",
        "repos",
        "pr_group_id",
        "continues",
        "continued_by",
        "created_by",
        "created_at",
    }
    assert [row["repo"] for row in lane["repos"]] == ["app", "api"]


def test_the_list_is_of_one_unit_when_one_is_named(shop: World) -> None:
    shop.call("lane", "create", "beta/other")

    def names(*args: str) -> list[str]:
        return [lane["lane_name"] for lane in shop.call("lane", "list", "--json", *args).json["lanes"]]

    assert (names(), names("--unit", "beta")) == (["feat", "other"], ["other"])


def test_people_see_who_holds_the_lane_and_what_waits_in_it(shop: World) -> None:
    shop.call("lane", "enter", "alpha/feat")
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")
    shop.call("lane", "exit", "--unit", "alpha")
    shop.call("lane", "lease", "acquire", "alpha/feat", "--mode", "review", env={"GR2_ACTOR": "agent:other"})

    shown = shop.call("lane", "show", "alpha/feat").stdout

    assert "agent:other" in shown
    assert "15 minutes left" in shown
    assert "gr2 lane enter alpha/feat --restore" in shown
    assert "made just now by agent:alpha" in shown


def test_names_that_try_to_take_over_the_terminal_are_shown_harmlessly(shop: World) -> None:
    lane = shop.read("agents/alpha/lanes/feat/lane.toml")
    shop.write("agents/alpha/lanes/feat/lane.toml", lane.replace('"agent:alpha"', '"agent:\\u001b[31mx\\u202e"'))

    shown = shop.call("lane", "show", "alpha/feat").stdout

    assert "\x1b" not in shown
    assert "\u202e" not in shown
