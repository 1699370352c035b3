"""`lane create`, `lane add`, `lane path`, `lane current`: one task's checkouts, made as a whole or not at all."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading

import pytest

from gr2.testing import World


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app", "api"])
    assert world.call("apply").exit_code == 0
    return world


def types_of(world: World) -> list[str]:
    return [event["type"] for event in world.call("events", "list", "--json").json["events"]]


def lane_dir(name: str, unit: str = "alpha") -> str:
    return f"agents/{unit}/lanes/{name}"


def test_a_lane_has_one_checkout_per_repo_on_a_new_branch_from_the_default_one(shop: World) -> None:
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", "--json")
    lane = ran.json["lane"]
    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert (lane["lane_name"], lane["owner_unit"], lane["lane_type"], lane["state"]) == (
        "fix",
        "alpha",
        "feature",
        "active",
    )
    assert (lane["branch_map"], lane["base_branch"]) == ({"app": "fix", "api": "fix"}, "main")
    assert [row["repo"] for row in lane["repos"]] == ["app", "api"]
    for repo in ("app", "api"):
        checkout = f"{lane_dir('fix')}/repos/{repo}"
        assert shop.git(checkout, "branch", "--show-current") == "fix"
        assert shop.git(checkout, "rev-parse", "HEAD") == shop.git(f"repos/{repo}", "rev-parse", "main")
        assert shop.git(checkout, "config", "remote.origin.url") == shop.remote(repo)
        assert shop.git(checkout, "status", "--porcelain") == ""
    assert types_of(shop).count("lane.created") == 1


def test_the_same_create_again_changes_nothing(shop: World) -> None:
    shop.call("lane", "create", "fix", "--unit", "alpha")
    before = types_of(shop)
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", "--json")
    assert (ran.json["status"], ran.json["created"]) == ("success", False)
    assert types_of(shop) == before


@pytest.mark.parametrize("difference", [["--type", "review"], ["--branch", "other"], ["--repos", "app"]])
def test_a_create_that_differs_is_refused(shop: World, difference: list[str]) -> None:
    shop.call("lane", "create", "fix", "--unit", "alpha")
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", *difference, "--json")
    assert (ran.exit_code, ran.codes) == (3, ["lane_exists"])


def test_a_create_by_another_actor_is_refused(shop: World) -> None:
    shop.call("lane", "create", "fix", "--unit", "alpha")
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", "--actor", "human:eve", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["lane_exists"])


@pytest.mark.parametrize(("first", "second"), [("feat", "feat/x"), ("feat/x", "feat"), ("Fix", "fix")])
def test_a_lane_cannot_be_a_folder_of_another_or_differ_by_case_only(shop: World, first: str, second: str) -> None:
    shop.call("lane", "create", first, "--unit", "alpha")
    ran = shop.call("lane", "create", second, "--unit", "alpha", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["lane_name_conflict"])


@pytest.mark.parametrize(
    "name",
    ["-x", "a..b", "a b", "repos", "x/repos/y", "lane.toml", "a/lane.toml", "../up", "a/", "@", "x.lock", "a\tb"],
)
def test_a_name_that_git_or_gr2_cannot_take_is_invalid(shop: World, name: str) -> None:
    ran = shop.call("lane", "create", "--unit", "alpha", "--json", "--", name)
    assert ran.exit_code == 2
    assert ran.codes in (["invalid_name"], ["unknown_unit"])


def test_repos_branch_base_and_type_can_be_chosen(shop: World) -> None:
    args = ["--repos", "app", "--branch", "work/one", "--base", "topic", "--type", "spike", "--unit", "alpha", "--json"]
    lane = shop.call("lane", "create", "one", *args).json["lane"]
    assert (lane["branch_map"], lane["base_branch"], lane["lane_type"]) == ({"app": "work/one"}, "topic", "spike")
    checkout = f"{lane_dir('one')}/repos/app"
    assert shop.git(checkout, "rev-parse", "HEAD") == shop.git("repos/app", "rev-parse", "origin/topic")


def test_a_branch_that_the_remote_has_is_taken_up_with_its_upstream(shop: World) -> None:
    shop.call("lane", "create", "topic", "--repos", "app", "--unit", "alpha")
    checkout = f"{lane_dir('topic')}/repos/app"
    assert shop.git(checkout, "rev-parse", "HEAD") == shop.git("repos/app", "rev-parse", "origin/topic")
    assert shop.git(checkout, "rev-parse", "--abbrev-ref", "@{upstream}") == "origin/topic"


def test_a_base_that_a_repo_lacks_leaves_nothing_behind(shop: World) -> None:
    ran = shop.call("lane", "create", "fix", "--base", "nowhere", "--unit", "alpha", "--json")
    assert (ran.exit_code, ran.codes) == (2, ["unknown_revision"])
    assert not os.path.exists(shop.path(lane_dir("fix")))
    assert os.listdir(shop.path(".grip/tmp")) == []


def test_a_base_that_was_pushed_since_is_fetched(shop: World) -> None:
    shop.commit("app", {"new.txt": "new"}, branch="fresh")
    ran = shop.call("lane", "create", "fix", "--base", "fresh", "--repos", "app", "--unit", "alpha", "--json")
    assert ran.json["status"] == "success"
    assert shop.read(f"{lane_dir('fix')}/repos/app/new.txt") == "new"


def test_no_network_is_needed_when_the_mirrors_hold_the_base(shop: World) -> None:
    for name in ("app", "api"):
        os.rename(shop.remote(name), shop.remote(name) + ".away")
    assert shop.call("lane", "create", "fix", "--unit", "alpha", "--json").json["status"] == "success"


def test_reference_repos_are_left_out_unless_named(world: World) -> None:
    world.write_spec(repos={"app": {}, "books": {"reference": True}}, units=["alpha"])
    world.call("apply")
    assert list(world.call("lane", "create", "one", "--json").json["lane"]["branch_map"]) == ["app"]
    named = world.call("lane", "create", "two", "--repos", "app,books", "--json").json["lane"]
    assert list(named["branch_map"]) == ["app", "books"]


def test_a_lane_continues_another_units_committed_work_also_unpushed(shop: World) -> None:
    shop.call("lane", "create", "fix", "--unit", "alpha")
    source = f"{lane_dir('fix')}/repos/app"
    commit = shop.commit(source, {"half.txt": "half done"})
    shop.write(f"{source}/dirty.txt", "not committed")
    ran = shop.call(
        "lane", "create", "fix-2", "--from", "alpha/fix", "--unit", "beta", "--actor", "agent:beta", "--json"
    )
    taken = f"{lane_dir('fix-2', 'beta')}/repos/app"
    assert ran.json["lane"]["continues"] == "alpha/fix"
    assert shop.git(taken, "rev-parse", "HEAD") == commit
    assert not os.path.exists(shop.path(f"{taken}/dirty.txt"))
    (issue,) = ran.json["issues"]
    assert (ran.exit_code, issue["code"], issue["blocking"]) == (0, "dirty_lane_repo", False)
    assert issue["subject"] == "app (alpha/fix)"
    shop.git(source, "add", ".")
    shop.git(source, "commit", "--quiet", "--message", "the rest")
    assert issue["hint"].startswith("commit it there, then git -C ")
    command = shlex.split(issue["hint"].partition(", then ")[2])
    subprocess.run(command, cwd=shop.root, env=shop.env, check=True, capture_output=True)
    assert shop.read(f"{taken}/dirty.txt") == "not committed"
    assert shop.call("lane", "show", "alpha/fix", "--json").json["lane"]["continued_by"] == ["beta/fix-2"]
    shop.git(taken, "fsck", "--connectivity-only")


def test_a_lane_that_continues_a_sparse_one_is_as_sparse_unless_told(shop: World) -> None:
    shop.call("lane", "create", "slim", "--sparse", "src", "--repos", "app", "--unit", "alpha")
    again = ("lane", "create", "slim-2", "--from", "alpha/slim", "--unit", "beta", "--json")

    assert (shop.call(*again).json["created"], shop.call(*again).json["created"]) == (True, False)
    shop.call("lane", "create", "slim-3", "--from", "alpha/slim", "--sparse", "deep", "--unit", "beta")

    assert shop.git(f"{lane_dir('slim-2', 'beta')}/repos/app", "sparse-checkout", "list") == "src"
    assert shop.git(f"{lane_dir('slim-3', 'beta')}/repos/app", "sparse-checkout", "list") == "deep"


def test_something_in_the_way_of_a_lane_is_left_alone(shop: World) -> None:
    shop.write(f"{lane_dir('fix')}/notes.txt", "mine")
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["path_conflict"])
    assert os.listdir(shop.path(lane_dir("fix"))) == ["notes.txt"]
    assert "lane.created" not in types_of(shop)


def test_a_link_on_the_way_is_not_followed(shop: World) -> None:
    os.makedirs(shop.path("elsewhere"))
    os.symlink(shop.path("elsewhere"), shop.path("agents/alpha/lanes"))
    ran = shop.call("lane", "create", "fix", "--unit", "alpha", "--json")
    assert ran.exit_code in {2, 3}
    assert os.listdir(shop.path("elsewhere")) == []


def test_each_live_lane_has_twenty_ports_of_its_own(shop: World) -> None:
    for unit, name in (("alpha", "one"), ("alpha", "two"), ("beta", "one")):
        shop.call("lane", "create", name, "--unit", unit)
    bases = set()
    for lane in ("alpha/one", "alpha/two", "beta/one"):
        ran = shop.call(
            "exec", "run", "--lane", lane, "--repo", "app", "--json", "--", "printenv", "GR2_LANE_PORT_BASE"
        )
        bases.add(int(ran.json["results"][0]["stdout_tail"]))
    assert len(bases) == 3
    assert min(abs(a - b) for a in bases for b in bases if a != b) >= 20


def test_a_sparse_directory_that_no_repo_has_is_warned_of(shop: World) -> None:
    shop.commit("app", {"deep/down/file.txt": "here"})
    shop.call("sync", "run")
    words = ("lane", "create", "slim", "--sparse", "deep/down", "--sparse", "nope", "--unit", "alpha", "--json")
    ran = shop.call(*words)
    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["sparse_not_found"])
    assert ran.json["issues"][0]["details"] == {"directory": "nope"}
    assert shop.call(*words).json["status"] == "success"


def test_a_sparse_lane_checks_out_only_the_directories_named(shop: World) -> None:
    shop.call("lane", "create", "slim", "--sparse", "src", "--repos", "app", "--unit", "alpha")
    checkout = f"{lane_dir('slim')}/repos/app"
    assert shop.git(checkout, "sparse-checkout", "list") == "src"
    shop.commit("app", {"docs/big.txt": "big"})
    assert os.path.exists(shop.path(f"{checkout}/src/app.txt"))
    assert shop.git(checkout, "status", "--porcelain") == ""


def test_lanes_made_at_once_all_come_into_being(shop: World) -> None:
    rans = []
    threads = [
        threading.Thread(
            target=lambda n=n: rans.append(shop.gr2("lane", "create", f"t{n}", "--unit", "alpha", "--json"))
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ran.exit_code for ran in rans] == [0] * 4
    assert types_of(shop).count("lane.created") == 4


def test_a_repo_can_be_added_to_a_live_lane(world: World) -> None:
    world.write_spec(repos=["app", "api", "web"], units={"alpha": {"repos": ["app", "api"]}})
    world.call("apply")
    world.call("lane", "create", "fix", "--repos", "app", "--branch", "work")
    ran = world.call("lane", "add", "web", "api", "--lane", "fix", "--json")
    assert ran.json["lane"]["branch_map"] == {"app": "work", "api": "work", "web": "work"}
    assert world.git(f"{lane_dir('fix')}/repos/web", "branch", "--show-current") == "work"
    again = world.call("lane", "add", "web", "--lane", "fix", "--json")
    assert (again.json["status"], again.json["completed"]) == ("success", [])


def test_adding_a_repo_that_does_not_exist_changes_nothing(shop: World) -> None:
    shop.call("lane", "create", "fix", "--repos", "app", "--unit", "alpha")
    before = shop.read(f"{lane_dir('fix')}/lane.toml")
    ran = shop.call("lane", "add", "apx", "--lane", "alpha/fix", "--json")
    assert (ran.exit_code, ran.codes) == (2, ["unknown_repo"])
    assert shop.read(f"{lane_dir('fix')}/lane.toml") == before


def test_lane_path_prints_one_absolute_path(shop: World) -> None:
    shop.call("lane", "create", "feat/x", "--unit", "alpha")
    ran = shop.call("lane", "path", "alpha/feat/x", "--repo", "api")
    assert ran.stdout == shop.path(f"{lane_dir('feat/x')}/repos/api") + "\n"
    inside = shop.call("lane", "path", cwd=f"{lane_dir('feat/x')}/repos/app/src")
    assert inside.stdout == shop.path(lane_dir("feat/x")) + "\n"
    assert shop.call("lane", "path", "feat/y", "--unit", "alpha", "--json").json["issues"][0]["details"] == {
        "suggestion": "feat/x"
    }


def test_the_lane_in_context_comes_from_argument_environment_or_directory(shop: World) -> None:
    for name in ("one", "two"):
        shop.call("lane", "create", name, "--unit", "alpha")
    here = f"{lane_dir('one')}/repos/app"
    assert shop.call("lane", "path", cwd=here).stdout.strip().endswith("/one")
    assert shop.call("lane", "path", cwd=here, env={"GR2_LANE": "two"}).stdout.strip().endswith("/two")
    assert shop.call("lane", "path", "one", cwd=here, env={"GR2_LANE": "two"}).stdout.strip().endswith("/one")
    assert shop.call("lane", "path", "--json").codes == ["unit_required"]
    assert shop.call("lane", "path", "--unit", "beta", "--json").codes == ["lane_required"]
