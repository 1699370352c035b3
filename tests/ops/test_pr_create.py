"""`pr create`: one pull request a repo, linked, never two; nothing pushed by force."""

from __future__ import annotations

import os
import re

import pytest

from gr2.testing import World
from tests.ops.pr_stage import LANE, Stage, codes


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


def test_create_pushes_opens_links_and_tells_once(stage: Stage) -> None:
    ran = stage.create()

    group = ran.json["group"]
    assert (ran.exit_code, ran.json["status"], ran.json["skipped"]) == (0, "success", [])
    assert re.fullmatch("pg_[0-9a-f]{8}", group["pr_group_id"])
    assert (group["lane_name"], group["owner_unit"], group["base_branch"]) == ("feat", "alpha", "main")
    assert (group["head_branch"], group["state"], group["draft"]) == ("feat", "mergeable", False)
    for repo in ("app", "api"):
        (pull,) = stage.prs(repo)
        child = stage.child(repo)
        head = stage.world.git(f"{LANE}/repos/{repo}", "rev-parse", "HEAD")
        assert (pull["title"], pull["head"], pull["base"], pull["head_sha"]) == ("Title", "feat", "main", head)
        assert pull["body"].startswith("Body\n\n<!-- gr2:pr-group:begin v1 id=pg_")
        assert "app#1" in pull["body"]
        assert "api#1" in pull["body"]
        assert stage.world.base not in pull["body"]
        assert (child["pr_number"], child["status"], child["head_sha"]) == (1, "open", head)
        assert stage.branch(repo, "feat") == head
    (event,) = stage.events()
    assert event["type"] == "pr.created"
    assert [(each["repo"], each["pr_number"], each["title"]) for each in event["repos"]] == [
        ("app", 1, "Title"),
        ("api", 1, "Title"),
    ]
    assert event["operation_id"] == ran.json["operation_id"]
    lane = stage.call("lane", "show", "feat").json["lane"]
    assert lane["pr_group_id"] == group["pr_group_id"]


def test_the_same_create_again_changes_nothing(stage: Stage) -> None:
    first = stage.create()
    before, bodies = stage.group(), [stage.prs(repo)[0]["body"] for repo in ("app", "api")]

    again = stage.create(body="Another body")

    assert (again.exit_code, again.json["status"]) == (0, "success")
    assert again.json["group"] == first.json["group"]
    assert stage.group() == before
    assert [stage.prs(repo)[0]["body"] for repo in ("app", "api")] == bodies
    assert stage.types() == ["pr.created"]


def test_a_group_has_its_title_so_that_create_again_needs_none(world: World) -> None:
    stage = Stage(world)
    theirs = stage.world.commit("app", {"theirs.txt": "x\n"}, branch="feat")
    missing = stage.call("pr", "create")
    assert (missing.exit_code, codes(missing)) == (2, [("usage", True)])
    assert missing.json["issues"][0]["message"] == "missing option '--title'"
    assert (stage.group_files(), stage.branch("api", "feat")) == ([], "")
    (rejected,) = stage.create().json["issues"]
    assert (rejected["code"], rejected["hint"].rpartition(", ")[2]) == (
        "push_rejected",
        "then gr2 pr create again",
    )
    stage.world.git(f"{LANE}/repos/app", "pull", "--quiet", "--rebase", "origin", "feat")
    head = stage.commit("api", "second.txt")

    ran = stage.call("pr", "create")

    assert (ran.exit_code, ran.json["status"], ran.json["created"]) == (0, "success", ["app"])
    assert (stage.prs("app")[0]["title"], stage.prs("api")[0]["head_sha"]) == ("Title", head)
    assert theirs in stage.world.git(stage.world.remote("app"), "rev-list", "feat")
    assert stage.call("pr", "create").json["group"] == ran.json["group"]


def test_the_title_of_a_closed_group_is_that_of_the_next_and_a_merged_one_has_none_for_it(stage: Stage) -> None:
    stage.create()
    for repo in ("app", "api"):
        stage.other_side("close", repo, "1")

    ran = stage.call("pr", "create")

    assert (ran.exit_code, ran.json["created"], ran.json["group"]["title"]) == (0, ["app", "api"], "Title")
    assert stage.call("pr", "merge").exit_code == 0
    stage.commit("app", "second.txt")
    assert codes(stage.call("pr", "create")) == [("usage", True)]


def test_another_title_is_for_new_pull_requests_only_and_that_is_said(stage: Stage) -> None:
    first = stage.create()

    ran = stage.create(title="Another title")

    assert (ran.exit_code, ran.json["status"], codes(ran)) == (0, "attention", [("pr_kept", False)] * 2)
    assert [issue["subject"] for issue in ran.json["issues"]] == ["app#1", "api#1"]
    details = ran.json["issues"][0]["details"]
    assert (details["title"], details["asked"]) == ("Title", "Another title")
    assert ran.json["group"] == first.json["group"]
    assert stage.prs("app")[0]["title"] == "Title"


def test_another_base_and_drafts_are_for_new_pull_requests_only_and_that_is_said(stage: Stage) -> None:
    stage.create()
    for repo in ("app", "api"):
        stage.world.git(stage.world.remote(repo), "branch", "next", "main")

    ran = stage.create("--base", "next", "--draft")

    assert (ran.exit_code, ran.json["status"], codes(ran)) == (0, "attention", [("pr_kept", False)] * 4)
    named = [(issue["subject"], issue["details"].get("base")) for issue in ran.json["issues"]]
    assert named == [("app#1", "main"), ("app#1", None), ("api#1", "main"), ("api#1", None)]
    assert [(pull["base"], pull["draft"]) for repo in ("app", "api") for pull in stage.prs(repo)] == [
        ("main", False)
    ] * 2
    assert stage.create("--base", "main").json["status"] == "success"


def test_reference_repos_and_those_without_commits_are_skipped(world: World) -> None:
    stage = Stage(world, repos={"app": {}, "api": {}, "docs": {"reference": True}}, commit=False)
    stage.commit("app")

    ran = stage.create()

    assert ran.json["skipped"] == [{"repo": "api", "reason": "no_commits"}]
    assert [child["repo"] for child in ran.json["group"]["prs"]] == ["app"]
    assert stage.branch("api", "feat") == ""


def test_a_lane_without_commits_is_refused(world: World) -> None:
    stage = Stage(world, commit=False)

    ran = stage.create()

    assert (ran.exit_code, codes(ran)) == (3, [("no_commits", True)])
    assert stage.group_files() == []
    assert (stage.branch("app", "feat"), stage.types()) == ("", [])


def test_uncommitted_files_are_said_and_do_not_stop_it(stage: Stage) -> None:
    stage.world.write(f"{LANE}/repos/api/left.txt", "x")

    ran = stage.create()

    assert (ran.exit_code, ran.json["status"], codes(ran)) == (0, "attention", [("dirty_lane_repo", False)])


def test_a_missing_base_is_found_before_anything_is_pushed(stage: Stage) -> None:
    stage.world.commit("app", {"x": "y"}, branch="release")

    ran = stage.create("--base", "release")

    assert (ran.exit_code, ran.json["issues"][0]["subject"]) == (3, "api")
    assert (stage.branch("app", "feat"), stage.branch("api", "feat")) == ("", "")
    assert (stage.prs("app"), stage.group_files()) == ([], [])


def test_no_push_with_commits_that_are_not_pushed_is_refused(stage: Stage) -> None:
    stage.world.git(f"{LANE}/repos/app", "push", "--quiet", "origin", "feat")

    ran = stage.create("--no-push")

    assert (ran.exit_code, codes(ran), ran.json["issues"][0]["subject"]) == (3, [("not_pushed", True)], "api")
    assert stage.prs("app") == []
    stage.world.git(f"{LANE}/repos/api", "push", "--quiet", "origin", "feat")
    assert stage.create("--no-push").exit_code == 0


def test_a_push_that_is_rejected_leaves_that_repo_without_pull_request(stage: Stage) -> None:
    theirs = stage.world.commit("app", {"theirs.txt": "x\n"}, branch="feat")

    ran = stage.create()

    assert (ran.exit_code, codes(ran)) == (4, [("push_rejected", True)])
    assert stage.branch("app", "feat") == theirs
    assert (len(stage.prs("app")), len(stage.prs("api"))) == (0, 1)
    assert (stage.child("app")["status"], stage.child("app")["pr_number"]) == ("planned", None)
    stage.world.git(f"{LANE}/repos/app", "pull", "--quiet", "--rebase", "origin", "feat")

    again = stage.create()

    assert again.exit_code == 0
    assert (len(stage.prs("app")), len(stage.prs("api"))) == (1, 1)
    assert [[each["repo"] for each in event["repos"]] for event in stage.events()] == [["api"], ["app"]]


def test_an_open_pull_request_is_adopted_with_its_title_and_text(stage: Stage) -> None:
    from gr2.api import NewPullRequest, PluginContext
    from gr2.builtin.local_platform import LocalPlatform

    stage.world.git(f"{LANE}/repos/app", "push", "--quiet", "origin", "feat")
    url = stage.world.remote("app")
    adapter = LocalPlatform(PluginContext(name="local", session=stage.world.session()))
    new = NewPullRequest(url=url, title="by hand", body="mine\r\nstays", base="main", head="feat")
    adapter.create_pr(new)

    ran = stage.create()

    (pull,) = stage.prs("app")
    assert (ran.exit_code, ran.json["created"]) == (0, ["api"])
    assert (pull["title"], pull["body"].startswith("mine\r\nstays\n\n<!-- gr2")) == ("by hand", True)
    (event,) = stage.events()
    assert [each["title"] for each in event["repos"]] == ["by hand", "Title"]
    assert stage.create().json["status"] == "success", "the group's title is no other one"


def test_a_closed_pull_request_is_not_adopted(stage: Stage) -> None:
    stage.create()
    stage.other_side("close", "app", "1")

    ran = stage.create()

    assert ran.exit_code == 0
    assert [(pull["number"], pull["state"]) for pull in stage.prs("app")] == [(1, "closed"), (2, "open")]
    assert stage.child("app")["pr_number"] == 2
    assert "app#2" in stage.prs("api")[0]["body"]
    assert [event["type"] for event in stage.events()] == ["pr.created", "pr.status_changed", "pr.created"]


def test_a_repo_added_to_the_lane_joins_the_group(world: World) -> None:
    world.write_spec(repos=["app", "api"])
    assert world.call("apply").exit_code == 0
    assert world.call("lane", "create", "alpha/feat", "--repos", "app").exit_code == 0
    stage = Stage.__new__(Stage)
    stage.world, stage.repos = world, ("app", "api")
    stage.commit("app")
    first = stage.create().json["group"]["pr_group_id"]
    assert stage.call("lane", "add", "api").exit_code == 0
    stage.commit("api")

    ran = stage.create()

    assert (ran.exit_code, ran.json["created"]) == (0, ["api"])
    assert ran.json["group"]["pr_group_id"] == first
    assert "api#1" in stage.prs("app")[0]["body"]
    assert [[each["repo"] for each in event["repos"]] for event in stage.events()] == [["app"], ["api"]]


def test_a_finished_group_is_followed_by_another(stage: Stage) -> None:
    first = stage.create().json["group"]["pr_group_id"]
    assert stage.call("pr", "merge").exit_code == 0
    nothing_new = stage.create()
    assert (nothing_new.exit_code, codes(nothing_new)) == (3, [("no_commits", True)])
    stage.commit("app", "second.txt")

    ran = stage.create(title="Second")

    second = ran.json["group"]["pr_group_id"]
    assert second != first
    assert [child["repo"] for child in ran.json["group"]["prs"]] == ["app"]
    groups = {group["pr_group_id"]: group for group in stage.call("pr", "list", "--state", "all").json["groups"]}
    assert (groups[first]["superseded_by"], groups[second]["superseded_by"]) == (second, None)
    assert stage.call("pr", "status").json["group"]["pr_group_id"] == second


@pytest.mark.parametrize(
    "text",
    [
        "quotes ' \" ` \\ $HOME $(id)",
        "two\nlines\r\nand more\n",
        "🦊 ünïcödé",
        "@/etc/passwd",
        "-leading",
        "\x1b[31mred\x1b]8;;http://x\x07\u202e\u2066",
        " spaces \t",
    ],
)
def test_title_and_text_arrive_byte_for_byte_and_are_harmless_on_screen(stage: Stage, text: str) -> None:
    title = text + "."
    ran = stage.world.call("pr", "create", f"--title={title}", f"--body={text}", cwd=LANE)

    assert ran.exit_code == 0, ran.stderr
    (pull,) = stage.prs("app")
    assert (pull["title"], pull["body"].startswith(text + "\n\n<!-- gr2:")) == (title, True)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", ran.stdout + ran.stderr)


def test_a_long_body_arrives_whole_from_a_file_and_from_standard_input(stage: Stage) -> None:
    text = "line é 🦊\r\n" * 6000
    path = os.path.join(stage.world.base, "body.md")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)

    ran = stage.call("pr", "create", "--title", "t", "--body-file", path)

    assert ran.exit_code == 0, ran.stdout
    assert stage.prs("app")[0]["body"].startswith(text + "\n\n<!-- gr2:")
    again = stage.world.gr2("pr", "create", "--title", "t", "--body-file", "-", cwd=LANE, stdin="x")
    assert again.exit_code == 0


def test_a_body_over_the_platforms_limit_is_refused_before_anything(stage: Stage) -> None:
    ran = stage.create(body="x" * 65_400)

    assert (ran.exit_code, codes(ran)) == (2, [("body_too_long", True)])
    assert (stage.branch("app", "feat"), stage.prs("app"), stage.group_files()) == ("", [], [])


@pytest.mark.parametrize("title", ["", "  ", "nul\0byte"])
def test_a_title_that_cannot_be_is_refused(stage: Stage, title: str) -> None:
    ran = stage.create(title=title)
    assert (ran.exit_code, ran.json["status"]) == (2, "invalid")
    assert stage.group_files() == []


def test_a_broken_section_is_left_alone_and_said(stage: Stage) -> None:
    ran = stage.create(body="mine <!-- gr2:pr-group:end --> too")

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert codes(ran) == [("broken_links", False)] * 2
    assert stage.prs("app")[0]["body"] == "mine <!-- gr2:pr-group:end --> too"


def test_drafts_are_drafts_until_ready(stage: Stage) -> None:
    ran = stage.create("--draft")
    assert (ran.json["group"]["state"], ran.json["group"]["draft"]) == ("draft", True)
    refused = stage.call("pr", "merge")
    assert (refused.exit_code, codes(refused)) == (3, [("not_mergeable", True)] * 2)
    assert refused.json["issues"][0]["details"]["reasons"] == ["draft"]

    ready = stage.call("pr", "ready")

    assert (ready.exit_code, ready.json["group"]["state"]) == (0, "mergeable")
    assert ready.json["group"]["draft"] is False
    assert [pull["draft"] for repo in ("app", "api") for pull in stage.prs(repo)] == [False, False]
    assert stage.call("pr", "ready").json["status"] == "success"
    changed = [event for event in stage.events() if event["type"] == "pr.status_changed"]
    assert [(each["repo"], each["old_status"], each["new_status"]) for each in changed] == [
        ("app", "draft", "open"),
        ("api", "draft", "open"),
    ]


def test_any_branch_name_that_git_allows_works(world: World) -> None:
    world.write_spec(repos=["app"])
    assert world.call("apply").exit_code == 0
    branch = "feat/quote'\"`$HOME;&<b>|{x}-é🦊-#1"
    assert world.call("lane", "create", "alpha/feat", "--branch", branch).exit_code == 0
    stage = Stage.__new__(Stage)
    stage.world, stage.repos = world, ("app",)
    stage.commit("app")

    ran = stage.create()

    assert ran.exit_code == 0, ran.stdout
    assert stage.prs("app")[0]["head"] == ran.json["group"]["head_branch"] == branch
    assert stage.call("pr", "merge").exit_code == 0


def test_another_holders_lease_stops_create_merge_and_ready(stage: Stage) -> None:
    env = {"GR2_ACTOR": "agent:beta"}
    assert stage.world.call("lane", "lease", "acquire", "alpha/feat", env=env).exit_code == 0
    for command in (["create", "--title", "T"], ["merge"], ["ready"]):
        ran = stage.call("pr", *command)
        expected = [("lease_conflict", True)]
        assert (ran.exit_code, codes(ran)) == (3, expected), command
    assert stage.prs("app") == []
    assert stage.world.call("lane", "lease", "release", "alpha/feat", env=env).exit_code == 0
    stage.create()
    assert stage.world.call("lane", "lease", "acquire", "alpha/feat", env=env).exit_code == 0
    assert stage.call("pr", "status").exit_code == 0
    assert stage.call("pr", "checks").exit_code == 0


@pytest.mark.parametrize("command", [["status"], ["checks"], ["ready"], ["merge"]])
def test_a_lane_without_group_says_so(stage: Stage, command: list[str]) -> None:
    ran = stage.call("pr", *command)
    assert (ran.exit_code, codes(ran)) == (3, [("no_pr_group", True)])
    assert "gr2 pr create" in ran.json["issues"][0]["hint"]


def test_locks_that_a_killed_push_left_are_no_obstacle(stage: Stage) -> None:
    from gr2.store.journal import VERSION, journal_path
    from gr2.store.state_file import write_state

    layout = stage.world.session().layout
    path = f"{LANE}/repos/app"
    began = os.stat(stage.world.path(path)).st_mtime_ns
    write_state(
        journal_path(layout, path),
        {"path": path, "what": "push", "since_ns": began, "strategy": "", "operation_id": "op_000000000000"},
        version=VERSION,
    )
    remote_lock = os.path.join(stage.world.remote("app"), "refs/heads/feat.lock")
    local_lock = stage.world.path(f"{path}/.git/refs/remotes/origin/feat.lock")
    for lock in (remote_lock, local_lock):
        with open(lock, "w", encoding="utf-8"):
            pass

    ran = stage.create()

    assert ran.exit_code == 0, ran.stdout
    assert not os.path.exists(remote_lock)
    assert not os.path.exists(local_lock)
    assert not os.path.exists(journal_path(layout, path))


def test_a_push_that_was_killed_before_git_noted_it_is_noted_by_the_next_create(stage: Stage) -> None:
    checkout = f"{LANE}/repos/app"
    head = stage.world.git(checkout, "rev-parse", "HEAD")
    stage.world.git(checkout, "push", "--quiet", stage.world.remote("app"), "HEAD:refs/heads/feat")
    assert stage.world.git(checkout, "rev-parse", "--verify", "--quiet", "origin/feat", check=False) == ""

    assert stage.create().exit_code == 0

    assert stage.world.git(checkout, "rev-parse", "origin/feat") == head
