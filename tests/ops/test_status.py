"""`status`: one screen that says what needs a person, each line with the command to type."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from gr2.store.cursors import Cursor, write_cursor
from gr2.store.outbox_read import newest_event
from gr2.testing import World


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app", "api"], units=["alpha"])
    world.call("apply")
    return world


def needs(world: World) -> dict[str, str]:
    found = world.call("status", "--json").json
    assert found["status"] == ("attention" if found["issues"] else "ok")
    assert all(issue["hint"].startswith("g") for issue in found["issues"])
    return {issue["code"]: issue["hint"] for issue in found["issues"]}


def typed(world: World, code: str) -> None:
    """Type what the line with this code ends in."""
    ran = world.call(*shlex.split(needs(world)[code])[1:])
    assert ran.exit_code == 0, ran.stdout + ran.stderr


def test_a_workspace_that_needs_nobody_says_so(shop: World) -> None:
    assert needs(shop) == {}
    assert shop.call("status").stdout.endswith("Nothing needs you.\n")


def test_a_lane_that_was_removed_by_hand_is_nobodys_current_one(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.call("lane", "enter", "alpha/fix")
    shutil.rmtree(shop.path("agents/alpha/lanes/fix"))

    assert [unit["current_lane"] for unit in shop.call("status", "--json").json["units"]] == [None]
    assert shop.call("lane", "list", "--json").json["current"] == {}


def test_older_saved_work_than_what_came_back_is_offered_by_its_id(shop: World) -> None:
    shop.call("lane", "create", "fix")
    for name in ("one.txt", "two.txt"):
        shop.call("lane", "enter", "alpha/fix")
        shop.write(f"agents/alpha/lanes/fix/repos/app/{name}", "mine\n")
        shop.call("lane", "exit", "--unit", "alpha")
    assert needs(shop)["saved_work"] == "gr2 lane enter alpha/fix --restore"

    typed(shop, "saved_work")

    assert needs(shop)["saved_work"] == "gr2 saved list"


def test_a_hooks_file_that_nobody_approved_is_told_with_the_command_to_type(shop: World) -> None:
    hook = '[[lifecycle.on_enter]]\nname = "x"\ncommand = "true"\n'
    shop.commit("repos/app", {".gr2/hooks.toml": hook})
    assert needs(shop)["untrusted_hooks"] == "gr2 hooks trust app"
    assert "untrusted_hooks" not in shop.call("status", "--repo", "api", "--json").codes

    assert shop.call("hooks", "trust", "app", "--actor", "human:ada").exit_code == 0

    assert "untrusted_hooks" not in needs(shop)


def test_a_hooks_file_that_only_a_lane_has_is_approved_there(shop: World) -> None:
    shop.call("lane", "create", "fix")
    hook = '[[lifecycle.on_enter]]\nname = "x"\ncommand = "true"\n'
    shop.commit("agents/alpha/lanes/fix/repos/app", {".gr2/hooks.toml": hook})
    assert needs(shop)["untrusted_hooks"] == "gr2 hooks trust app --lane alpha/fix"

    shop.call("hooks", "trust", "app", "--lane", "alpha/fix", "--actor", "human:ada")

    assert "untrusted_hooks" not in needs(shop)


def test_a_hooks_file_that_only_has_rules_waits_for_nobody(shop: World) -> None:
    shop.commit("repos/app", {".gr2/hooks.toml": "[policy]\nrequired_reviewers = 1\n"})
    assert "untrusted_hooks" not in needs(shop)


def test_what_is_missing_is_made_by_apply(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    assert needs(world) == {"not_materialized": "gr2 apply"}


def test_what_stands_in_the_way_of_apply_is_said_instead_of_apply(shop: World) -> None:
    shutil.rmtree(shop.path("repos/api"))
    shop.write("repos/api/keep", "mine")
    assert shop.call("apply", "--json").codes == ["path_conflict"]
    (issue,) = shop.call("status", "--json").json["issues"]
    assert (issue["code"], issue["hint"]) == ("path_conflict", f"move {shop.path('repos/api')} away, then gr2 apply")
    assert "gr2 apply" in shop.call("status").stdout


def test_a_lane_whose_checkout_cannot_be_made_is_not_sent_to_apply(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shutil.rmtree(shop.path("agents/alpha/lanes/fix/repos/app"))
    shop.write("agents/alpha/lanes/fix/repos/app/keep", "mine")
    assert [issue["code"] for issue in shop.call("status", "--json").json["issues"]] == ["path_conflict"]


def test_a_url_that_changed_in_the_spec_waits_for_a_yes(shop: World) -> None:
    shop.write_spec(repos={"app": {"url": shop.remote("other")}, "api": {}}, units=["alpha"])
    assert needs(shop) == {"repo_url_changed": "gr2 apply --accept-url app"}


def test_an_empty_remote_wants_a_branch_not_another_apply(world: World) -> None:
    world.git("", "init", "--quiet", "--bare", f"{world.base}/empty.git")
    world.write_spec(repos={"empty": {"url": f"{world.base}/empty.git"}, "app": {}}, units=["alpha"])
    assert needs(world) == {"not_materialized": "gr2 apply"}
    world.call("apply")
    (issue,) = world.call("status", "--json").json["issues"]
    assert (issue["code"], issue["subject"]) == ("remote_empty", "empty")
    assert world.call("sync", "status", "--json").codes == ["remote_empty"]


def test_a_mirror_that_went_away_is_one_line_a_repo_and_nothing_is_called_clean(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.call("lane", "enter", "fix")
    shutil.rmtree(shop.path(".grip/cache/repos/api.git"))
    assert needs(shop) == {"mirror_missing": "gr2 apply"}
    (issue,) = shop.call("status", "--json").json["issues"]
    paths = ["repos/api", "agents/alpha/repos/api", "agents/alpha/lanes/fix/repos/api"]
    assert (issue["subject"], issue["details"]["checkouts"]) == ("api", paths)
    assert shop.call("repo", "status", "--json").codes == ["mirror_missing"]
    lines = [line for line in shop.call("repo", "status").stdout.splitlines() if line.split()[0].endswith("/api")]
    assert len(lines) == 3 and all("cannot be read" in line and "clean" not in line for line in lines)
    found = shop.call("sync", "status")
    assert found.stdout.startswith("2 other checkouts are") and found.stderr.count("mirror_missing") == 1
    for command in (("exit",), ("archive", "fix")):
        ran = shop.call("lane", *command, "--json")
        assert (ran.exit_code > 0, ran.codes, ran.json["issues"][0]["hint"]) == (True, ["mirror_missing"], "gr2 apply")
    assert shop.call("apply").exit_code == 0
    assert needs(shop) == {}


def test_checkouts_of_a_workspace_that_was_moved_are_sent_to_the_doctor(shop: World) -> None:
    moved = f"{shop.base}/moved"
    os.rename(shop.root, moved)
    os.makedirs(shop.root)
    issues = shop.call("-C", moved, "status", "--json").json["issues"]
    assert {(issue["code"], issue["hint"]) for issue in issues} == {("mirror_missing", "gr2 doctor --fix")}
    assert shop.call("-C", moved, "doctor", "--fix").exit_code == 0
    assert shop.call("-C", moved, "status", "--json").json["issues"] == []


def test_a_required_plugin_that_is_not_there_is_known_before_anything_is_tried(shop: World) -> None:
    assert shop.call("lane", "create", "fix").exit_code == 0
    shop.write_spec(
        repos=["app", "api"],
        units=["alpha", "beta"],
        extra='[workspace_constraints]\nrequires = ["gr2-nothere"]\n',
    )
    assert shop.call("apply", "--json").codes == ["constraint_unavailable"]
    for dry_run in (("plan",), ("exec", "status", "--lane", "alpha/fix"), ("exec", "status", "--shared")):
        found = shop.call(*dry_run, "--json")
        assert (found.exit_code, found.json["status"]) == (3, "blocked")
        assert found.codes == ["constraint_unavailable"]
        assert found.json["operations"]
    (issue, *_) = shop.call("status", "--json").json["issues"]
    assert (issue["code"], issue["blocking"]) == ("constraint_unavailable", False)
    assert "gr2-nothere" in shop.call("status").stdout


def test_uncommitted_work_in_a_shared_checkout_is_named(shop: World) -> None:
    shop.write("repos/app/README.md", "changed")
    assert needs(shop) == {"dirty_shared_repo": f"git -C {shop.path('repos/app')} status"}
    assert "  git -C repos/app status\n" in shop.call("status").stdout


def test_a_hint_typed_in_a_lane_means_the_checkout_it_is_about(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.git("repos/app", "checkout", "--quiet", "--detach")
    lane = shop.path("agents/alpha/lanes/fix")
    ran = shop.call("sync", "status", cwd=lane)
    hint = next(line for line in ran.stderr.splitlines() if "help: git -C" in line).partition("help: ")[2]
    subprocess.run(hint, shell=True, cwd=lane, env=shop.env, check=True, capture_output=True)
    assert shop.git("repos/app", "symbolic-ref", "--short", "HEAD") == "main"
    assert shop.git(f"{lane}/repos/app", "symbolic-ref", "--short", "HEAD") == "fix"


def test_a_command_to_type_is_quoted_where_a_shell_would_take_it_apart(world: World) -> None:
    world.write_spec(repos={"app": {"path": "my repos/app"}}, units=["alpha"])
    world.call("apply")
    world.write("my repos/app/README.md", "changed")
    world.call("lane", "create", "a;b'c")
    world.commit("agents/alpha/lanes/a;b'c/repos/app", {"new.txt": "new"})
    found = needs(world)
    assert shlex.split(found["dirty_shared_repo"]) == ["git", "-C", world.path("my repos/app"), "status"]
    assert shlex.split(found["unpushed_work"])[4] == "alpha/a;b'c"
    assert "git -C 'my repos/app' status" in world.call("status").stdout


def test_a_failure_that_waits_is_answered_by_a_command_that_changes_nothing(shop: World) -> None:
    marker = {"version": 1, "operation_id": "op_0123456789ab", "operation": "apply", "stage": "", "hook_name": ""}
    marker |= {"repo": "app", "owner_unit": "", "lane_name": "", "failed_at": "2026-01-01T00:00:00Z", "event_id": ""}
    partial: dict[str, list[str]] = {"repos_completed": [], "repos_pending": [], "repos_failed": []}
    text = json.dumps({**marker, "partial_state": partial, "resolved": None})
    shop.write(".grip/state/failures/op_0123456789ab.json", text)
    assert needs(shop) == {"unresolved_failure": "gr2 failures list"}
    shown = shop.call("failures", "list").stdout
    assert "gr2 failures resolve op_0123456789ab --resolution retry\n" in shown
    assert "|" not in shown


def test_a_checkout_behind_its_remote_is_brought_up_to_date_by_sync(shop: World) -> None:
    shop.git("repos/app", "reset", "--quiet", "--hard", "HEAD~1")
    assert needs(shop) == {"behind": "gr2 sync run"}


def test_a_checkout_that_diverged_is_not_sent_to_a_sync_that_leaves_it_alone(shop: World) -> None:
    shop.git("repos/app", "reset", "--quiet", "--hard", "HEAD~1")
    shop.commit("repos/app", {"mine.txt": "mine"})
    assert needs(shop) == {"branch_diverged": "gr2 sync run --strategy rebase --repo app"}
    typed(shop, "branch_diverged")
    assert needs(shop) == {}


def test_a_merge_that_waits_for_a_person_is_named(shop: World) -> None:
    shop.commit("repos/app", {"README.md": "mine"})
    shop.git("repos/app", "checkout", "--quiet", "-b", "other", "HEAD~1")
    shop.commit("repos/app", {"README.md": "theirs"})
    shop.git("repos/app", "merge", "main", check=False)
    assert "operation_in_progress" in needs(shop)


def test_commits_that_are_nowhere_else_ask_for_a_pull_request(shop: World) -> None:
    shop.call("lane", "create", "fix")
    assert needs(shop) == {}
    shop.commit("agents/alpha/lanes/fix/repos/app", {"new.txt": "new"})
    assert needs(shop) == {"unpushed_work": "gr2 pr create --lane alpha/fix --title TITLE"}


def test_commits_that_are_nowhere_else_are_told_beside_uncommitted_work(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.write("agents/alpha/lanes/fix/repos/api/scratch.txt", "half done")
    assert needs(shop) == {}
    shop.commit("agents/alpha/lanes/fix/repos/app", {"new.txt": "new"})
    assert needs(shop) == {"unpushed_work": "gr2 pr create --lane alpha/fix --title TITLE"}


def test_work_put_away_at_exit_is_offered_again(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.call("lane", "enter", "fix")
    shop.write("agents/alpha/lanes/fix/repos/app/README.md", "half done")
    shop.call("lane", "exit")
    assert needs(shop) == {"saved_work": "gr2 lane enter alpha/fix --restore"}


@pytest.mark.parametrize("checkout", ["repos/app", "agents/alpha/repos/app"])
def test_work_that_a_sync_put_away_and_kept_is_named(shop: World, checkout: str) -> None:
    shop.write(f"{checkout}/README.md", "mine\n")
    shop.commit("app", {"README.md": "theirs\n"})
    assert "stash_kept" in shop.call("sync", "run", "--dirty", "stash", "--json").codes
    assert needs(shop) == {"saved_work": "gr2 saved list"}
    assert checkout in shop.call("status").stdout
    (saved,) = shop.call("saved", "list", "--json").json["saved"]
    assert shop.call("status", "--repo", "api", "--json").json["issues"] == []
    assert shop.call("saved", "drop", saved["id"]).exit_code == 0
    assert needs(shop) == {}


def test_a_group_that_can_be_merged_is_offered(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.commit("agents/alpha/lanes/fix/repos/app", {"new.txt": "new"})
    assert shop.call("pr", "create", "--lane", "fix", "--title", "New").exit_code == 0
    assert needs(shop) == {"pr_mergeable": "gr2 pr merge --lane alpha/fix"}


def in_review(shop: World, *words: str) -> str:
    """The lane alpha/fix with a pull request of app, and of the repos among `words`; its checkout of app."""
    shop.call("lane", "create", "fix")
    checkout = "agents/alpha/lanes/fix/repos/app"
    options = [word for word in words if word.startswith("--")]
    for repo in ("app", *(word for word in words if word not in options)):
        shop.commit(f"agents/alpha/lanes/fix/repos/{repo}", {"new.txt": "new"})
    assert shop.call("pr", "create", "--lane", "fix", "--title", "New thing", *options).exit_code == 0
    return checkout


@pytest.mark.parametrize("repo", ["app", "api"])
def test_commits_that_the_pull_requests_lack_are_told_instead_of_a_merge(shop: World, repo: str) -> None:
    in_review(shop)
    shop.commit(f"agents/alpha/lanes/fix/repos/{repo}", {"more.txt": "more"})
    assert needs(shop) == {"unpushed_work": "gr2 pr create --lane alpha/fix"}
    typed(shop, "unpushed_work")
    assert needs(shop) == {"pr_mergeable": "gr2 pr merge --lane alpha/fix"}


def test_commits_that_were_pushed_by_hand_are_in_the_pull_request(shop: World) -> None:
    checkout = in_review(shop)
    shop.commit(checkout, {"more.txt": "more"})
    shop.git(checkout, "push", "--quiet", "origin", "HEAD")
    assert needs(shop) == {"pr_mergeable": "gr2 pr merge --lane alpha/fix"}


@pytest.mark.parametrize("mine", [True, False])
def test_a_lane_whose_branch_went_on_elsewhere_is_brought_together_before_it_is_pushed(shop: World, mine: bool) -> None:
    checkout = in_review(shop)
    shop.commit("app", {"theirs.txt": "theirs"}, branch="fix")
    if mine:
        shop.commit(checkout, {"mine.txt": "mine"})
        assert shop.call("sync", "run", "--lane", "alpha/fix").exit_code in {0, 3}
        assert needs(shop) == {"branch_diverged": "gr2 sync run --strategy rebase --lane alpha/fix"}
        typed(shop, "branch_diverged")
        assert list(needs(shop)) == ["unpushed_work"]
        typed(shop, "unpushed_work")
    assert needs(shop) == {"pr_mergeable": "gr2 pr merge --lane alpha/fix"}


def test_a_lane_without_pull_requests_whose_upstream_went_on_is_brought_together_first(shop: World) -> None:
    shop.call("lane", "create", "fix")
    checkout = "agents/alpha/lanes/fix/repos/app"
    shop.commit(checkout, {"new.txt": "new"})
    shop.git(checkout, "push", "--quiet", "-u", "origin", "HEAD")
    shop.commit("app", {"theirs.txt": "theirs"}, branch="fix")
    shop.git(checkout, "fetch", "--quiet", "origin")
    shop.commit(checkout, {"mine.txt": "mine"})
    assert needs(shop) == {"branch_diverged": "gr2 sync run --strategy rebase --lane alpha/fix"}
    typed(shop, "branch_diverged")
    assert needs(shop) == {"unpushed_work": "gr2 pr create --lane alpha/fix --title TITLE"}


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (["review", "app", "1", "kim", "changes_requested"], "changes are requested"),
        (["close", "api", "1"], "it is closed"),
        ([], "it conflicts with its base"),
    ],
)
def test_pull_requests_that_are_held_up_are_named(shop: World, arrange: list[str], words: str) -> None:
    in_review(shop, "api")
    if arrange:
        assert shop.call("local-platform", *arrange).exit_code == 0
    else:
        shop.commit("app", {"new.txt": "something else"}, branch="main")
    assert shop.call("pr", "status", "--lane", "alpha/fix").exit_code in {0, 1}
    assert needs(shop) == {"pr_blocked": "gr2 pr status --lane alpha/fix"}
    assert words in shop.call("status").stdout


def test_a_draft_is_named_and_so_are_checks_that_fail_beside_it(shop: World) -> None:
    in_review(shop, "--draft")
    assert needs(shop) == {"pr_blocked": "gr2 pr status --lane alpha/fix"}
    assert "app#1 (it is a draft)" in shop.call("status").stdout
    shop.call("local-platform", "check", "app", "1", "ci", "failure")
    typed(shop, "pr_blocked")
    assert "app#1 (it is a draft, checks fail)" in shop.call("status").stdout
    shop.call("local-platform", "ready", "app", "1")
    typed(shop, "pr_blocked")
    assert needs(shop) == {"pr_checks_failing": "gr2 pr checks --lane alpha/fix"}


def read_all(world: World, consumer: str = "rec") -> None:
    """Have a consumer at the end of the log."""
    newest = newest_event(world.session().layout)
    assert newest is not None
    cursor = Cursor(consumer=consumer, last_seq=newest["seq"], last_event_id=newest["event_id"])
    write_cursor(world.session().layout, cursor)


def test_a_log_that_was_cut_off_is_named_for_the_consumer_it_stops(shop: World) -> None:
    shop.call("lane", "create", "feat")
    read_all(shop)
    assert "cursor_invalid" not in needs(shop)
    log = shop.read(".grip/events/outbox.jsonl").splitlines(keepends=True)
    shop.write(".grip/events/outbox.jsonl", "".join(log[:1]))

    found = shop.call("status", "--json").json["issues"]

    stopped = {issue["subject"]: issue["hint"] for issue in found if issue["code"] == "cursor_invalid"}
    assert stopped["rec"] == "gr2 events deliver --sink rec --from start"
    assert "gr2 events deliver --sink rec --from start" in shop.call("status").stdout


@pytest.mark.parametrize("place", [".grip/events/cursors/rec.json", ".grip/events/outbox.jsonl"])
def test_a_cursor_or_log_that_cannot_be_read_is_named(shop: World, place: str) -> None:
    shop.call("lane", "create", "feat")
    read_all(shop)
    os.unlink(shop.path(place))
    os.mkfifo(shop.path(place))

    codes = {issue["code"] for issue in shop.call("status", "--json").json["issues"]}

    assert codes & {"cursor_invalid", "outbox_unwritable"}


def test_the_log_is_not_read_while_every_consumer_is_at_its_end(shop: World) -> None:
    shop.call("lane", "create", "feat")
    read_all(shop)
    code = "import sys; from gr2.cli.main import main; main(['status']); print('gr2.store.outbox_read' in sys.modules)"

    def reads() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=shop.root, env=shop.env, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()[-1]

    assert reads() == "False"
    shop.call("--no-plugins", "lane", "create", "other")
    assert reads() == "True"


def test_the_screen_shows_units_lanes_and_odd_checkouts(shop: World) -> None:
    shop.call("lane", "create", "fix")
    shop.call("lane", "enter", "fix")
    shop.write("repos/api/README.md", "changed")
    screen = shop.call("status").stdout
    assert "alpha  in fix" in screen
    assert "* fix" in " ".join(screen.split())
    assert "repos/api" in screen
    assert "repos/app" not in screen


def test_a_unit_option_narrows_the_screens_to_that_unit(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha", "beta"])
    world.call("apply")
    for unit in ("alpha", "beta"):
        world.call("lane", "create", "fix", "--unit", unit)
        world.write(f"agents/{unit}/repos/app/README.md", "mine")
    found = world.call("status", "--unit", "beta", "--json").json
    assert [row["unit"] for row in found["units"]] == ["beta"]
    assert [row["path"] for row in found["repos"]] == ["agents/beta/repos/app"]
    assert [lane["owner_unit"] for lane in found["lanes"]] == ["beta"]
    assert [issue["subject"] for issue in found["issues"]] == ["agents/beta/repos/app"]
    rows = world.call("repo", "status", "--unit", "beta", "--json").json["repos"]
    assert [row["path"] for row in rows] == ["agents/beta/repos/app", "agents/beta/lanes/fix/repos/app"]


def test_status_writes_nothing(shop: World) -> None:
    def stamp() -> list[tuple[str, int]]:
        return sorted(
            (os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_mtime_ns)
            for folder, _, names in os.walk(shop.root)
            for name in names
        )

    before = stamp()
    shop.call("status")
    shop.call("repo", "status")
    assert stamp() == before
