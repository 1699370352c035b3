"""Many processes at once: who holds a lane is never in doubt, and who lost it writes nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from gr2.testing import World
from tests.ops.test_lease import make_lane

PROCESSES = 8
FEAT = "agents/alpha/lanes/feat/repos/app"


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app"])
    make_lane(world, "feat")
    return world


def real_session(world: World, actor: str) -> Any:
    """A session with the machine's own clock and ids."""
    from dataclasses import replace

    from gr2.edges.clock import Clock, Ids

    return replace(world.session(actor=actor, wait_seconds=60.0), clock=Clock(), ids=Ids())


def contend(world: World, number: int, rounds: int) -> None:
    """Acquire, look into the witness file, and release, again and again."""
    from gr2.errors import Blocked
    from gr2.ops.lease_claim import lease_acquire, lease_release

    session = real_session(world, f"agent:n{number}")
    done = 0
    while done < rounds:
        try:
            lease_acquire(session, "alpha/feat", wait=0.2)
        except Blocked as error:
            if error.code != "lease_conflict":
                raise
            continue
        # Whoever else holds the lane at the same time is caught by O_EXCL.
        witness = world.path("witness")
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
        os.unlink(witness)
        lease_release(session, "alpha/feat")
        done += 1


def together(count: int, work: Callable[[int], None]) -> list[int]:
    """Run `work(number)` in `count` processes; their exit codes."""
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def crowd(world: World, rounds: int) -> None:
    codes = together(PROCESSES, lambda number: contend(world, number, rounds))

    assert codes == [0] * PROCESSES
    events = [json.loads(line) for line in world.read(".grip/events/outbox.jsonl").splitlines()]
    holder, grants = None, 0
    for event in events:
        if event["type"] == "lease.acquired":
            assert holder is None, f"{event['actor']} was granted what {holder} held"
            holder, grants = event["actor"], grants + 1
        else:
            assert (event["type"], event["actor"]) == ("lease.released", holder)
            holder = None
    assert grants == PROCESSES * rounds
    state = json.loads(world.read(".grip/state/leases/alpha/feat/.leases.json"))
    assert (state["last_token"], state["leases"]) == (grants, [])


def test_eight_processes_never_hold_a_lane_together(shop: World) -> None:
    crowd(shop, 8)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_eight_processes_never_hold_a_lane_together_in_ten_thousand_grants(shop: World) -> None:
    shop.env["GR2_OUTBOX_MAX_BYTES"] = "100000000"
    crowd(shop, 1250)


def test_a_cap_holds_when_eight_processes_take_eight_lanes_at_once(world: World) -> None:
    from gr2.errors import Blocked
    from gr2.ops.lease_claim import lease_acquire

    world.write_spec(repos=["app"], extra="[workspace_constraints]\nmax_concurrent_edit_leases_global = 3\n")
    for number in range(PROCESSES):
        make_lane(world, f"lane{number}")

    def work(number: int) -> None:
        try:
            lease_acquire(real_session(world, f"agent:n{number}"), f"alpha/lane{number}")
        except Blocked as error:
            sys.exit(3 if error.code == "lease_cap_reached" else 1)

    codes = together(PROCESSES, work)

    assert sorted(codes) == [0] * 3 + [3] * 5


def lose_lease(world: World) -> None:
    """agent:alpha had a lease on alpha/feat, and agent:beta broke it and gave it back."""
    for args, actor in (
        (["acquire"], "agent:alpha"),
        (["acquire", "--force", "--reason", "r"], "agent:beta"),
        (["release"], "agent:beta"),
    ):
        ran = world.call("lane", "lease", args[0], "alpha/feat", *args[1:], env={"GR2_ACTOR": actor})
        assert ran.exit_code == 0, ran.stderr


COMMANDS = [
    ["lane", "exit", "--unit", "alpha"],
    ["lane", "exit", "--unit", "alpha", "--dirty", "discard", "--yes"],
    ["lane", "enter", "alpha/other"],
    ["lane", "enter", "alpha/feat", "--restore"],
    ["lane", "freeze", "alpha/feat", "--reason", "r"],
    ["lane", "archive", "alpha/feat", "--force"],
    ["lane", "add", "api", "--lane", "alpha/feat"],
    ["lane", "drop", "app", "--lane", "alpha/feat", "--force"],
    ["exec", "run", "--lane", "alpha/feat", "--", "touch", "written"],
    ["lane", "lease", "renew", "alpha/feat"],
]


def written(world: World) -> dict[str, tuple[int, int]]:
    """Every file that is the user's, or tells of the lane; the log and the locks may grow."""
    found = {}
    for top in ("agents", ".grip/state/units", ".grip/state/saved", ".grip/trash", ".grip/events"):
        for folder, _, names in os.walk(world.path(top)):
            for name in names:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


def lost_commands(world: World, rounds: int) -> None:
    world.write_spec(repos=["app", "api"])
    for name in ("feat", "other"):
        assert world.call("lane", "create", f"alpha/{name}", "--repos", "app").exit_code == 0
    assert world.call("lane", "enter", "alpha/feat").exit_code == 0
    world.write(f"{FEAT}/notes.txt", "mine\n")
    lose_lease(world)
    before = written(world)
    for _ in range(rounds):
        for command in COMMANDS:
            ran = world.call(*command, "--json") if command[0] != "exec" else world.call("--json", *command)
            assert (ran.exit_code, ran.codes) == (3, ["lease_lost"]), command
    assert written(world) == before


def test_no_command_of_an_actor_that_lost_its_lease_writes(world: World) -> None:
    lost_commands(world, 1)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_five_hundred_commands_with_a_lost_lease_write_nothing(world: World) -> None:
    lost_commands(world, 50)


def test_a_holder_that_was_stopped_writes_nothing_when_it_wakes_after_its_ttl(world: World) -> None:
    world.write_spec(repos=["app"])
    assert world.call("lane", "create", "alpha/feat").exit_code == 0
    assert world.call("lane", "enter", "alpha/feat").exit_code == 0
    world.write(f"{FEAT}/notes.txt", "mine\n")
    assert world.call("lane", "lease", "acquire", "alpha/feat", "--ttl", "1").exit_code == 0
    # A filter of git's own would be taken away: a slow program in front of git is what stops it half-way.
    slow = world.write(
        "slow/git", '#!/bin/sh\ntouch "$MARK"\nwhile [ -e "$HOLD" ]; do sleep 0.02; done\nexec "$REAL" "$@"\n'
    )
    os.chmod(slow, 0o755)
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    hold, mark = world.write("hold", ""), world.path("mark")
    env = {
        **world.env,
        "PATH": os.path.dirname(slow) + os.pathsep + world.env["PATH"],
        "HOLD": hold,
        "MARK": mark,
        "REAL": real,
    }
    command = [sys.executable, "-m", "gr2", "lane", "exit", "--unit", "alpha", "--json"]
    process = subprocess.Popen(command, cwd=world.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not os.path.exists(mark):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        os.unlink(hold)
        time.sleep(1.2)
        taken = world.call("lane", "lease", "acquire", "alpha/feat", "--json", env={"GR2_ACTOR": "agent:beta"})
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert taken.json["status"] == "success"
    assert (process.returncode, [issue["code"] for issue in json.loads(out)["issues"]]) == (3, ["lease_lost"])
    assert world.git(FEAT, "status", "--porcelain") == "?? notes.txt"
    assert world.call("lane", "current", "--unit", "alpha", "--json").json["lane_name"] == "feat"


def rounds_of_four(world: World, rounds: int) -> None:
    """Four lanes of one repo, each entered and left by a unit of its own, with dirty work all the time."""
    units = [f"u{number}" for number in range(4)]
    world.write_spec(repos=["app"], units=units)
    for unit in units:
        assert world.call("lane", "create", f"{unit}/work").exit_code == 0

    def work(number: int) -> None:
        unit = units[number]
        checkout = world.path(f"agents/{unit}/lanes/work/repos/app")
        for turn in range(rounds):
            mine = {f"{unit}-{turn}.txt": f"{unit} {turn}\n", "run.sh": f"{unit} {turn}\n"}
            _must(world, "lane", "enter", f"{unit}/work", actor=unit)
            for name, content in mine.items():
                world.write(f"{checkout}/{name}", content)
            _must(world, "lane", "exit", "--unit", unit, actor=unit)
            assert world.git(checkout, "status", "--porcelain") == ""
            _must(world, "lane", "enter", f"{unit}/work", "--restore", actor=unit)
            for name, content in mine.items():
                assert world.read(f"{checkout}/{name}") == content
            _must(world, "lane", "exit", "--unit", unit, "--dirty", "discard", "--yes", actor=unit)

    assert together(4, work) == [0] * 4


def _must(world: World, *args: str, actor: str) -> None:
    ran = world.call(*args, env={"GR2_ACTOR": f"agent:{actor}"})
    assert ran.exit_code == 0, f"{args}: {ran.stdout}\n{ran.stderr}"


def test_four_lanes_of_one_repo_keep_their_own_work(world: World) -> None:
    rounds_of_four(world, 3)


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_four_lanes_of_one_repo_keep_their_own_work_in_a_thousand_rounds(world: World) -> None:
    rounds_of_four(world, 1000)
