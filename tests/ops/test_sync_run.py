"""`sync run`: what moves, what stays, and what is told about it."""

from __future__ import annotations

import os
import shutil

import pytest

from gr2.testing import World
from tests.ops.sync_stage import APP, applied, events, head, issue, kinds, run, types, with_lane


def test_no_spec_is_invalid_and_nothing_is_written(world: World) -> None:
    for command in ("run", "status"):
        ran = world.call("sync", command, "--json")
        assert (ran.exit_code, ran.codes) == (2, ["missing_spec"])
    assert os.listdir(world.root) == []


def test_every_checkout_moves_to_what_the_remote_has(world: World) -> None:
    applied(world, units=["alpha"])
    old, new = head(world), world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert kinds(ran.json["completed"]) == [
        ("cache.refresh", ".grip/cache/repos/app.git"),
        ("checkout.update", "repos/app"),
        ("checkout.update", "agents/alpha/repos/app"),
    ]
    details = ran.json["completed"][1]["details"]
    assert (details["old_sha"], details["new_sha"], details["commits_pulled"]) == (old, new, 1)
    assert [head(world), head(world, "agents/alpha/repos/app")] == [new, new]
    assert world.git(APP, "status", "--porcelain=v2", "--branch").splitlines()[-1] == "# branch.ab +0 -0"
    numbers = [ran.json[name] for name in ("repos_updated", "repos_skipped", "repos_failed")]
    assert numbers == [1, 0, 0]


def test_the_events_of_a_run_share_its_operation_id_and_end_with_completed(world: World) -> None:
    applied(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    told = [event for event in events(world) if event["type"] != "sync.cache_seeded"]
    assert [event["type"] for event in told] == [
        "sync.started",
        "sync.cache_refreshed",
        "sync.repo_updated",
        "sync.completed",
    ]
    assert {event["operation_id"] for event in told} == {ran.json["operation_id"]}
    assert (told[0]["repos"], told[0]["strategy"], told[0]["dirty"]) == (["app"], "ff-only", "stash")
    assert (told[-1]["status"], told[-1]["repos_updated"]) == ("success", 1)


def test_a_second_run_changes_nothing_and_tells_only_that_it_ran(world: World) -> None:
    applied(world)
    world.commit("app", {"new.txt": "new\n"})
    run(world)
    before = types(world)

    ran = run(world)

    assert ran.json["status"] == "success"
    assert kinds(ran.json["completed"]) == []
    assert types(world)[len(before) :] == ["sync.started", "sync.completed"]


def test_a_checkout_at_its_mirrors_head_costs_no_git_process(world: World) -> None:
    applied(world, repos=["app", "api"], units=["alpha", "beta"])

    ran = world.call("sync", "run", "-v")

    commands = [line.split()[2:] for line in ran.stderr.splitlines() if line.startswith("+ ")]
    assert [words[2] if words[0] == "-C" else words[0] for words in commands] == ["version", "fetch", "fetch"]


def test_a_missing_mirror_is_seeded_and_a_missing_checkout_is_not_made(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert kinds(ran.json["completed"]) == [("cache.seed", ".grip/cache/repos/app.git")]
    assert ran.codes == ["not_materialized", "not_materialized"]
    assert ran.json["issues"][0]["hint"] == "gr2 apply"
    assert not os.path.exists(world.path("repos"))
    assert types(world) == ["sync.started", "sync.cache_seeded", *["sync.repo_skipped"] * 2, "sync.completed"]


def test_one_of_three_remotes_gone_fails_the_run_before_any_checkout_changes(world: World) -> None:
    applied(world, repos=["app", "api", "web"])
    before = head(world)
    world.commit("app", {"new.txt": "new\n"})
    shutil.rmtree(world.remote("api"))

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert issue(ran, "remote_unreachable")["subject"] == "api"
    assert [item["repo"] for item in ran.json["failed"]] == ["api"]
    assert head(world) == before
    assert (events(world)[-1]["type"], events(world)[-1]["status"]) == ("sync.completed", "failed")


def test_one_of_three_remotes_gone_does_not_stop_the_others_with_keep_going(world: World) -> None:
    applied(world, repos=["app", "api", "web"])
    new = world.commit("app", {"new.txt": "new\n"})
    shutil.rmtree(world.remote("api"))

    ran = run(world, "--keep-going")

    assert (ran.exit_code, ran.json["status"]) == (4, "partial_failure")
    assert (ran.json["repos_updated"], ran.json["repos_failed"]) == (1, 1)
    assert head(world) == new


def test_a_failed_fetch_leaves_the_rest_unaffected_and_its_mirror_as_it_was(world: World) -> None:
    applied(world, repos=["app", "api"])
    world.commit("api", {"new.txt": "new\n"})
    shutil.rmtree(world.remote("app"))

    ran = run(world, "--jobs", "1")

    assert [item["repo"] for item in ran.json["unaffected"]] == ["api"]
    assert world.git(".grip/cache/repos/app.git", "rev-parse", "main") == head(world)


def test_offline_updates_from_the_mirrors_as_they_are(world: World) -> None:
    applied(world)
    new = world.commit("app", {"new.txt": "new\n"})
    world.git(".grip/cache/repos/app.git", "fetch", "--quiet", "origin")
    shutil.rmtree(world.remote("app"))

    ran = run(world, "--offline")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert head(world) == new


def test_offline_never_takes_back_what_was_pushed_from_here(world: World) -> None:
    applied(world)
    mine = world.commit(APP, {"mine.txt": "mine\n"})
    world.git(APP, "push", "--quiet", "origin", "main")

    for strategy in ("ff-only", "rebase", "merge"):
        ran = run(world, "--offline", "--strategy", strategy)
        assert (ran.exit_code, ran.json["issues"]) == (0, [])
        assert head(world) == mine
        assert world.git(APP, "rev-parse", "origin/main") == mine


def test_branches_of_a_lane_in_different_states(world: World) -> None:
    with_lane(world, repos=["app", "api", "web"])
    lane = "agents/alpha/lanes/feat/repos"
    for repo in ("app", "api"):
        world.git(f"{lane}/{repo}", "push", "--quiet", "origin", "feat")
    new = world.commit("app", {"new.txt": "new\n"}, branch="feat")
    world.commit("api", {"new.txt": "theirs\n"}, branch="feat")
    mine = world.commit(f"{lane}/api", {"mine.txt": "mine\n"})
    fresh = head(world, f"{lane}/web")

    ran = run(world, "--lane", "alpha/feat")

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert kinds(ran.json["completed"])[2:] == [("checkout.update", f"{lane}/app")]
    assert [head(world, f"{lane}/{repo}") for repo in ("app", "api", "web")] == [new, mine, fresh]
    diverged = issue(ran, "branch_diverged")
    assert (diverged["details"]["ahead"], diverged["details"]["behind"]) == (1, 1)
    assert diverged["details"]["rewritten"] is False
    assert issue(ran, "no_upstream")["subject"] == "web (alpha/feat)"
    reasons = {event["repo"]: event["reason"] for event in events(world, "sync.repo_skipped")}
    assert reasons == {"api": "branch_diverged", "web": "no_upstream"}
    assert (ran.json["repos_updated"], ran.json["repos_skipped"]) == (1, 2)


def test_a_lane_is_never_updated_from_its_base(world: World) -> None:
    lane = with_lane(world)
    before = head(world, lane)
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert head(world, lane) == before
    assert issue(ran, "no_upstream")["details"]["deleted"] is False
    # It learns what its base is now all the same.
    assert world.git(lane, "rev-parse", "origin/main") == new


def test_a_lane_option_takes_that_lanes_checkouts_only(world: World) -> None:
    lane = with_lane(world)
    before = head(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    new = world.commit("app", {"new.txt": "new\n"}, branch="feat")
    world.commit("app", {"new.txt": "new\n"})

    run(world, "--lane", "feat")

    assert [head(world), head(world, "agents/alpha/repos/app"), head(world, lane)] == [before, before, new]


def test_the_environment_and_the_directory_select_nothing(world: World) -> None:
    lane = with_lane(world)
    new = world.commit("app", {"new.txt": "new\n"})

    world.call("sync", "run", cwd=lane, env={"GR2_LANE": "feat", "GR2_UNIT": "alpha"})

    assert head(world) == new


def test_a_shared_checkout_on_another_branch_is_left_alone(world: World) -> None:
    applied(world)
    world.git(APP, "switch", "--quiet", "--create", "mine")
    before = head(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    details = issue(ran, "branch_mismatch")["details"]
    assert (details["branch"], details["remote_default"]) == ("mine", "main")
    assert (head(world), world.git(APP, "branch", "--show-current")) == (before, "mine")


def test_a_detached_head_is_left_alone(world: World) -> None:
    applied(world, units=["alpha"])
    for path in (APP, "agents/alpha/repos/app"):
        world.git(path, "switch", "--quiet", "--detach")
    before = head(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert [each["details"]["branch"] for each in ran.json["issues"]] == [None, None]
    assert ran.codes == ["branch_mismatch"] * 2
    assert [head(world), head(world, "agents/alpha/repos/app")] == [before, before]


def test_a_merge_in_progress_is_left_alone(world: World) -> None:
    applied(world)
    world.commit(APP, {"README.md": "mine\n"})
    world.git(APP, "switch", "--quiet", "--create", "other", "HEAD~1")
    world.commit(APP, {"README.md": "other\n"})
    world.git(APP, "switch", "--quiet", "main")
    world.git(APP, "merge", "other", check=False)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert issue(ran, "operation_in_progress")["details"]["in_progress"] == "merge"
    assert "<<<<<<<" in world.read(f"{APP}/README.md")


def test_a_force_push_is_told_and_the_checkout_stays(world: World) -> None:
    applied(world)
    world.commit("app", {"gone.txt": "gone\n"})
    run(world)
    before = head(world)
    world.git(world.remote("app"), "update-ref", "refs/heads/main", "main~1")
    world.commit("app", {"instead.txt": "instead\n"})

    ran = run(world)

    assert issue(ran, "branch_diverged")["details"]["rewritten"] is True
    assert head(world) == before


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_force_push_is_told_until_the_checkout_follows_it(world: World, goes_on: bool) -> None:
    applied(world)
    world.commit("app", {"gone.txt": "gone\n"})
    run(world)
    world.git(world.remote("app"), "update-ref", "refs/heads/main", "main~1")
    if goes_on:
        world.commit("app", {"instead.txt": "instead\n"})

    told = [issue(run(world), "branch_diverged") for _ in range(2)]
    told.append(issue(world.call("sync", "status", "--json"), "branch_diverged"))
    world.git(APP, "reset", "--quiet", "--hard", "origin/main")
    world.commit(APP, {"mine.txt": "mine\n"})

    assert [each["details"]["rewritten"] for each in told] == [True] * 3
    assert run(world).json["status"] == "success"


def test_a_rebase_after_a_force_push_replays_only_what_was_never_upstream(world: World) -> None:
    applied(world)
    world.commit("app", {"gone.txt": "gone\n"})
    run(world)
    mine = world.commit(APP, {"mine.txt": "mine\n"})
    world.git(world.remote("app"), "update-ref", "refs/heads/main", "main~1")
    world.commit("app", {"instead.txt": "instead\n"})

    ran = run(world, "--strategy", "rebase")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert world.git(APP, "log", "--format=%s", "origin/main..").splitlines() == ["change mine.txt"]
    assert not os.path.exists(world.path(f"{APP}/gone.txt"))
    saved = world.git(APP, "for-each-ref", "--format=%(objectname)", "refs/gr2/saved/").split()
    assert mine in saved


def test_a_branch_deleted_on_the_remote_is_told(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    run(world)
    before = head(world, lane)
    world.git(world.remote("app"), "branch", "--quiet", "-D", "feat")

    ran = run(world)

    assert issue(ran, "no_upstream")["details"]["deleted"] is True
    assert head(world, lane) == before
    assert "origin/feat" not in world.git(lane, "branch", "--remotes")


def test_something_else_in_the_place_of_a_checkout_is_told(world: World) -> None:
    applied(world)
    shutil.rmtree(world.path(APP))
    world.write(f"{APP}/mine.txt", "mine\n")

    ran, status = run(world), world.call("sync", "status", "--json")

    for told in (issue(ran, "path_conflict"), issue(status, "path_conflict")):
        assert told["hint"] == f"move {world.path(APP)} away, then gr2 apply"
    assert ran.json["status"] == "attention"


def test_a_worktree_in_the_place_of_a_checkout_is_told(world: World) -> None:
    applied(world, units=["alpha"])
    path = "agents/alpha/repos/app"
    shutil.rmtree(world.path(path))
    world.git(APP, "worktree", "add", "--quiet", "-b", "mine", world.path(path))
    world.commit("app", {"new.txt": "new\n"})

    ran, status = run(world), world.call("sync", "status", "--json")

    assert (ran.exit_code, ran.codes) == (0, ["path_conflict"])
    assert issue(ran, "path_conflict")["details"]["files"] == [path]
    assert "path_conflict" in status.codes
    assert "branch_mismatch" not in status.codes


def test_a_branch_deleted_on_the_remote_is_told_by_every_sync(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "--set-upstream", "origin", "feat")
    run(world)
    world.git(world.remote("app"), "branch", "--quiet", "-D", "feat")

    told = [issue(run(world), "no_upstream") for _ in range(2)]

    assert [each["details"]["deleted"] for each in told] == [True, True]
    assert [each["hint"] for each in told] == ["gr2 lane archive alpha/feat"] * 2


@pytest.mark.parametrize("upstream", ["origin/main", "fork/feat"])
def test_a_branch_that_follows_another_was_never_on_the_remote(world: World, upstream: str) -> None:
    lane = with_lane(world)
    world.git(lane, "remote", "add", "fork", world.remote("fork"))
    world.git(lane, "push", "--quiet", "fork", "feat")
    world.git(lane, "branch", "--quiet", "--set-upstream-to", upstream)

    told = issue(run(world), "no_upstream")

    assert (told["details"]["deleted"], told["message"]) == (False, "the remote has no branch feat yet")
    assert "lane archive" not in told["hint"]


def test_the_command_that_continues_is_the_one_that_was_typed(world: World) -> None:
    applied(world, repos=["app", "api"])
    shutil.rmtree(world.remote("api"))
    options = ["--repo", "api", "--repo", "app", "--dirty", "discard", "--strategy", "merge", "--yes", "--keep-going"]

    ran, fine = run(world, *options), run(world, "--repo", "app")

    assert ran.json["retry"] == f"gr2 sync run {' '.join(options)}"
    assert fine.json["retry"] == ""


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_changed_file_that_git_was_told_not_to_look_at_is_named(world: World, flag: str) -> None:
    applied(world)
    world.git(APP, "update-index", flag, "README.md")
    world.write(f"{APP}/README.md", "mine\n")
    world.commit("app", {"README.md": "theirs\n"})

    ran = run(world)

    told = issue(ran, "path_conflict")
    assert told["message"].endswith("would be overwritten by merge: README.md")
    assert "assume-unchanged" in told["hint"]
    assert world.read(f"{APP}/README.md") == "mine\n"


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e400", "-1"])
def test_a_wait_that_is_no_number_of_seconds_is_a_usage_error(world: World, seconds: str) -> None:
    applied(world)

    ran = run(world, "--wait", seconds)

    assert (ran.exit_code, ran.json["issues"][0]["code"]) == (2, "usage")


def test_a_renamed_default_branch_is_told_and_no_branch_is_switched(world: World) -> None:
    applied(world)
    before = head(world)
    world.git(world.remote("app"), "branch", "--move", "main", "trunk")
    world.git(world.remote("app"), "symbolic-ref", "HEAD", "refs/heads/trunk")

    ran = run(world)

    details = issue(ran, "branch_mismatch")["details"]
    assert (details["branch"], details["remote_default"]) == ("main", "trunk")
    assert (head(world), world.git(APP, "branch", "--show-current")) == (before, "main")


def test_a_unit_checkout_on_a_branch_that_was_renamed_is_told_what_to_switch_to(world: World) -> None:
    applied(world, units=["alpha"])
    world.git(world.remote("app"), "branch", "--quiet", "-m", "main", "trunk")

    told = issue(run(world), "no_upstream")

    assert (told["subject"], told["details"]["deleted"]) == ("app (alpha)", True)
    assert told["hint"] == f"git -C {world.path('agents/alpha/repos/app')} switch trunk"


def test_a_default_branch_that_is_not_there_blocks_no_lane(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    new = world.commit("app", {"new.txt": "new\n"}, branch="feat")
    text = world.read(".grip/workspace_spec.toml")
    path = f'path = "{APP}"\n'
    world.write(".grip/workspace_spec.toml", text.replace(path, f'{path}default_branch = "nowhere"\n'))

    ran = run(world, "--lane", "alpha/feat")

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert issue(ran, "unknown_revision")["blocking"] is False
    assert head(world, lane) == new


def test_a_branch_name_that_becomes_a_folder_on_the_remote_is_no_trouble(world: World) -> None:
    applied(world)
    remote = world.remote("app")
    world.git(remote, "branch", "--quiet", "-D", "topic")
    world.git(remote, "branch", "topic/one", "main")

    ran = run(world)

    assert ran.json["status"] == "success"
    assert "topic/one" in world.git(".grip/cache/repos/app.git", "branch")


def test_a_repo_removed_from_the_spec_is_told_and_never_deleted(world: World) -> None:
    applied(world, repos=["app", "api"])
    world.write_spec(repos=["app"], units=[])

    ran = run(world)

    assert ran.json["status"] == "attention"
    told = {each["details"]["path"]: each["hint"] for each in ran.json["issues"] if each["code"] == "repo_not_in_spec"}
    mirror = ".grip/cache/repos/api.git"
    assert told == {
        mirror: f"add api to the spec, or remove its checkouts, then {world.path(mirror)} yourself",
        "repos/api": f"add api to the spec, or remove {world.path('repos/api')} yourself",
    }
    assert os.path.isdir(world.path("repos/api/.git"))


def test_every_checkout_of_a_repo_removed_from_the_spec_is_told(world: World) -> None:
    lane = with_lane(world, repos=["app", "api"])
    world.write_spec(repos=["api"], units=["alpha"])

    ran = run(world)

    told = {each["details"]["path"] for each in ran.json["issues"] if each["code"] == "repo_not_in_spec"}
    assert told == {".grip/cache/repos/app.git", "repos/app", "agents/alpha/repos/app", lane}


def test_a_repo_removed_from_a_unit_alone_is_told_so(world: World) -> None:
    applied(world, repos=["app", "api"], units=["alpha"])
    world.write_spec(repos=["app", "api"], units={"alpha": {"repos": ["app"]}})

    ran = run(world)

    told = issue(ran, "repo_not_in_spec")
    assert told["message"] == "agents/alpha/repos/api is not in the repos of alpha; it is left alone"
    assert told["hint"] == f"add api to the repos of alpha, or remove {world.path('agents/alpha/repos/api')} yourself"


def test_a_unit_removed_from_the_spec_is_told_with_its_lanes(world: World) -> None:
    applied(world, repos=["app"], units=["alpha", "beta"])
    world.call("lane", "create", "beta/feat/one")
    world.write_spec(repos=["app"], units=["alpha"])

    for ran in (run(world), world.call("plan", "--json")):
        told = issue(ran, "repo_not_in_spec")
        assert (told["scope"], told["subject"], told["details"]["path"]) == ("unit", "beta", "agents/beta")
        assert told["details"]["lanes"] == ["feat/one"]
        assert told["message"] == "unit beta is in agents/beta with 1 lane, and not in the spec; it is left alone"
        assert told["hint"].startswith("add unit beta with that path to the spec again, or move ")
    world.write_spec(repos=["app"], units={"alpha": {}, "gamma": {"path": "agents/beta"}})
    assert "repo_not_in_spec" not in world.call("plan", "--json").codes


def test_a_unit_that_the_spec_has_elsewhere_is_told_where(world: World) -> None:
    applied(world, repos=["app"], units=["alpha"])
    world.write_spec(repos=["app"], units={"alpha": {"path": "people/alpha"}})

    told = issue(world.call("plan", "--json"), "repo_not_in_spec")

    assert told["message"] == "unit alpha is in agents/alpha, and in people/alpha by the spec; it is left alone"
    assert told["hint"].startswith("give unit alpha that path in the spec again, or move ")


def test_a_repo_with_a_unit_toml_of_its_own_is_no_unit(world: World) -> None:
    world.write_spec(repos={"app": {"path": "app"}}, units={"alpha": {"path": "alpha"}})
    world.commit("app", {"unit.toml": 'name = "other"\n'})
    assert world.call("apply").exit_code == 0

    assert world.call("plan", "--json").codes == []


def test_a_repo_whose_url_changed_in_the_spec_is_blocked(world: World) -> None:
    applied(world, repos=["app", "api"])
    new = world.commit("api", {"new.txt": "new\n"})
    world.write_spec(repos={"app": {"url": world.remote("web")}, "api": {}}, units=[])

    stopped, went_on = run(world), run(world, "--keep-going")

    assert (stopped.exit_code, stopped.json["status"]) == (3, "blocked")
    assert issue(stopped, "repo_url_changed")["hint"] == "gr2 apply --accept-url app"
    assert (went_on.exit_code, went_on.json["status"]) == (4, "partial_failure")
    assert head(world, "repos/api") == new


@pytest.mark.parametrize("what", ["file", "directory", "clone"])
def test_a_mirror_path_that_is_not_a_mirror_is_left_alone(world: World, what: str) -> None:
    applied(world)
    mirror = world.path(".grip/cache/repos/app.git")
    shutil.rmtree(mirror)
    if what == "file":
        world.write(mirror, "mine\n")
    elif what == "directory":
        world.write(f"{mirror}/mine.txt", "mine\n")
    else:
        world.git("", "clone", "--quiet", "--bare", world.remote("api"), mirror)

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (3, "blocked")
    assert ran.codes == ["cache_path_conflict"]
    assert [event["status"] for event in events(world, "sync.completed")] == ["blocked"]
    assert os.path.exists(mirror)


def test_an_empty_remote_is_told(world: World) -> None:
    world.git("", "init", "--quiet", "--bare", f"{world.base}/empty.git")
    applied(world, repos={"empty": {"url": f"{world.base}/empty.git"}, "app": {}})
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert ran.json["status"] == "attention"
    assert issue(ran, "remote_empty")["subject"] == "empty"
    assert head(world) == new


def test_a_pinned_repo_moves_only_to_its_pin(world: World) -> None:
    applied(world, repos={"app": {"revision": "v1"}})
    pinned = head(world)
    new = world.commit("app", {"new.txt": "new\n"})
    still = run(world)
    assert (still.json["status"], head(world)) == ("success", pinned)
    world.write_spec(repos={"app": {"revision": new}}, units=[])

    ran = run(world)

    assert ran.json["status"] == "success"
    assert (head(world), world.git(APP, "branch", "--show-current")) == (new, "")


def test_a_pin_that_does_not_exist_is_blocked(world: World) -> None:
    applied(world)
    world.write_spec(repos={"app": {"revision": "v9"}}, units=[])

    ran = run(world)

    assert (ran.exit_code, ran.codes) == (3, ["unknown_revision"])


def test_a_shallow_checkout_is_updated(world: World) -> None:
    applied(world)
    shutil.rmtree(world.path(APP))
    world.git("", "clone", "--quiet", "--depth=1", f"file://{world.remote('app')}", APP)
    world.git(APP, "remote", "set-url", "origin", world.remote("app"))
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.json["status"], head(world)) == ("success", new)


def test_a_partial_clone_is_updated_and_stays_partial(world: World) -> None:
    world.git(world.remote("app"), "config", "uploadpack.allowFilter", "true")
    world.git(world.remote("app"), "config", "uploadpack.allowAnySHA1InWant", "true")
    applied(world, repos={"app": {"url": f"file://{world.remote('app')}", "filter": "blob:none"}})
    world.commit("app", {"old.txt": "old\n"})
    new = world.commit("app", {"old.txt": "new\n"})

    ran = run(world)

    assert (ran.json["status"], head(world)) == ("success", new)
    missing = world.git(".grip/cache/repos/app.git", "rev-list", "--objects", "--missing=print", "main")
    assert "?" in missing
    assert "promisor" in world.git(".grip/cache/repos/app.git", "config", "--list")
    assert "file://" not in world.git(".grip/cache/repos/app.git", "config", "--name-only", "--list")


def test_submodules_are_left_alone_while_the_checkout_around_them_is_updated(world: World) -> None:
    applied(world)
    world.git(APP, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", world.remote("api"), "lib")
    world.git(APP, "commit", "--quiet", "-m", "add a submodule")
    world.git(APP, "push", "--quiet", "origin", "main")
    world.write(f"{APP}/lib/README.md", "changed inside\n")
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.json["status"], head(world)) == ("attention", new)
    assert issue(ran, "submodules_ignored")["details"]["submodules"] == ["lib"]
    assert world.read(f"{APP}/lib/README.md") == "changed inside\n"


def test_a_nested_repository_is_left_alone_while_the_checkout_around_it_is_updated(world: World) -> None:
    applied(world)
    world.git("", "init", "--quiet", f"{APP}/inner")
    world.write(f"{APP}/inner/mine.txt", "mine\n")
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.json["status"], head(world)) == ("attention", new)
    assert issue(ran, "nested_repo")["details"]["nested"] == ["inner"]
    assert world.read(f"{APP}/inner/mine.txt") == "mine\n"


def test_a_nested_repository_in_the_way_is_not_savable(world: World) -> None:
    applied(world)
    world.git("", "init", "--quiet", f"{APP}/inner")
    world.write(f"{APP}/inner/mine.txt", "mine\n")
    world.commit("app", {"inner": "a file now\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (3, "blocked")
    assert issue(ran, "dirty_not_savable")
    assert world.read(f"{APP}/inner/mine.txt") == "mine\n"


def test_a_checkout_that_is_a_link_is_left_alone(world: World) -> None:
    applied(world)
    os.rename(world.path(APP), world.path("elsewhere"))
    os.symlink("../elsewhere", world.path(APP))
    before = head(world)
    world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert head(world) == before
    assert ran.json["status"] != "success"


def test_an_invalid_hooks_file_is_told_and_blocks_no_update(world: World) -> None:
    applied(world)
    new = world.commit("app", {".gr2/hooks.toml": "version = 1\nnonsense = true\n"})

    ran = run(world)
    looked = world.call("sync", "status", "--json")

    assert (ran.exit_code, ran.json["status"], head(world)) == (0, "attention", new)
    assert (issue(ran, "invalid_hooks")["blocking"], issue(looked, "invalid_hooks")["blocking"]) == (False, False)


def test_a_reference_repo_is_updated_like_others(world: World) -> None:
    applied(world, repos={"app": {"reference": True}})
    new = world.commit("app", {"new.txt": "new\n"})

    run(world)

    assert head(world) == new


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--lane", "nope"], "unknown_lane"),
        (["--unit", "nope"], "unknown_unit"),
        (["--repo", "ap"], "unknown_repo"),
        (["--group", "nope"], "unknown_group"),
        (["--strategy", "rebas"], "unknown_strategy"),
        (["--dirty", "stahs"], "unknown_plugin"),
    ],
)
def test_what_does_not_exist_is_invalid_and_starts_nothing(world: World, args: list[str], code: str) -> None:
    applied(world)

    ran = run(world, *args)

    assert (ran.exit_code, ran.codes, ran.json["operation_id"]) == (2, [code], None)
    assert "sync.started" not in types(world)


def test_a_unit_option_takes_its_checkouts_and_lanes_only(world: World) -> None:
    with_lane(world, units=["alpha", "beta"])
    before = head(world)
    new = world.commit("app", {"new.txt": "new\n"})

    run(world, "--unit", "alpha")

    assert head(world, "agents/alpha/repos/app") == new
    assert [head(world), head(world, "agents/beta/repos/app")] == [before, before]


@pytest.mark.parametrize("name", ["HEAD.lock", "packed-refs.lock"])
def test_a_lock_that_a_killed_fetch_left_in_a_mirror_goes(world: World, name: str) -> None:
    applied(world)
    lock = world.write(f".grip/cache/repos/app.git/{name}", "")

    assert run(world).json["status"] == "success"

    assert not os.path.exists(lock)
