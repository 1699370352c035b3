"""A group of pull requests on GitHub from `pr create` to `pr merge`, as a person types it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gr2.testing import Ran
from tests.github.standin.desk import Desk
from tests.github.standin.hub import Fault
from tests.github.standin.repository import Pull, Rule

LANE = "agents/alpha/lanes/feat"
REPOS = ("app", "api")


class Group:
    """A lane `feat` with a commit in each of its repositories on GitHub."""

    def __init__(self, desk: Desk, repos: tuple[str, ...] = REPOS) -> None:
        self.desk, self.world, self.repos = desk, desk.world, repos
        self.world.write_spec(repos={repo: {"url": desk.new_repository(repo)} for repo in repos})
        for args in (("apply",), ("lane", "create", "alpha/feat")):
            ran = self.world.call(*args)
            assert ran.exit_code == 0, ran.stderr
        for repo in repos:
            self.world.commit(f"{LANE}/repos/{repo}", {"new.txt": f"{repo}\n"})
        desk.hub.asked.clear()

    def call(self, *args: str, **env: str) -> Ran:
        return self.world.call(*args, "--json", cwd=LANE, env=env)

    def create(self, *args: str) -> Ran:
        return self.call("pr", "create", "--title", "Title", "--body", "The text.", *args)

    def pull(self, repo: str) -> Pull:
        (found,) = self.desk.hub.repositories[f"acme/{repo}"].pulls.values()
        return found

    def main(self, repo: str) -> str:
        return self.desk.hub.repositories[f"acme/{repo}"].branch("main")


@pytest.fixture
def group(desk: Desk) -> Group:
    return Group(desk)


def prs(ran: Ran) -> dict[str, dict[str, Any]]:
    return {child["repo"]: child for child in ran.json["group"]["prs"]}


def test_a_group_is_created_reviewed_and_merged_in_order(group: Group) -> None:
    for repo in REPOS:
        group.desk.hub.repositories[f"acme/{repo}"].rules["main"] = Rule(approvals=1, checks=("ci",))

    created = group.create()

    assert created.json["status"] == "success", created.stderr
    assert {repo: child["url"] for repo, child in prs(created).items()} == {
        repo: f"https://github.com/acme/{repo}/pull/1" for repo in REPOS
    }
    for repo, other in (REPOS, REPOS[::-1]):
        assert group.pull(repo).body.startswith("The text.")
        assert f"acme/{other}#1" in group.pull(repo).body
    waiting = group.call("pr", "status")
    assert waiting.json["group"]["state"] == "checks_pending"
    assert group.call("pr", "merge").json["status"] == "blocked"
    for repo in REPOS:
        group.desk.hub.report(group.pull(repo), "ci")
        group.desk.hub.review(group.pull(repo), "casey", "APPROVED")

    assert group.call("pr", "status").json["group"]["state"] == "mergeable"
    merged = group.call("pr", "merge")

    assert merged.json["status"] == "success", merged.stdout
    assert merged.json["group"]["state"] == "merged"
    assert {repo: child["merge_sha"] for repo, child in prs(merged).items()} == {
        repo: group.main(repo) for repo in REPOS
    }
    assert group.call("pr", "merge").json["status"] == "success"
    assert group.desk.hub.count("PUT") == 2, "each was merged once"


def test_the_status_of_ten_pull_requests_takes_at_most_two_requests(desk: Desk) -> None:
    group = Group(desk, tuple(f"repo{number}" for number in range(10)))
    assert group.create().json["status"] == "success"
    desk.hub.asked.clear()

    status = group.call("pr", "status")

    assert len(prs(status)) == 10
    assert {child["status"] for child in prs(status).values()} == {"open"}
    assert 1 <= desk.hub.count() <= 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_create_whose_answer_is_lost_never_leads_to_a_second_pull_request(group: Group, after: bool) -> None:
    group.desk.hub.faults.append(Fault(kind="cut", on="POST /repos/acme/api", after=after))

    first = group.create()
    again = group.create()

    assert again.json["status"] == "success", (first.stdout, again.stdout)
    assert {repo: child["pr_number"] for repo, child in prs(again).items()} == {"app": 1, "api": 1}
    assert group.pull("app").body.count("gr2:pr-group:begin") == 1
    told = group.world.call("events", "list", "--type", "pr.created", "--json").json["events"]
    assert sorted(pr["repo"] for event in told for pr in event["repos"]) == ["api", "app"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_merge_whose_answer_is_lost_is_neither_repeated_nor_forgotten(group: Group, after: bool) -> None:
    assert group.create().json["status"] == "success"
    group.desk.hub.faults.append(Fault(kind="cut", on="PUT /repos/acme/app", after=after))

    group.call("pr", "merge")
    again = group.call("pr", "merge")

    assert again.json["group"]["state"] == "merged", again.stdout
    assert {repo: child["merge_sha"] for repo, child in prs(again).items()} == {
        repo: group.main(repo) for repo in REPOS
    }
    assert group.desk.hub.count("PUT /repos/acme/api") == 1


def test_an_outage_shows_the_last_known_state(group: Group) -> None:
    assert group.create().json["status"] == "success"
    group.desk.hub.faults.append(Fault(kind="status", status=401, body={"message": "Bad credentials"}, times=99))

    status = group.call("pr", "status")

    assert "platform_degraded" in status.codes
    assert {child["pr_number"] for child in prs(status).values()} == {1}
    (issue,) = [issue for issue in status.json["issues"] if issue["code"] == "platform_degraded"]
    assert "gh auth login" in issue["hint"]


def test_a_rate_limit_that_is_short_is_waited_for(group: Group) -> None:
    assert group.create().json["status"] == "success"
    headers = {"Retry-After": "1"}
    body = {"message": "You have exceeded a secondary rate limit."}
    group.desk.hub.faults.append(Fault(kind="status", status=403, headers=headers, body=body))

    status = group.call("pr", "status")

    assert status.codes == []
    assert status.json["group"]["state"] == "mergeable"


def test_a_person_s_text_survives_the_links_byte_for_byte(group: Group) -> None:
    text = "@/etc/passwd\n-n 'quoted' \"twice\" `ls` $(id) \x1b[31mred\x1b[0m \\u001b 🦊\n"

    created = group.call("pr", "create", "--title", "\x1b[31m@/etc/passwd '🦊'", "--body", text)
    again = group.call("pr", "create", "--title", "ignored", "--body", "ignored")

    assert created.json["status"] == "success", created.stdout
    assert again.json["status"] in {"success", "attention"}, again.stdout
    for repo in REPOS:
        assert group.pull(repo).title == "\x1b[31m@/etc/passwd '🦊'"
        assert group.pull(repo).body.startswith(text)
    shown = group.world.call("pr", "status", cwd=LANE)
    assert "\x1b[31m" not in shown.stdout + shown.stderr


def test_auto_merge_is_turned_on_where_github_waits_and_finished_by_the_same_command(group: Group) -> None:
    group.desk.hub.repositories["acme/app"].rules["main"] = Rule(checks=("ci",))
    assert group.create().json["status"] == "success"

    pending = group.call("pr", "merge", "--auto")

    assert pending.json["status"] == "pending", pending.stdout
    assert group.pull("app").auto_merge == "merge"
    group.desk.hub.report(group.pull("app"), "ci")
    assert group.pull("app").state == "MERGED"
    done = group.call("pr", "merge", "--auto")
    assert done.json["group"]["state"] == "merged", done.stdout


def test_auto_does_not_give_away_an_approval_of_an_older_head(group: Group) -> None:
    group.desk.hub.repositories["acme/app"].rules["main"] = Rule(approvals=1, checks=("ci",))
    assert group.create().json["status"] == "success"
    group.desk.hub.review(group.pull("app"), "casey", "APPROVED")
    group.world.commit(f"{LANE}/repos/app", {"later.txt": "later\n"})
    assert group.create().json["status"] == "success"

    waiting = group.call("pr", "merge", "--auto")
    group.desk.hub.report(group.pull("app"), "ci")

    assert (waiting.json["status"], waiting.codes) == ("pending", ["auto_merge_off"]), waiting.stdout
    assert (group.pull("app").auto_merge, group.pull("app").state) == ("", "OPEN")


def test_auto_does_not_give_away_a_failing_check_that_github_does_not_demand(group: Group) -> None:
    group.desk.hub.repositories["acme/app"].rules["main"] = Rule(checks=("ci",))
    assert group.create().json["status"] == "success"
    group.desk.hub.report(group.pull("app"), "lint", "FAILURE")

    waiting = group.call("pr", "merge", "--auto")
    group.desk.hub.report(group.pull("app"), "ci")

    assert (waiting.json["status"], waiting.codes) == ("pending", ["auto_merge_off"]), waiting.stdout
    assert (group.pull("app").auto_merge, group.pull("app").state) == ("", "OPEN")
    assert group.call("pr", "merge", "--auto", "--force").json["group"]["state"] == "merged"


def _in_the_middle(group: Group, act: Callable[[], object]) -> None:
    """Let something happen while the first pull request is merged."""
    group.desk.hub.faults.append(Fault(kind="meanwhile", on="PUT /repos/acme/app", act=act))


def test_auto_merges_a_later_one_only_as_it_stands_when_its_turn_comes(group: Group) -> None:
    group.desk.hub.repositories["acme/api"].rules["main"] = Rule(checks=("ci",))
    assert group.create().json["status"] == "success"
    group.desk.hub.report(group.pull("api"), "ci")
    _in_the_middle(group, lambda: group.desk.hub.report(group.pull("api"), "lint", "FAILURE"))

    ran = group.call("pr", "merge", "--auto")

    assert (ran.json["merged"], ran.json["pending"]) == (["app"], ["api"]), ran.stdout
    assert ran.codes == ["auto_merge_off"]
    assert group.pull("api").state == "OPEN"


def test_auto_merges_a_later_one_that_has_become_ready(group: Group) -> None:
    group.desk.hub.repositories["acme/api"].rules["main"] = Rule(checks=("ci",))
    assert group.create().json["status"] == "success"
    _in_the_middle(group, lambda: group.desk.hub.report(group.pull("api"), "ci"))

    ran = group.call("pr", "merge", "--auto")

    assert (ran.json["status"], ran.json["merged"]) == ("success", ["app", "api"]), ran.stdout


def test_auto_does_not_merge_a_later_head_that_moved_in_the_middle(group: Group) -> None:
    assert group.create().json["status"] == "success"
    url = "https://github.com/acme/api.git"
    _in_the_middle(group, lambda: group.desk.push(url, "feat", {"other.txt": "other\n"}))

    ran = group.call("pr", "merge", "--auto")
    again = group.call("pr", "merge", "--auto")

    assert (ran.exit_code, ran.json["merged"], ran.codes) == (4, ["app"], ["head_moved"]), ran.stdout
    assert (again.exit_code, again.codes) == (3, ["head_moved"])
    assert group.pull("api").state == "OPEN"


def test_what_is_merged_by_hand_in_the_middle_of_auto_was_merged_already(group: Group) -> None:
    assert group.create().json["status"] == "success"
    api = group.desk.hub.repositories["acme/api"]
    _in_the_middle(group, lambda: api.merge(group.pull("api"), method="squash"))

    ran = group.call("pr", "merge", "--auto")

    assert ran.json["status"] == "success", ran.stdout
    assert (ran.json["merged"], ran.json["already_merged"]) == (["app"], ["api"])


def test_a_head_that_moves_while_auto_merge_is_turned_on_is_not_taken_for_the_expected_one(group: Group) -> None:
    group.desk.hub.repositories["acme/app"].rules["main"] = Rule(checks=("ci",))
    assert group.create().json["status"] == "success"
    url = "https://github.com/acme/app.git"
    push = lambda: group.desk.push(url, "feat", {"other.txt": "other\n"})  # noqa: E731
    group.desk.hub.faults.append(Fault(kind="meanwhile", on="mutation", after=True, act=push))

    group.call("pr", "merge", "--auto")
    again = group.call("pr", "merge")

    assert (again.exit_code, again.codes) == (3, ["head_moved"]), again.stdout


@pytest.mark.parametrize("hidden", [False, True], ids=["seen", "hidden"])
@pytest.mark.parametrize("verdict", ["", "CHANGES_REQUESTED"])
def test_force_does_not_lift_what_github_demands_of_a_later_pull_request(
    group: Group, verdict: str, hidden: bool
) -> None:
    group.desk.hub.repositories["acme/api"].rules["main"] = Rule(approvals=1, hidden=hidden)
    assert group.create().json["status"] == "success"
    if verdict:
        group.desk.hub.review(group.pull("api"), "casey", "APPROVED")
        group.desk.hub.review(group.pull("api"), "sasha", verdict)

    refused = group.call("pr", "merge", "--force")

    assert (refused.exit_code, refused.codes) == (3, ["not_mergeable"]), refused.stdout
    assert group.pull("app").state == "OPEN"
    assert group.desk.hub.count("PUT") == 0


def test_force_lifts_what_gr2_counts_more_strictly_than_github(group: Group) -> None:
    group.desk.hub.repositories["acme/api"].rules["main"] = Rule(approvals=1)
    assert group.create().json["status"] == "success"
    group.desk.hub.review(group.pull("api"), "casey", "APPROVED")
    group.world.commit(f"{LANE}/repos/api", {"later.txt": "later\n"})
    assert group.create().json["status"] == "success"

    assert group.call("pr", "merge").exit_code == 3, "nobody approved the new head"
    forced = group.call("pr", "merge", "--force")

    assert forced.json["group"]["state"] == "merged", forced.stdout


def test_what_github_says_of_a_merge_it_refused_is_told_beside_gr2_s_word(group: Group) -> None:
    assert group.create().json["status"] == "success"
    said = "Required status check 'ci' is expected"
    group.desk.hub.faults.append(Fault(kind="status", on="PUT", status=405, body={"message": said}))

    refused = group.call("pr", "merge")

    assert (refused.exit_code, refused.codes) == (3, ["not_mergeable"]), refused.stdout
    assert refused.json["issues"][0]["details"]["reasons"] == ["not_mergeable", said]


def test_a_method_that_a_ruleset_forbids_later_is_found_before_anything_is_merged(group: Group) -> None:
    group.desk.hub.repositories["acme/api"].rules["main"] = Rule(ruleset=True, methods=("squash",))
    assert group.create().json["status"] == "success"

    refused = group.call("pr", "merge")

    assert (refused.exit_code, refused.codes) == (3, ["method_not_allowed"]), refused.stdout
    assert refused.json["issues"][0]["hint"] == "gr2 pr merge --method squash"
    assert group.desk.hub.count("PUT") == 0
    assert group.call("pr", "merge", "--method", "squash").json["group"]["state"] == "merged"


def test_a_merge_queue_is_waited_for(group: Group) -> None:
    group.desk.hub.repositories["acme/app"].rules["main"] = Rule(merge_queue=True)
    assert group.create().json["status"] == "success"

    pending = group.call("pr", "merge")

    assert pending.json["status"] == "pending", pending.stdout
    assert prs(pending)["app"]["status"] == "queued"
    assert group.pull("api").state == "OPEN"
    group.desk.hub.repositories["acme/app"].run_queue()
    assert group.call("pr", "merge").json["group"]["state"] == "merged"


def test_verbose_shows_what_is_asked_and_no_secret(group: Group) -> None:
    assert group.create().json["status"] == "success"

    shown = group.world.call("pr", "status", "-v", cwd=LANE)

    assert "gh api" in shown.stderr or "api --include" in shown.stderr
    assert "gho_" not in shown.stdout + shown.stderr
