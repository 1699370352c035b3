"""`lane archive` and `lane drop`: nothing that is nowhere else goes away unasked, and everything can be had back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gr2.testing import Ran, World

FEAT = "agents/alpha/lanes/feat/repos"


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app", "api"])
    assert world.call("lane", "create", "alpha/feat").exit_code == 0
    return world


def run(world: World, *args: str, actor: str = "") -> Ran:
    return world.call("lane", *args, "--json", env={"GR2_ACTOR": actor} if actor else None)


def archive(world: World, *args: str) -> Ran:
    return run(world, "archive", "alpha/feat", *args)


def types(world: World) -> list[str]:
    return [event["type"] for event in world.call("events", "list", "--json").json["events"]]


def sync_mirror(world: World, repo: str = "app") -> None:
    world.git(f".grip/cache/repos/{repo}.git", "fetch", "--prune", "--quiet", "origin")


def names(world: World) -> list[str]:
    return [lane["lane_name"] for lane in run(world, "list").json["lanes"]]


def test_a_finished_lane_goes_to_the_trash_and_its_name_is_free(shop: World) -> None:
    shop.write(f"{FEAT}/app/.git/info/exclude", "*.log\n")
    shop.write(f"{FEAT}/app/build.log", "ignored\n")

    ran = archive(shop, "--reason", "shipped")

    saved_id = ran.json["saved_id"]
    assert ran.json["status"] == "success"
    assert not os.path.exists(shop.path("agents/alpha/lanes/feat"))
    [log] = Path(shop.path(f".grip/trash/{saved_id}")).rglob("build.log")
    assert log.read_text(encoding="utf-8") == "ignored\n"
    assert names(shop) == []
    assert types(shop)[-1] == "lane.archived"
    assert run(shop, "create", "alpha/feat").json["created"] is True


def test_archiving_again_changes_nothing(shop: World) -> None:
    first = archive(shop)
    before = types(shop)

    again = archive(shop)

    assert (again.json["status"], again.json["saved_id"]) == ("success", first.json["saved_id"])
    assert types(shop) == before


def test_a_lane_that_never_was_is_unknown(shop: World) -> None:
    assert run(shop, "archive", "alpha/none").codes == ["unknown_lane"]


def test_an_archived_lane_can_be_had_back(shop: World) -> None:
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")
    saved_id = archive(shop, "--force").json["saved_id"]

    assert shop.call("saved", "restore", saved_id).exit_code == 0

    assert names(shop) == ["feat"]
    assert shop.read(f"{FEAT}/app/notes.txt") == "mine\n"
    assert shop.git(f"{FEAT}/app", "branch", "--show-current") == "feat"


def port_base(world: World, lane: str) -> int:
    found = run(world, "show", lane).json["port_base"]
    assert isinstance(found, int)
    return found


def test_a_lane_that_is_had_back_shares_no_ports_with_one_made_meanwhile(shop: World) -> None:
    saved_id = archive(shop).json["saved_id"]
    run(shop, "create", "alpha/other")

    assert shop.call("saved", "restore", saved_id).exit_code == 0

    assert port_base(shop, "alpha/other") == 20000
    assert port_base(shop, "alpha/feat") == 20020


def test_a_lane_that_is_had_back_keeps_its_ports_while_they_are_free(shop: World) -> None:
    run(shop, "create", "alpha/other")
    saved_id = run(shop, "archive", "alpha/other").json["saved_id"]

    assert shop.call("saved", "restore", saved_id).exit_code == 0

    assert port_base(shop, "alpha/other") == 20020


def test_a_lane_does_not_come_back_into_the_folder_of_another(shop: World) -> None:
    run(shop, "create", "alpha/top/one")
    saved_id = run(shop, "archive", "alpha/top/one").json["saved_id"]
    run(shop, "create", "alpha/top")

    ran = shop.call("saved", "restore", saved_id, "--json")

    assert (ran.json["status"], ran.codes) == ("blocked", ["lane_name_conflict"])
    assert names(shop) == ["feat", "top"]


def test_uncommitted_work_keeps_the_lane(shop: World) -> None:
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")

    ran = archive(shop)

    assert (ran.exit_code, ran.codes) == (3, ["dirty_lane_repo"])
    assert names(shop) == ["feat"]


def test_a_rebase_in_progress_keeps_the_lane(shop: World) -> None:
    os.mkdir(shop.path(f"{FEAT}/app/.git/rebase-merge"))

    assert archive(shop).codes == ["operation_in_progress"]


def test_saved_work_that_waits_keeps_the_lane(shop: World) -> None:
    run(shop, "enter", "alpha/feat")
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")
    run(shop, "exit", "--unit", "alpha")

    assert archive(shop).codes == ["saved_work"]


def test_a_stash_entry_of_the_users_own_keeps_the_lane(shop: World) -> None:
    shop.write(f"{FEAT}/app/run.sh", "mine\n")
    shop.git(f"{FEAT}/app", "stash")

    assert archive(shop).codes == ["saved_work"]


def test_unpushed_commits_keep_the_lane(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})

    ran = archive(shop)

    assert (ran.exit_code, ran.codes) == (3, ["unpushed_work"])
    assert ran.json["issues"][0]["details"]["branches"] == ["feat"]


def test_unpushed_commits_on_another_local_branch_keep_the_lane_too(shop: World) -> None:
    shop.git(f"{FEAT}/app", "checkout", "--quiet", "-b", "side")
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "checkout", "--quiet", "feat")

    assert archive(shop).json["issues"][0]["details"]["branches"] == ["side"]


def test_commits_on_a_detached_head_keep_the_lane_too(shop: World) -> None:
    shop.git(f"{FEAT}/app", "checkout", "--quiet", "--detach")
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})

    assert archive(shop).codes == ["unpushed_work"]


def test_a_linked_worktree_of_a_checkout_keeps_the_lane(shop: World, tmp_path: Path) -> None:
    place = tmp_path / "linked"
    shop.git(f"{FEAT}/app", "worktree", "add", "--quiet", "--detach", str(place))
    (place / "notes.txt").write_text("mine\n", encoding="utf-8")

    ran = archive(shop)

    assert ran.codes == ["dirty_lane_repo"]
    assert ran.json["issues"][0]["details"]["worktrees"] == [str(place)]
    assert "worktree remove" in ran.json["issues"][0]["hint"]
    assert run(shop, "drop", "app", "--lane", "alpha/feat").codes == ["dirty_lane_repo"]
    assert shop.git(str(place), "status", "--porcelain") == "?? notes.txt"


def test_a_linked_worktree_that_is_gone_keeps_no_lane(shop: World, tmp_path: Path) -> None:
    place = tmp_path / "linked"
    shop.git(f"{FEAT}/app", "worktree", "add", "--quiet", "--detach", str(place))
    shutil.rmtree(place)

    assert archive(shop).json["status"] == "success"


def test_every_reason_is_named_at_once(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.write(f"{FEAT}/api/notes.txt", "mine\n")

    assert sorted(archive(shop).codes) == ["dirty_lane_repo", "unpushed_work"]


def test_pushed_commits_are_safe(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", "origin", "feat")

    assert archive(shop).exit_code == 0


def test_commits_that_somebody_pushed_under_another_name_are_safe(shop: World) -> None:
    shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.git(f"{FEAT}/app", "push", "--quiet", shop.remote("app"), "feat:refs/heads/other")
    shop.commit("app", {"b.txt": "b\n"}, branch="other")
    assert archive(shop).codes == ["unpushed_work"]

    sync_mirror(shop)

    assert archive(shop).exit_code == 0


def _two_commits(world: World) -> None:
    world.commit(f"{FEAT}/app", {"a.txt": "a\n", "src/app.txt": "app 2\nmore\n"}, message="one")
    world.commit(f"{FEAT}/app", {"a.txt": "a\nb\n"}, message="two")


def test_a_squash_merge_counts_as_pushed(shop: World) -> None:
    _two_commits(shop)
    shop.commit("app", {"a.txt": "a\nb\n", "src/app.txt": "app 2\nmore\n"}, message="squashed")
    sync_mirror(shop)

    assert archive(shop).exit_code == 0


def test_a_squash_merge_counts_although_the_files_were_changed_since(shop: World) -> None:
    _two_commits(shop)
    shop.commit("app", {"a.txt": "a\nb\n", "src/app.txt": "app 2\nmore\n"}, message="squashed")
    shop.commit("app", {"a.txt": "quite\ndifferent\n"}, message="later")
    sync_mirror(shop)

    assert archive(shop).exit_code == 0


def test_commits_that_were_rebased_one_by_one_count(shop: World) -> None:
    _two_commits(shop)
    shop.commit("app", {"other.txt": "o\n"}, message="before")
    shop.commit("app", {"a.txt": "a\n", "src/app.txt": "app 2\nmore\n"}, message="one")
    shop.commit("app", {"a.txt": "a\nb\n"}, message="two")
    shop.commit("app", {"a.txt": "quite\ndifferent\n"}, message="later")
    sync_mirror(shop)

    assert archive(shop).exit_code == 0


def test_half_of_the_work_in_the_base_is_not_all_of_it(shop: World) -> None:
    _two_commits(shop)
    shop.commit("app", {"a.txt": "a\n", "src/app.txt": "app 2\nmore\n"}, message="one")
    sync_mirror(shop)

    assert archive(shop).codes == ["unpushed_work"]


def test_an_empty_commit_is_somebodys_work(shop: World) -> None:
    shop.git(f"{FEAT}/app", "commit", "--quiet", "--allow-empty", "--message", "a note")
    shop.commit("app", {"other.txt": "o\n"})
    sync_mirror(shop)

    assert archive(shop).codes == ["unpushed_work"]


def test_force_keeps_everything_in_the_trash(shop: World) -> None:
    commit = shop.commit(f"{FEAT}/app", {"a.txt": "a\n"})
    shop.write(f"{FEAT}/app/notes.txt", "mine\n")

    saved_id = archive(shop, "--force").json["saved_id"]

    [found] = Path(shop.path(f".grip/trash/{saved_id}")).rglob("notes.txt")
    assert found.read_text(encoding="utf-8") == "mine\n"
    assert shop.git(str(found.parent), "rev-parse", "HEAD") == commit


def test_force_does_not_lift_anothers_lease(shop: World) -> None:
    run(shop, "lease", "acquire", "alpha/feat", "--mode", "exec", actor="agent:other")

    assert archive(shop, "--force").codes == ["lease_conflict"]


def test_the_current_lane_is_left_and_its_leases_end(shop: World) -> None:
    run(shop, "enter", "alpha/feat")
    run(shop, "lease", "acquire", "alpha/feat")

    archive(shop)

    assert types(shop)[-3:] == ["lane.exited", "lease.released", "lane.archived"]
    assert run(shop, "current", "--unit", "alpha").json["lane_name"] is None
    run(shop, "create", "alpha/feat")
    taken = run(shop, "lease", "acquire", "alpha/feat", actor="agent:other")
    assert taken.json["lease"]["token"] == 2


def test_the_folders_of_a_name_go_with_its_last_lane(shop: World) -> None:
    for name in ("alpha/a/b/c", "alpha/a/d"):
        run(shop, "create", name)

    run(shop, "archive", "alpha/a/b/c")

    assert os.listdir(shop.path("agents/alpha/lanes/a")) == ["d"]
    assert run(shop, "create", "alpha/a/b").exit_code == 0


def test_a_link_in_place_of_the_lane_is_not_followed(shop: World) -> None:
    os.rename(shop.path("agents/alpha/lanes"), shop.path("elsewhere"))
    os.symlink(shop.path("elsewhere"), shop.path("agents/alpha/lanes"))

    assert archive(shop).codes == ["path_conflict"]
    assert os.path.isdir(shop.path("elsewhere/feat"))


def test_a_repo_can_be_taken_out_of_a_lane_and_had_back(shop: World) -> None:
    ran = run(shop, "drop", "api", "--lane", "alpha/feat")
    again = run(shop, "drop", "api", "--lane", "alpha/feat")

    assert [row["repo"] for row in ran.json["lane"]["repos"]] == ["app"]
    assert (again.json["status"], again.json["dropped_repos"]) == ("success", [])
    assert not os.path.exists(shop.path(f"{FEAT}/api"))
    assert shop.call("saved", "restore", ran.json["dropped_repos"][0]["saved_id"]).exit_code == 0
    assert os.path.isdir(shop.path(f"{FEAT}/api/.git"))


def test_dropping_refuses_like_archiving(shop: World) -> None:
    shop.commit(f"{FEAT}/api", {"a.txt": "a\n"})
    shop.write(f"{FEAT}/app/notes.txt", "of another repo\n")

    assert run(shop, "drop", "api", "--lane", "alpha/feat").codes == ["unpushed_work"]
    assert run(shop, "drop", "api", "--lane", "alpha/feat", "--force").exit_code == 0


def test_the_last_repo_stays(shop: World) -> None:
    assert run(shop, "drop", "api", "app", "--lane", "alpha/feat").codes == ["last_repo"]


def test_an_unknown_repo_cannot_be_dropped(shop: World) -> None:
    assert run(shop, "drop", "apu", "--lane", "alpha/feat").codes == ["unknown_repo"]
