"""Reviewing a stranger's pull request on GitHub."""

from __future__ import annotations

from tests.github.standin.desk import Desk

LANE = "agents/alpha/lanes/review-app-1"


def test_a_pull_request_of_a_fork_is_checked_out_and_followed(desk: Desk) -> None:
    world = desk.world
    url = desk.new_repository("app")
    fork = desk.hub.add("stranger", "app")
    fork.git("fetch", "--quiet", desk.repository(url).path, "refs/heads/*:refs/heads/*")
    first = desk._import(fork, "topic", {"theirs.txt": "one\n"})
    desk.repository(url).open_pull(
        title="\x1b[31mTheirs", body="b", base="main", head="topic", draft=False, author="stranger", source=fork
    )
    world.write_spec(repos={"app": {"url": url}})
    assert world.call("apply").exit_code == 0

    made = world.call("review", "checkout-pr", "app", "1", "--unit", "alpha", "--json")

    assert made.json["status"] == "success", made.stdout
    assert (made.json["old_sha"], made.json["new_sha"], made.json["pr"]["author"]) == (None, first, "stranger")
    assert world.read(f"{LANE}/repos/app/theirs.txt") == "one\n"

    second = desk._import(fork, "topic", {"theirs.txt": "two\n"})
    moved = world.call("review", "checkout-pr", "app", "1", "--unit", "alpha", "--json")

    assert (moved.json["old_sha"], moved.json["new_sha"]) == (first, second), moved.stdout
    assert world.read(f"{LANE}/repos/app/theirs.txt") == "two\n"
    shown = world.call("review", "checkout-pr", "app", "1", "--unit", "alpha")
    assert "\x1b" not in shown.stdout + shown.stderr


def test_a_pull_request_that_is_not_there_is_unknown(desk: Desk) -> None:
    desk.world.write_spec(repos={"app": {"url": desk.new_repository("app")}})
    assert desk.world.call("apply").exit_code == 0

    ran = desk.world.call("review", "checkout-pr", "app", "7", "--unit", "alpha", "--json")

    assert (ran.json["status"], ran.codes) == ("invalid", ["unknown_pr"])
