"""A lost answer, and a SIGKILL of gr2, at every request of `pr create` and `pr merge`: a plain second run finishes.

`make test` takes the requests that change something, `make faults` all of them.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.github.standin.desk import Desk
from tests.github.standin.hub import Fault
from tests.github.test_life_cycle import LANE, REPOS, Group

CREATE = ("pr", "create", "--title", "Title", "--body", "The text.")
MERGE = ("pr", "merge")
# More than either command makes, so that a change to them cannot leave one out; what is not reached changes nothing.
MOST = 16
ALL = [(command, "", skip) for command in (CREATE, MERGE) for skip in range(MOST)]
WRITES = [(CREATE, "POST /repos/acme/api", 0), (CREATE, "PATCH /repos/acme/app", 0), (MERGE, "PUT /repos/acme/app", 0)]


def run(group: Group, command: tuple[str, ...], fault: Fault, *, kill: bool) -> None:
    """Run gr2 as a process of its own while `fault` waits for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gr2", *command, "--json"],
        cwd=group.world.path(LANE),
        env=group.world.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if kill:
        fault.act = process.kill
    group.desk.hub.faults.append(fault)
    process.wait(100)


def check(desk: Desk, command: tuple[str, ...], fault: Fault, *, kill: bool) -> None:
    group = Group(desk)
    roots = {repo: group.main(repo) for repo in REPOS}
    if command == MERGE:
        assert group.call(*CREATE).json["status"] == "success"
    run(group, command, fault, kill=kill)
    desk.hub.faults.clear()

    again = group.call(*command)

    assert again.json["status"] == "success", again.stdout
    numbers = {repo: len(desk.hub.repositories[f"acme/{repo}"].pulls) for repo in REPOS}
    assert numbers == dict.fromkeys(REPOS, 1)
    for repo, other in (REPOS, REPOS[::-1]):
        body = group.pull(repo).body
        assert body.startswith("The text.") and body.count("gr2:pr-group:begin") == 1 and f"acme/{other}#1" in body
    told = group.world.call("events", "list", "--type", "pr.*", "--json").json["events"]
    created = sorted(pr["repo"] for event in told if event["type"] == "pr.created" for pr in event["repos"])
    assert created == sorted(REPOS)
    if command == MERGE:
        assert sum(event["type"] == "pr.merged" for event in told) == 1
        for repo in REPOS:
            repository = desk.hub.repositories[f"acme/{repo}"]
            merges = repository.git("rev-list", "--merges", "--count", f"{roots[repo]}..refs/heads/main")
            assert (group.pull(repo).state, merges) == ("MERGED", "1")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("command", "on", "skip"), WRITES, ids=["post", "patch", "put"])
def test_killed_at_a_write_a_second_run_finishes(
    desk: Desk, command: tuple[str, ...], on: str, skip: int, after: bool
) -> None:
    check(desk, command, Fault(kind="drop", on=on, skip=skip, after=after), kill=True)


@pytest.mark.full
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "lost"])
@pytest.mark.parametrize(("command", "on", "skip"), ALL)
def test_whatever_request_goes_wrong_a_second_run_finishes(
    desk: Desk, command: tuple[str, ...], on: str, skip: int, kill: bool, after: bool
) -> None:
    check(desk, command, Fault(kind="cut", on=on, skip=skip, after=after), kill=kill)
