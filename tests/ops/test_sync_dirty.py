"""`sync run` where there is uncommitted work: under each strategy, and what is in the way of an update."""

from __future__ import annotations

import os

import pytest

from gr2.testing import World
from tests.ops.sync_stage import APP, applied, events, head, issue, kinds, run, with_lane


def dirty(world: World, path: str = APP) -> str:
    """Make a changed, a staged and an untracked file; gives git's short status."""
    world.write(f"{path}/README.md", "mine\n")
    world.write(f"{path}/staged.txt", "staged\n")
    world.git(path, "add", "staged.txt")
    world.write(f"{path}/untracked.txt", "untracked\n")
    return world.git(path, "status", "--short")


def test_a_dirty_shared_repo_is_stashed_and_put_back(world: World) -> None:
    applied(world)
    before = dirty(world)
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert [kind for kind, _ in kinds(ran.json["completed"])] == [
        "cache.refresh",
        "work.stash",
        "checkout.update",
        "work.restore",
    ]
    assert (head(world), world.git(APP, "status", "--short")) == (new, before)
    assert world.git(APP, "stash", "list") == ""


def test_a_dirty_shared_repo_blocks_under_block_and_nothing_changes(world: World) -> None:
    applied(world, repos=["app", "api"])
    before, was = dirty(world), head(world)
    other = head(world, "repos/api")
    world.commit("app", {"new.txt": "new\n"})
    world.commit("api", {"new.txt": "new\n"})

    ran = run(world, "--dirty", "block")

    assert (ran.exit_code, ran.json["status"]) == (3, "blocked")
    assert issue(ran, "dirty_shared_repo")["blocking"] is True
    assert [item["path"] for item in ran.json["blocked"]] == [APP]
    assert [item["path"] for item in ran.json["unaffected"]] == ["repos/api"]
    assert (head(world), world.git(APP, "status", "--short")) == (was, before)
    assert head(world, "repos/api") == other


def test_the_others_proceed_under_block_with_keep_going(world: World) -> None:
    applied(world, repos=["app", "api"])
    before, was = dirty(world), head(world)
    world.commit("app", {"new.txt": "new\n"})
    new = world.commit("api", {"new.txt": "new\n"})

    ran = run(world, "--dirty", "block", "--keep-going")

    assert (ran.exit_code, ran.json["status"]) == (4, "partial_failure")
    assert (head(world), world.git(APP, "status", "--short")) == (was, before)
    assert head(world, "repos/api") == new


def test_block_looks_only_at_checkouts_that_will_change(world: World) -> None:
    applied(world)
    before = dirty(world)

    ran = run(world, "--dirty", "block")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert world.git(APP, "status", "--short") == before


def test_a_dirty_shared_repo_is_discarded_only_with_yes(world: World) -> None:
    applied(world)
    before, was = dirty(world), head(world)
    new = world.commit("app", {"new.txt": "new\n"})

    asked = run(world, "--dirty", "discard")

    assert (asked.exit_code, asked.json["status"]) == (3, "blocked")
    files = ["README.md", "staged.txt", "untracked.txt"]
    assert issue(asked, "confirmation_required")["details"]["files"] == files
    assert (head(world), world.git(APP, "status", "--short")) == (was, before)

    ran = run(world, "--dirty", "discard", "--yes")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    discard = next(item for item in ran.json["completed"] if item["kind"] == "work.discard")
    assert discard["details"]["files"] == files
    assert (head(world), world.git(APP, "status", "--short")) == (new, "")
    skipped = events(world, "sync.repo_skipped")[-1]
    assert (skipped["reason"], skipped["discarded_files"]) == ("dirty_discarded", files)
    assert ran.json["repos_skipped"] == 0

    world.call("saved", "restore", discard["details"]["saved_id"])
    assert world.git(APP, "status", "--short") == before


def test_discard_keeps_precious_ignored_files(world: World) -> None:
    applied(world)
    world.commit(APP, {".gitignore": "*.local\n"})
    world.git(APP, "push", "--quiet", "origin", "main")
    world.write(f"{APP}/secret.local", "precious\n")
    dirty(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world, "--dirty", "discard", "--yes")

    assert ran.json["status"] == "success"
    assert world.read(f"{APP}/secret.local") == "precious\n"


def test_a_dirty_lane_is_stashed_and_put_back(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    before = dirty(world, lane)
    new = world.commit("app", {"new.txt": "new\n"}, branch="feat")

    ran = run(world, "--lane", "feat")

    assert ran.json["status"] == "success"
    assert (head(world, lane), world.git(lane, "status", "--short")) == (new, before)


def test_a_dirty_lane_blocks_under_block(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    dirty(world, lane)
    world.commit("app", {"new.txt": "new\n"}, branch="feat")

    ran = run(world, "--lane", "feat", "--dirty", "block")

    assert issue(ran, "dirty_lane_repo")["blocking"] is True


def test_a_stash_that_cannot_be_put_back_stays_an_ordinary_stash_entry(world: World) -> None:
    applied(world)
    world.write(f"{APP}/README.md", "mine\n")
    new = world.commit("app", {"README.md": "theirs\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    kept = issue(ran, "stash_kept")
    assert kept["blocking"] is False
    assert (kept["details"]["path"], kept["details"]["files"]) == (APP, ["README.md"])
    assert kept["details"]["stash"] == world.git(APP, "rev-parse", "stash@{0}")
    assert f"gr2 auto-stash: sync {ran.json['operation_id']}" in world.git(APP, "stash", "list")
    assert (head(world), world.read(f"{APP}/README.md")) == (new, "theirs\n")
    assert world.git(APP, "status", "--short") == ""


def test_an_untracked_file_in_the_way_of_an_update_goes_by_the_strategy(world: World) -> None:
    applied(world)
    world.write(f"{APP}/new.txt", "mine\n")
    was = head(world)
    new = world.commit("app", {"new.txt": "theirs\n"})

    blocked = run(world, "--dirty", "block")
    assert (blocked.exit_code, head(world), world.read(f"{APP}/new.txt")) == (3, was, "mine\n")

    ran = run(world)
    assert issue(ran, "stash_kept")["details"]["files"] == ["new.txt"]
    assert (head(world), world.read(f"{APP}/new.txt")) == (new, "theirs\n")
    assert world.git(APP, "show", "stash@{0}^3:new.txt") == "mine"


@pytest.mark.parametrize("strategy", ["ff-only", "rebase", "merge"])
@pytest.mark.parametrize("where", ["new.local", "new.local/inside.txt", "folder"])
def test_an_ignored_file_in_the_way_of_an_update_is_never_overwritten(world: World, strategy: str, where: str) -> None:
    applied(world)
    world.commit(APP, {".gitignore": "*.local\n/folder/\n"})
    world.git(APP, "push", "--quiet", "origin", "main")
    if strategy != "ff-only":
        world.commit(APP, {"mine.txt": "mine\n"})
    ignored = f"{APP}/folder/x.txt" if where == "folder" else f"{APP}/new.local"
    world.write(ignored, "precious\n")
    was = head(world)
    world.commit("app", {where: "theirs\n"})

    ran = run(world, "--strategy", strategy)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    files = ["folder/x.txt"] if where == "folder" else ["new.local"]
    assert issue(ran, "path_conflict")["details"]["files"] == files
    assert (head(world), world.read(ignored)) == (was, "precious\n")


def test_an_ignored_file_that_a_replayed_commit_had_is_never_overwritten(world: World) -> None:
    applied(world)
    world.commit(APP, {".gitignore": "*.env\n"})
    world.git(APP, "push", "--quiet", "origin", "main")
    world.write(f"{APP}/secret.env", "by mistake\n")
    world.git(APP, "add", "--force", "secret.env")
    world.git(APP, "commit", "--quiet", "-m", "by mistake")
    world.git(APP, "rm", "--quiet", "secret.env")
    world.git(APP, "commit", "--quiet", "-m", "and out again")
    world.write(f"{APP}/secret.env", "precious\n")
    was = head(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world, "--strategy", "rebase")

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert issue(ran, "path_conflict")["details"]["files"] == ["secret.env"]
    assert (head(world), world.read(f"{APP}/secret.env")) == (was, "precious\n")


@pytest.mark.parametrize("renames", ["true", "conflict"])
@pytest.mark.parametrize("strategy", ["rebase", "merge"])
def test_an_ignored_file_where_a_renamed_folder_gets_one_is_never_overwritten(
    world: World, strategy: str, renames: str
) -> None:
    applied(world)
    world.commit(APP, {"old/one.txt": "one\n", "old/two.txt": "two\n"})
    world.git(APP, "push", "--quiet", "origin", "main")
    world.git(APP, "config", "merge.directoryRenames", renames)
    world.git(APP, "mv", "old", "new")
    world.write(f"{APP}/.gitignore", "three.txt\n")
    world.git(APP, "add", ".gitignore")
    world.git(APP, "commit", "--quiet", "-m", "moved")
    world.write(f"{APP}/new/three.txt", "precious\n")
    was = head(world)
    world.commit("app", {"old/three.txt": "theirs\n"})

    ran = run(world, "--strategy", strategy)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert issue(ran, "path_conflict")["details"]["files"] == ["new/three.txt"]
    assert (head(world), world.read(f"{APP}/new/three.txt")) == (was, "precious\n")


def test_a_file_that_replayed_commits_take_away_and_bring_back_is_in_nobodys_way(world: World) -> None:
    applied(world)
    world.commit(APP, {"README.md": None})
    mine = world.commit(APP, {"README.md": "back\n"})
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world, "--strategy", "rebase")

    assert (ran.exit_code, ran.json["status"]) == (0, "success"), ran.json
    assert head(world) != mine
    assert world.read(f"{APP}/README.md") == "back\n"


def test_a_case_only_rename_is_followed(world: World) -> None:
    applied(world)
    new = world.commit("app", {"README.md": None, "readme.md": "# app\n"})

    ran = run(world)

    assert (ran.json["status"], head(world)) == ("success", new)
    assert "readme.md" in os.listdir(world.path(APP))
    assert "README.md" not in os.listdir(world.path(APP))
    assert world.git(APP, "status", "--short") == ""


def test_a_case_only_rename_of_a_changed_file_keeps_the_change(world: World) -> None:
    applied(world)
    world.write(f"{APP}/README.md", "mine\n")
    new = world.commit("app", {"README.md": None, "readme.md": "# app\n"})

    ran = run(world)

    assert head(world) == new
    there = world.git(APP, "stash", "list") + world.git(APP, "diff", "HEAD")
    assert "mine" in there or "auto-stash" in there
    assert ran.json["status"] in {"success", "attention"}


@pytest.mark.parametrize("strategy", ["rebase", "merge"])
def test_a_conflict_is_undone_in_that_checkout(world: World, strategy: str) -> None:
    applied(world)
    mine = world.commit(APP, {"README.md": "mine\n", "other.txt": "other\n"})
    before = dirty_beside(world)
    world.commit("app", {"README.md": "theirs\n"})

    ran = run(world, "--strategy", strategy)

    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert issue(ran, f"{strategy}_conflict")["details"]["conflicting_files"] == ["README.md"]
    assert (head(world), world.git(APP, "status", "--short")) == (mine, before)
    assert world.git(APP, "stash", "list") == ""
    conflict = events(world, "sync.conflict")[-1]
    assert (conflict["reason"], conflict["conflicting_files"]) == (f"{strategy}_conflict", ["README.md"])
    assert world.git(APP, "for-each-ref", "refs/gr2/saved/") == ""
    assert not os.listdir(world.path(".grip/state/checkouts"))


def dirty_beside(world: World) -> str:
    world.write(f"{APP}/untracked.txt", "untracked\n")
    world.write(f"{APP}/other.txt", "changed\n")
    return world.git(APP, "status", "--short")


@pytest.mark.parametrize("strategy", ["rebase", "merge"])
def test_a_conflict_that_git_remembers_an_answer_to_is_one_all_the_same(world: World, strategy: str) -> None:
    applied(world)
    world.git(APP, "config", "--global", "rerere.enabled", "true")
    world.git(APP, "config", "--global", "rerere.autoUpdate", "true")
    mine = world.commit(APP, {"README.md": "mine\n"})
    world.commit("app", {"README.md": "theirs\n"})
    world.git(APP, "fetch", "--quiet")
    world.git(APP, "rebase", "--quiet", "origin/main", check=False)
    world.write(f"{APP}/README.md", "mine and theirs\n")
    world.git(APP, "add", "README.md")
    world.git(APP, "-c", "core.editor=true", "rebase", "--continue")
    world.git(APP, "reset", "--quiet", "--hard", mine)

    ran = run(world, "--strategy", strategy)

    assert issue(ran, f"{strategy}_conflict")["details"]["conflicting_files"] == ["README.md"]
    assert (head(world), world.git(APP, "status", "--short")) == (mine, "")


@pytest.mark.parametrize("strategy", ["rebase", "merge"])
def test_diverged_work_is_brought_together(world: World, strategy: str) -> None:
    applied(world)
    mine = world.commit(APP, {"mine.txt": "mine\n"})
    theirs = world.commit("app", {"theirs.txt": "theirs\n"})

    ran = run(world, "--strategy", strategy)

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    parents = world.git(APP, "log", "-1", "--format=%P").split()
    assert parents == ([mine, theirs] if strategy == "merge" else [theirs])
    assert {"mine.txt", "theirs.txt"} <= set(os.listdir(world.path(APP)))
    assert events(world, "sync.repo_updated")[-1]["strategy"] == strategy


def test_what_cannot_be_saved_exactly_is_blocked(world: World) -> None:
    applied(world)
    world.write(f"{APP}/later.txt", "later\n")
    world.git(APP, "add", "--intent-to-add", "later.txt")
    was = head(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (3, "blocked")
    assert issue(ran, "dirty_not_savable")
    assert head(world) == was
