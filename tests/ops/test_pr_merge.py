"""`pr merge`: in order, only what was looked at, all of it or said which part."""

from __future__ import annotations

import os
import shlex

import pytest

from gr2.model.outcome import Status
from gr2.ops.pr_status import group_checks
from gr2.testing import Ran, World
from tests.ops.faulty_platform import Line, session_on
from tests.ops.pr_stage import LANE, Stage, codes


@pytest.fixture
def stage(world: World) -> Stage:
    stage = Stage(world)
    assert stage.create().exit_code == 0
    return stage


def test_a_merge_merges_all_in_declared_order_and_tells_once(stage: Stage) -> None:
    ran = stage.call("pr", "merge")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert ran.json["merged"] == ["app", "api"]
    assert (ran.json["already_merged"], ran.json["failed"], ran.json["pending"]) == ([], [], [])
    assert ran.json["group"]["state"] == "merged"
    for repo in ("app", "api"):
        assert stage.child(repo)["merge_sha"] == stage.branch(repo) == stage.prs(repo)[0]["merge_sha"]
        assert stage.branch(repo, "feat"), "branches are never deleted"
    merged = [event for event in stage.events() if event["type"] == "pr.merged"]
    assert [[each["repo"] for each in event["repos"]] for event in merged] == [["app", "api"]]
    assert merged[0]["repos"][0]["merge_sha"] == stage.branch("app")


def test_a_merged_group_is_merged_already(stage: Stage) -> None:
    stage.call("pr", "merge")
    before = stage.types()

    ran = stage.call("pr", "merge")

    assert (ran.exit_code, ran.json["status"], ran.json["already_merged"]) == (0, "success", ["app", "api"])
    assert (ran.json["merged"], stage.types()) == ([], before)
    assert stage.call("pr", "status").json["status"] == "ok"


def test_an_explicit_order_is_fixed_at_the_first_merge(world: World) -> None:
    order = '[workspace_constraints.merge_order]\nstrategy = "explicit"\norder = ["api"]\n'
    stage = Stage(world, extra=order)
    assert stage.create().json["order"] == ["api", "app"]
    assert stage.call("pr", "ready").json["order"] == ["api", "app"]
    shown = stage.world.call("pr", "create", "--title", "Title", cwd=LANE).stdout
    assert shown.index("1  api#1") < shown.index("2  app#1")
    stage.other_side("check", "app", "1", "ci", "failure")
    assert stage.call("pr", "status").exit_code == 0

    ran = stage.call("pr", "merge", "--force")

    assert ran.json["merged"] == ["api", "app"]
    assert stage.group()["journal"]["order"] == ["api", "app"]


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (["check", "api", "1", "ci", "failure"], "checks_failing"),
        (["check", "api", "1", "ci", "pending"], "checks_pending"),
        (["review", "api", "1", "kim", "changes_requested"], "changes_requested"),
        (["close", "api", "1"], "closed"),
    ],
)
def test_one_blocked_pull_request_keeps_all_from_being_merged(stage: Stage, arrange: list[str], reason: str) -> None:
    stage.other_side(*arrange)
    before = stage.branch("app")

    ran = stage.call("pr", "merge")

    (issue,) = ran.json["issues"]
    assert (ran.exit_code, ran.json["status"], issue["code"]) == (3, "blocked", "not_mergeable")
    assert (issue["details"]["repo"], issue["details"]["pr_number"]) == ("api", 1)
    assert issue["details"]["reasons"] == [reason]
    assert issue["message"].startswith("api#1 ")
    assert issue["hint"]
    assert stage.branch("app") == before


def test_a_conflict_is_found_before_anything_is_merged(stage: Stage) -> None:
    stage.world.commit("api", {"new.txt": "something else\n"}, branch="main")
    before = stage.branch("app")

    ran = stage.call("pr", "merge", "--force")

    assert (ran.exit_code, ran.json["issues"][0]["details"]["reasons"]) == (3, ["conflict"])
    assert stage.branch("app") == before
    assert stage.call("pr", "status").json["group"]["state"] == "approved"


def test_what_is_said_to_type_against_a_conflict_works_when_typed(stage: Stage) -> None:
    stage.world.commit("api", {"new.txt": "something else\n"}, branch="main")
    checkout = f"{LANE}/repos/api"

    (issue,) = stage.call("pr", "merge").json["issues"]
    pull, _, create = stage.call("pr", "status").json["next"].partition(" && ")

    where = stage.world.path(checkout)
    assert (pull, create) == (f"git -C {where} pull --no-rebase origin main", "gr2 pr create")
    assert issue["hint"] == f"{pull}, resolve and commit, then {create}"
    stage.world.git(LANE, *shlex.split(pull)[1:], check=False)
    assert stage.world.git(checkout, "status", "--porcelain") == "AA new.txt"
    stage.world.write(f"{checkout}/new.txt", "both\n")
    stage.world.git(checkout, "commit", "--quiet", "--all", "--message", "merge main")
    assert stage.call(*shlex.split(create)[1:]).exit_code == 0
    assert stage.call("pr", "merge").exit_code == 0


def test_what_is_said_to_type_names_the_lane_where_it_would_not_be_found(stage: Stage) -> None:
    def say(*args: str, cwd: str = "") -> Ran:
        return stage.world.call(*args, "--json", cwd=cwd)

    assert say("pr", "status", "--lane", "alpha/feat").json["next"] == "gr2 pr merge --lane alpha/feat"
    assert say("pr", "status", "--lane", "feat", "--unit", "alpha").json["next"] == "gr2 pr merge --lane alpha/feat"
    assert say("pr", "status", "--lane", "alpha/feat", cwd=LANE).json["next"] == "gr2 pr merge"
    stage.other_side("check", "app", "1", "ci", "failure")
    assert say("pr", "merge", "--lane", "alpha/feat").json["issues"][0]["hint"] == "gr2 pr checks --lane alpha/feat"
    assert stage.world.call("lane", "create", "alpha/other").exit_code == 0
    (issue,) = say("pr", "status", "--lane", "alpha/other").json["issues"]
    assert issue["hint"] == "gr2 pr create --title TITLE --lane alpha/other"


def test_status_says_which_commits_no_pull_request_has_and_what_pushes_them(stage: Stage) -> None:
    stage.commit("api", "second.txt")
    stage.commit("api", "third.txt")

    ran = stage.call("pr", "status")

    (issue,) = ran.json["issues"]
    assert (ran.exit_code, ran.json["status"], codes(ran)) == (0, "attention", [("not_pushed", False)])
    assert (issue["subject"], issue["message"]) == ("api", "api has 2 commits that are not in api#1")
    assert (issue["details"]["pr_number"], issue["details"]["commits"]) == (1, 2)
    assert ran.json["group"]["state"] == "mergeable"
    assert stage.call("pr", "ready").json["next"] == ran.json["next"]
    assert stage.call(*shlex.split(ran.json["next"])[1:]).json["next"] == "gr2 pr merge"
    assert stage.call("pr", "status").json["status"] == "ok"


def test_what_others_pushed_or_the_base_has_is_no_newer_commit(stage: Stage) -> None:
    stage.world.commit("app", {"theirs.txt": "x\n"}, branch="feat")
    stage.world.commit("api", {"base.txt": "x\n"}, branch="main")
    stage.world.git(f"{LANE}/repos/api", "pull", "--quiet", "--no-rebase", "origin", "main")

    ran = stage.call("pr", "status")

    assert [issue["message"] for issue in ran.json["issues"]] == ["api has 1 commit that is not in api#1"]


def test_status_asks_git_only_where_a_pull_request_is_not_what_is_here(stage: Stage) -> None:
    stage.commit("api", "second.txt")

    said = stage.world.call("pr", "status", "-v", cwd=LANE).stderr

    assert [f"{LANE}/repos/api" in line for line in said.splitlines() if " rev-list " in line] == [True]


def test_a_merge_says_which_commits_it_left_out(stage: Stage) -> None:
    unlock = stage.lock_branch("api")
    stage.commit("app", "second.txt")
    stage.commit("api", "second.txt")

    first = stage.call("pr", "merge")
    unlock()
    ran = stage.call("pr", "merge")

    assert (first.exit_code, codes(first)[1:]) == (4, [("not_pushed", False)] * 2)
    hints = [issue["hint"] for issue in first.json["issues"][1:]]
    assert hints[0] == "when the whole group is merged: gr2 pr create --title TITLE, for another pull request"
    assert hints[1].endswith(", to push it")
    assert (ran.exit_code, ran.json["status"], ran.json["merged"]) == (0, "attention", ["api"])
    (issue,) = ran.json["issues"]
    assert (issue["code"], issue["message"]) == ("not_pushed", "api has 1 commit that is not in api#1")
    assert issue["hint"] == "gr2 pr create --title TITLE, for another pull request"
    assert stage.create(title="Second").exit_code == 0
    assert stage.call("pr", "merge").json["status"] == "success"


def test_force_lifts_reviews_and_checks_only(stage: Stage) -> None:
    stage.other_side("check", "app", "1", "ci", "failure")
    stage.other_side("review", "app", "1", "kim", "changes_requested")

    assert stage.call("pr", "merge").exit_code == 3
    ran = stage.call("pr", "merge", "--force")

    assert (ran.exit_code, ran.json["merged"]) == (0, ["app", "api"])


def test_a_head_that_moved_is_not_merged_until_somebody_looked(stage: Stage) -> None:
    stage.world.commit("app", {"theirs.txt": "x\n"}, branch="feat")
    before = stage.branch("app")
    for _ in range(2):
        ran = stage.call("pr", "merge")
        (issue,) = ran.json["issues"]
        assert (ran.exit_code, issue["code"], issue["details"]["repo"]) == (3, "head_moved", "app")
    assert stage.branch("app") == before

    stage.call("pr", "ready")
    assert stage.call("pr", "merge").exit_code == 3
    stage.call("pr", "checks")

    assert stage.call("pr", "merge").exit_code == 0


def test_required_approvals_of_the_spec_count_people_on_the_current_head(world: World) -> None:
    stage = Stage(world, extra="[workspace_constraints.required_reviewers]\napp = 2\napi = 0\n")
    stage.create()

    def requirement() -> tuple[int, int, bool]:
        row = stage.call("review", "requirements").json["requirements"][0]
        return row["required"], row["approvals"], row["satisfied"]

    assert requirement() == (2, 0, False)
    stage.other_side("review", "app", "1", "alpha", "approved")
    stage.other_side("review", "app", "1", "kim", "approved")
    stage.other_side("review", "app", "1", "kim", "approved")
    stage.other_side("review", "app", "1", "kim", "commented")
    assert requirement() == (2, 1, False)
    assert stage.call("pr", "status").json["group"]["state"] == "review_required"
    stage.other_side("review", "app", "1", "robin", "approved")
    assert requirement() == (2, 2, True)
    stage.commit("app", "more.txt")
    assert stage.create().exit_code == 0
    assert requirement() == (2, 0, False)
    reviews = stage.call("pr", "status").json["group"]["prs"][0]["reviews"]
    assert {(each["reviewer"], each["stale"]) for each in reviews} == {("kim", True), ("robin", True)}
    assert stage.call("pr", "merge").json["issues"][0]["details"]["reasons"] == ["review_required"]


def test_the_policy_comes_from_the_base_branch_not_from_the_pull_request(world: World) -> None:
    world.commit("app", {".gr2/hooks.toml": "version = 1\n[policy]\nrequired_reviewers = 1\n"})
    stage = Stage(world, commit=False)
    stage.commit("app", ".gr2/hooks.toml", "version = 1\n[policy]\nrequired_reviewers = 0\n")

    ran = stage.create()

    assert ran.json["group"]["prs"][0]["required"] == 1
    world.commit("app", {".gr2/hooks.toml": "version = 1\n[policy]\nrequired_reviewers = 3\n"})
    stage.call("pr", "merge")
    assert stage.child("app")["required"] == 3


# Whoever comes waits for another, and says so when one came.
MEETING = """cd {place} && touch here-$$
for _ in $(seq 100); do
  [ $(ls | grep -c here-) -ge 2 ] && touch met-$$ && exit 1
  sleep 0.1
done
exit 1
"""
TWO = "version = 1\n[policy]\nrequired_reviewers = 2\n"


@pytest.mark.parametrize(
    "broken",
    [
        f"{TWO}[[[oops\n",
        "version = 1\n[policy]\nrequired_reviewers = '2'\n",
        "version = 1\n[policy]\nrequired_reviewer = 2\n",
        "version = 1\n[polcy]\nrequired_reviewers = 2\n",
        "version = 99\n",
    ],
)
def test_a_policy_that_is_broken_keeps_from_merging(stage: Stage, broken: str) -> None:
    stage.world.commit("api", {".gr2/hooks.toml": broken}, branch="main")
    before = stage.branch("app")

    status = stage.call("pr", "status")
    needed = stage.call("review", "requirements")
    merges = [stage.call("pr", "merge", *more) for more in ((), ("--auto",))]

    assert (status.exit_code, codes(status)) == (0, [("invalid_hooks", False)])
    assert status.json["group"]["state"] == "review_required"
    assert [row["satisfied"] for row in needed.json["requirements"]] == [True, False]
    for ran in merges:
        (issue,) = ran.json["issues"]
        assert (ran.exit_code, issue["code"], issue["details"]["repo"]) == (3, "invalid_hooks", "api")
        assert issue["details"]["reasons"] == ["review_required"]
        assert "api" in issue["message"]
    assert stage.branch("app") == before
    assert stage.call("pr", "merge", "--force").exit_code == 0


def test_a_hooks_file_with_a_broken_hook_still_tells_its_policy(stage: Stage) -> None:
    stage.world.commit("api", {".gr2/hooks.toml": f"{TWO}[[lifecycle.on_enter]]\nname = 7\n"}, branch="main")

    ran = stage.call("pr", "status")

    assert [(child["required"], child["blockers"]) for child in ran.json["group"]["prs"]] == [
        (0, []),
        (2, ["review_required"]),
    ]


def test_status_requirements_and_merge_go_by_the_policy_of_now(stage: Stage) -> None:
    stage.world.commit("api", {".gr2/hooks.toml": TWO}, branch="main")

    needed = stage.call("review", "requirements")
    status = stage.call("pr", "status")
    merge = stage.call("pr", "merge")

    assert [(row["required"], row["satisfied"]) for row in needed.json["requirements"]] == [(0, True), (2, False)]
    assert status.json["group"]["state"] == "review_required"
    assert merge.json["issues"][0]["details"]["reasons"] == ["review_required"]


def test_a_policy_is_fetched_only_where_the_base_moved(stage: Stage) -> None:
    stage.world.commit("api", {".gr2/hooks.toml": TWO}, branch="main")

    first, again = (stage.world.call("pr", "status", "-v", cwd=LANE).stderr for _ in range(2))

    fetches = [line for line in first.splitlines() if " fetch " in line or "ls-remote" in line]
    assert len(fetches) == 1
    assert "refs/heads/main" in fetches[0]
    assert " fetch " not in again


def test_a_policy_that_cannot_be_fetched_is_the_last_known_one_and_nothing_is_merged(stage: Stage) -> None:
    stage.world.commit("api", {".gr2/hooks.toml": TWO}, branch="main")
    elsewhere = stage.world.path("nowhere")
    stage.world.git(".", "config", "--global", f"url.{elsewhere}.insteadOf", stage.world.remote("api"))

    status = stage.call("pr", "status")
    merge = stage.call("pr", "merge")

    assert codes(status) == [("platform_degraded", False)]
    assert status.json["group"]["state"] == "mergeable"
    assert status.json["issues"][0]["details"]["code"] == "remote_unreachable"
    assert (merge.exit_code, codes(merge)) == (1, [("remote_unreachable", True)])
    assert stage.prs("app")[0]["state"] == "open"
    assert stage.call("pr", "merge", "--force").exit_code == 0


def test_policies_that_have_to_be_fetched_are_asked_for_side_by_side(stage: Stage) -> None:
    world = stage.world
    world.write("ssh", f"#!/bin/sh\n{MEETING.format(place=shlex.quote(world.path('meeting')))}")
    os.makedirs(world.path("meeting"))
    os.chmod(world.path("ssh"), 0o755)
    world.env.update(GIT_SSH_COMMAND=world.path("ssh"))
    for repo in stage.repos:
        world.commit(repo, {".gr2/hooks.toml": TWO}, branch="main")
        world.git(".", "config", "--global", f"url.ssh://away/{repo}.insteadOf", world.remote(repo))

    status = stage.call("pr", "status")

    assert codes(status) == [("platform_degraded", False)] * 2
    assert [issue["details"]["repos"] for issue in status.json["issues"]] == [["app#1"], ["api#1"]]
    assert len([name for name in os.listdir(world.path("meeting")) if name.startswith("met-")]) == 2


def test_what_the_platform_demands_is_not_undercut_by_the_spec(world: World) -> None:
    stage = Stage(world, extra="[workspace_constraints.required_reviewers]\napp = 0\n")
    stage.create()
    stage.rules("app", approvals=1, checks=["ci"])

    group = stage.call("pr", "status").json["group"]

    assert group["prs"][0]["blockers"] == ["checks_pending", "review_required"]
    ran = stage.call("pr", "checks")
    assert (ran.exit_code, ran.json["status"]) == (8, "pending")
    assert [(each["name"], each["state"]) for each in ran.json["checks"]] == [("ci", "pending")]
    forced = stage.call("pr", "merge", "--force")
    assert (forced.exit_code, codes(forced)) == (3, [("not_mergeable", True)])
    assert stage.prs("app")[0]["state"] == "open"


@pytest.mark.parametrize(
    ("rules", "reason"),
    [({"approvals": 1}, "review_required"), ({"checks": ["ci"]}, "checks_pending")],
)
def test_force_merges_nothing_when_the_platform_demands_something_of_a_later_one(
    stage: Stage, rules: dict[str, object], reason: str
) -> None:
    stage.rules("api", **rules)
    stage.other_side("check", "api", "1", "lint", "failure")
    before = stage.branch("app")

    ran = stage.call("pr", "merge", "--force")

    (issue,) = ran.json["issues"]
    assert (ran.exit_code, issue["code"], issue["details"]["reasons"]) == (3, "not_mergeable", [reason])
    assert (issue["subject"], "--force" in issue["message"], ran.json["merged"]) == ("api#1", True, [])
    assert stage.branch("app") == before


def test_a_squash_is_one_commit_with_the_title(stage: Stage) -> None:
    ran = stage.call("pr", "merge", "--method", "squash")
    assert ran.exit_code == 0
    assert stage.world.git(stage.world.remote("app"), "log", "-1", "--format=%s", "main") == "Title (#1)"


def test_a_method_that_a_later_base_branch_does_not_allow_is_found_before_anything_is_merged(stage: Stage) -> None:
    stage.rules("app", methods=["rebase", "squash"])
    stage.rules("api", methods=["squash"])
    before = stage.branch("app")

    ran = stage.call("pr", "merge")

    assert (ran.exit_code, codes(ran)) == (3, [("method_not_allowed", True)] * 2)
    assert [issue["hint"] for issue in ran.json["issues"]] == ["gr2 pr merge --method squash"] * 2
    assert ran.json["issues"][0]["details"]["allowed"] == ["squash", "rebase"]
    assert (stage.branch("app"), stage.group()["state"]) == (before, "mergeable")
    assert stage.call("pr", "merge", "--method", "squash").exit_code == 0


def test_a_failure_in_the_middle_is_partial_and_the_same_command_continues(stage: Stage) -> None:
    unlock = stage.lock_branch("api")

    ran = stage.call("pr", "merge")

    assert (ran.exit_code, ran.json["status"]) == (4, "partial_failure")
    assert (ran.json["merged"], ran.json["failed"]) == (["app"], ["api"])
    assert codes(ran) == [("platform_unreachable", True)]
    assert stage.child("app")["status"] == "merged"
    assert stage.group()["state"] == "partially_merged"
    assert stage.events()[-1]["type"] == "pr.merge_failed"
    app = stage.branch("app")
    unlock()

    again = stage.call("pr", "merge")

    assert (again.exit_code, again.json["merged"], again.json["already_merged"]) == (0, ["api"], ["app"])
    assert stage.branch("app") == app
    assert stage.types().count("pr.merged") == 1


def test_what_somebody_else_merged_counts_as_done(stage: Stage) -> None:
    from gr2.api import PluginContext, PullRef
    from gr2.builtin.local_platform import LocalPlatform

    adapter = LocalPlatform(PluginContext(name="local", session=stage.world.session()))
    ref = PullRef(url=stage.world.remote("app"), number=1)
    adapter.merge_pr(ref, method="squash", expected_head=adapter.get_pr(ref).head_sha)

    ran = stage.call("pr", "merge")

    assert (ran.exit_code, ran.json["already_merged"], ran.json["merged"]) == (0, ["app"], ["api"])
    changed = [event for event in stage.events() if event["type"] == "pr.status_changed" and event["repo"] == "app"]
    assert [(each["old_status"], each["new_status"]) for each in changed] == [("open", "merged")]
    assert stage.types().count("pr.merged") == 1


def test_auto_merges_what_is_ready_and_leaves_the_rest_to_the_platform(stage: Stage) -> None:
    stage.other_side("check", "api", "1", "ci", "pending")

    ran = stage.call("pr", "merge", "--auto")

    assert (ran.exit_code, ran.json["status"]) == (8, "pending")
    assert (ran.json["merged"], ran.json["pending"]) == (["app"], ["api"])
    assert stage.prs("api")[0]["auto_merge"] == "merge"
    stage.other_side("check", "api", "1", "ci", "success")
    assert stage.prs("api")[0]["state"] == "merged"

    again = stage.call("pr", "merge", "--auto")

    assert (again.exit_code, again.json["already_merged"]) == (0, ["app", "api"])
    assert stage.types().count("pr.merged") == 1


def test_auto_merge_that_is_on_is_not_said_to_be_off_when_a_check_fails_later(stage: Stage) -> None:
    stage.other_side("check", "app", "1", "ci", "pending")
    stage.call("pr", "merge", "--auto")
    stage.other_side("check", "app", "1", "ci", "failure")

    ran = stage.call("pr", "merge", "--auto")

    assert (ran.exit_code, ran.json["pending"], codes(ran)) == (8, ["app", "api"], [])
    assert ran.json["group"]["state"] == "checks_failing"
    stage.other_side("check", "app", "1", "ci", "success")
    again = stage.call("pr", "merge", "--auto")
    assert (again.json["merged"], again.json["already_merged"]) == (["api"], ["app"])


def test_auto_does_not_give_away_reviews_that_only_gr2_demands(world: World) -> None:
    stage = Stage(world, extra="[workspace_constraints.required_reviewers]\napp = 1\n")
    stage.create()

    ran = stage.call("pr", "merge", "--auto")

    assert (ran.exit_code, ran.json["pending"]) == (8, ["app", "api"])
    assert codes(ran) == [("auto_merge_off", False)]
    assert stage.prs("app")[0]["auto_merge"] is None
    stage.other_side("review", "app", "1", "kim", "approved")
    assert stage.call("pr", "merge", "--auto").json["merged"] == ["app", "api"]


def test_a_conflict_is_nothing_for_auto(stage: Stage) -> None:
    stage.world.commit("api", {"new.txt": "something else\n"}, branch="main")
    ran = stage.call("pr", "merge", "--auto")
    assert (ran.exit_code, codes(ran)) == (3, [("not_mergeable", True)])
    assert stage.prs("app")[0]["state"] == "open"


def test_status_tells_reviews_and_checks_once(stage: Stage) -> None:
    stage.other_side("check", "app", "1", "ci", "failure")
    stage.other_side("review", "app", "1", "kim", "approved")
    for _ in range(2):
        ran = stage.call("pr", "status")
        assert (ran.exit_code, ran.json["status"], ran.json["group"]["state"]) == (0, "attention", "checks_failing")
        assert ran.json["operation_id"].startswith("op_")
    stage.other_side("check", "app", "1", "ci", "success")
    assert stage.call("pr", "status").json["status"] == "ok"
    stage.other_side("check", "app", "1", "ci", "failure")
    stage.call("pr", "status")

    assert stage.types() == ["pr.created", "pr.checks_failed", "pr.review_submitted", "pr.checks_passed"]
    failed, review = stage.events()[1:3]
    assert (failed["repo"], failed["pr_number"], failed["failed_checks"]) == ("app", 1, ["ci"])
    assert (review["reviewer"], review["verdict"]) == ("kim", "approved")


def test_checks_watch_ends_when_nothing_is_pending_and_by_its_timeout(stage: Stage) -> None:
    stage.other_side("check", "app", "1", "ci", "pending")
    watched = stage.call("pr", "checks", "--watch", "--interval", "0.1", "--timeout", "0.3")
    assert (watched.exit_code, watched.json["status"]) == (8, "pending")
    stage.other_side("check", "app", "1", "ci", "success")

    ran = stage.call("pr", "checks", "--watch", "--interval", "0.1")

    assert (ran.exit_code, ran.json["status"]) == (0, "ok")
    assert [(each["repo"], each["name"], each["state"]) for each in ran.json["checks"]] == [("app", "ci", "passing")]


def test_a_watch_that_is_shorter_than_its_interval_looks_once_more_at_its_end(stage: Stage) -> None:
    stage.other_side("check", "app", "1", "ci", "pending")
    line = Line()
    session = session_on(stage.world, line, cwd=LANE)
    began = session.clock.monotonic()

    found = group_checks(session, watch=True, interval=10.0, timeout=4.0)

    assert found.status is Status.PENDING
    assert line.calls == ["prs_overview"] * 2
    assert session.clock.monotonic() - began == pytest.approx(4.0)


def test_a_platform_that_is_away_shows_the_last_known_state_and_merges_nothing(stage: Stage) -> None:
    away = stage.world.remote("app")
    before = stage.call("pr", "status").json["group"]
    types = stage.types()
    os.rename(away, away + ".away")

    status = stage.call("pr", "status")
    merge = stage.call("pr", "merge")

    assert (status.exit_code, status.json["status"], codes(status)) == (0, "attention", [("platform_degraded", False)])
    assert status.json["group"] == before
    assert (merge.exit_code, codes(merge)) == (1, [("platform_unreachable", True)])
    assert stage.prs("api")[0]["state"] == "open"
    assert stage.call("review", "requirements").json["issues"][0]["code"] == "platform_degraded"
    os.rename(away + ".away", away)
    assert stage.types() == types, "outages tell nothing"
    assert stage.call("pr", "merge").exit_code == 0


def test_two_merges_at_once_merge_once(stage: Stage) -> None:
    import subprocess
    import sys

    argv = [sys.executable, "-m", "gr2", "pr", "merge", "--json"]
    both = [
        subprocess.Popen(argv, cwd=stage.world.path(LANE), env=stage.world.env, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]

    assert [each.wait(60) for each in both] == [0, 0]
    assert stage.types().count("pr.merged") == 1
    log = stage.world.git(stage.world.remote("app"), "log", "--merges", "--format=%s", "main").splitlines()
    assert len(log) == 1


def test_a_damaged_group_file_is_said_and_kept(stage: Stage) -> None:
    (name,) = stage.group_files()
    path = f".grip/pr_groups/{name}"
    whole = stage.world.read(path)
    for damage in ("", "{", "[]", '{"version": 1}', whole.replace('"open"', '"odd"'), whole.replace(name[:-5], "pg_x")):
        stage.world.write(path, damage)
        ran = stage.call("pr", "status")
        assert (ran.exit_code, codes(ran)) == (1, [("invalid_pr_group", True)])
        listed = stage.call("pr", "list")
        assert (listed.exit_code, codes(listed)) == (0, [("invalid_pr_group", False)])
        assert stage.world.read(path) == damage


def test_a_newer_group_file_is_readable_and_not_rewritten(stage: Stage) -> None:
    (name,) = stage.group_files()
    path = f".grip/pr_groups/{name}"
    newer = stage.world.read(path).replace('"version": 1', '"version": 2', 1)
    stage.world.write(path, newer)
    stage.other_side("check", "app", "1", "ci", "failure")

    ran = stage.call("pr", "merge")

    assert (ran.exit_code, codes(ran)) == (2, [("newer_version", True)])
    assert stage.world.read(path) == newer


def test_lists_are_by_state_and_unit(stage: Stage) -> None:
    def listed(*args: str) -> list[str]:
        return [group["lane_name"] for group in stage.world.call("pr", "list", "--json", *args).json["groups"]]

    assert (listed(), listed("--state", "merged"), listed("--unit", "beta")) == (["feat"], [], [])
    stage.call("pr", "merge")
    assert (listed(), listed("--state", "merged"), listed("--state", "all", "--unit", "alpha")) == (
        [],
        ["feat"],
        ["feat"],
    )


def test_newer_commits_of_a_merged_repo_wait_for_the_rest_of_the_group(stage: Stage) -> None:
    unlock = stage.lock_branch("api")
    assert stage.call("pr", "merge").exit_code == 4
    unlock()
    stage.commit("app", "later.txt")

    ran = stage.create()

    assert (ran.exit_code, ran.json["skipped"]) == (0, [{"repo": "app", "reason": "merged"}])
    assert len(stage.prs("app")) == 1
    assert stage.call("pr", "merge").exit_code == 0
    assert [child["repo"] for child in stage.create().json["group"]["prs"]] == ["app"]
