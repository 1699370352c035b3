"""`sync run` beside others: leases, other syncs, other commands, signals, platforms, networks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gr2.edges.locks import FileLock
from gr2.ops.ssh_share import Destination, destination_of
from gr2.testing import World
from gr2.testing.distributions import write_distribution
from tests.ops.sync_stage import APP, applied, events, head, issue, run, types, with_lane

FULL = os.environ.get("GR2_FAULTS") == "full"


def as_beta(world: World, *args: str) -> None:
    ran = world.call(*args, env={"GR2_ACTOR": world.other_actor})
    assert ran.exit_code == 0, ran.stderr


def test_a_lane_under_an_edit_lease_of_another_is_skipped(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    as_beta(world, "lane", "lease", "acquire", "alpha/feat")
    before = head(world, lane)
    world.commit("app", {"new.txt": "new\n"}, branch="feat")
    new = world.commit("app", {"new.txt": "new\n"})

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    conflict = issue(ran, "lease_conflict")
    assert (conflict["blocking"], conflict["details"]["holder"]) == (False, world.other_actor)
    assert conflict["details"]["token"] is None
    assert (head(world, lane), head(world)) == (before, new)
    told = [event for event in events(world) if event["type"] in {"sync.conflict", "sync.repo_skipped"}]
    assert [event["reason"] for event in told] == ["lease_conflict", "leased"]
    assert (told[0]["lane_name"], told[0]["lease"]["holder"]) == ("feat", world.other_actor)


def test_a_lane_under_an_edit_lease_of_another_blocks_a_run_that_asked_for_it(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    as_beta(world, "lane", "lease", "acquire", "alpha/feat")
    before = head(world, lane)
    world.commit("app", {"new.txt": "new\n"}, branch="feat")

    ran = run(world, "--lane", "alpha/feat")

    assert (ran.exit_code, ran.json["status"]) == (3, "blocked")
    assert issue(ran, "lease_conflict")["blocking"] is True
    assert head(world, lane) == before
    assert types(world)[-3:] == ["sync.started", "sync.conflict", "sync.completed"]


def test_ones_own_lease_is_no_conflict(world: World) -> None:
    lane = with_lane(world)
    world.git(lane, "push", "--quiet", "origin", "feat")
    assert world.call("lane", "lease", "acquire", "alpha/feat").exit_code == 0
    new = world.commit("app", {"new.txt": "new\n"}, branch="feat")

    ran = run(world, "--lane", "alpha/feat")

    assert (ran.json["status"], head(world, lane)) == ("success", new)


def test_a_frozen_lane_is_passed_over_unless_it_was_asked_for(world: World) -> None:
    with_lane(world)
    assert world.call("lane", "freeze", "feat", "--unit", "alpha", "--reason", "audit").exit_code == 0

    whole, asked = run(world), run(world, "--lane", "feat")

    assert (whole.json["status"], whole.json["issues"]) == ("success", [])
    assert (asked.exit_code, asked.codes) == (3, ["lane_frozen"])


def holding(world: World, operation_id: str = "op_0123456789ab", pid: int = os.getpid()) -> FileLock:
    holder = {"pid": pid, "actor": "agent:beta", "operation_id": operation_id, "since": "2026-01-01T00:00:00+00:00"}
    return FileLock(world.path(".grip/state/locks/sync.lock"), holder=holder)


def test_a_second_sync_is_blocked_and_says_who_holds_the_lock(world: World) -> None:
    applied(world)
    before = head(world)
    world.commit("app", {"new.txt": "new\n"})

    with holding(world):
        ran = run(world)

    assert (ran.exit_code, ran.json["status"], ran.codes) == (3, "blocked", ["workspace_locked"])
    assert sorted(issue(ran, "workspace_locked")["details"]) == ["actor", "operation_id", "pid", "since"]
    assert head(world) == before
    told = events(world)[-3:]
    assert [event["type"] for event in told] == ["sync.started", "sync.conflict", "sync.completed"]
    assert {event["operation_id"] for event in told} == {ran.json["operation_id"]}
    assert (told[1]["reason"], told[1]["holder"]["pid"]) == ("workspace_locked", os.getpid())
    assert told[2]["status"] == "blocked"


def test_the_lock_of_a_sync_that_was_killed_is_waited_for(world: World) -> None:
    applied(world)
    killed = subprocess.Popen(["true"])
    killed.wait()
    lock = holding(world, pid=killed.pid)  # by what it was just starting
    lock.acquire()
    threading.Timer(0.5, lock.release).start()

    assert run(world).json["status"] == "success"


def test_a_second_sync_waits_as_long_as_it_is_told(world: World) -> None:
    applied(world)
    new = world.commit("app", {"new.txt": "new\n"})
    lock = holding(world)
    lock.acquire()
    timer = threading.Timer(0.5, lock.release)
    timer.start()

    ran = run(world, "--wait", "60")

    timer.join()
    assert (ran.json["status"], head(world)) == ("success", new)


@pytest.mark.parametrize("command", [("apply",), ("lane", "create", "more", "--unit", "alpha")])
def test_other_commands_never_wait_for_a_sync_as_a_whole(world: World, command: tuple[str, ...]) -> None:
    with_lane(world)
    lock = holding(world)
    mirror = FileLock(world.path(".grip/state/locks/mirror-app.lock"))
    with lock, mirror:
        ran = world.call(*command, "--json")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")


def test_a_sync_does_not_wait_for_an_apply_as_a_whole(world: World) -> None:
    applied(world)
    new = world.commit("app", {"new.txt": "new\n"})

    with FileLock(world.path(".grip/state/locks/workspace.lock")):
        ran = run(world)

    assert (ran.json["status"], head(world)) == ("success", new)


@pytest.mark.parametrize("number", range(50 if FULL else 3))
def test_two_syncs_at_once_end_as_one_or_after_another(world: World, number: int) -> None:
    applied(world)
    world.write(f"{APP}/README.md", "mine\n")
    new = world.commit("app", {"new.txt": "new\n"})
    command = [sys.executable, "-m", "gr2", "sync", "run", "--json"]
    pair = [subprocess.Popen(command, cwd=world.root, env=world.env, stdout=subprocess.PIPE) for _ in range(2)]

    found = [json.loads(process.communicate(timeout=100)[0]) for process in pair]

    assert {each["status"] for each in found} <= {"success", "blocked"}
    assert "success" in {each["status"] for each in found}
    assert (head(world), world.git(APP, "status", "--short")) == (new, " M README.md")
    assert world.git(APP, "stash", "list") == ""
    for operation in (each["operation_id"] for each in found):
        mine = [event["type"] for event in events(world) if event["operation_id"] == operation]
        assert (mine[0], mine[-1], mine.count("sync.completed")) == ("sync.started", "sync.completed", 1)
    assert len(events(world, "sync.repo_updated")) == 1


def hanging(world: World) -> None:
    """A remote that never answers, and says when it was asked."""
    script = world.write(f"{world.base}/hang", f"#!/bin/sh\necho $$ >{world.base}/asked\nexec sleep 300\n")
    os.chmod(script, 0o755)
    world.env.update(GIT_SSH_COMMAND=script, GIT_SSH_VARIANT="ssh")
    text = world.read(".grip/workspace_spec.toml").replace(world.remote("app"), "ssh://nowhere.example/app.git")
    config = world.path(".grip/cache/repos/app.git/config")
    mirror = Path(config).read_text(encoding="utf-8")
    canonical = world.remote("app").removesuffix(".git")
    Path(config).write_text(mirror.replace(f'"{canonical}"', '"ssh://nowhere.example/app"'), encoding="utf-8")
    world.git(APP, "remote", "set-url", "origin", "ssh://nowhere.example/app.git")
    world.write(".grip/workspace_spec.toml", text)


def started(world: World) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gr2", "sync", "run", "--json"]
    process = subprocess.Popen(command, cwd=world.root, env=world.env, stdout=subprocess.PIPE)
    while not os.path.exists(f"{world.base}/asked"):
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_completed_is_told_once(world: World, signum: signal.Signals) -> None:
    applied(world)
    hanging(world)
    process = started(world)

    process.send_signal(signum)
    out = json.loads(process.communicate(timeout=60)[0])

    assert (process.returncode, out["status"]) == (128 + signum, "interrupted")
    assert [event["status"] for event in events(world, "sync.completed")] == ["interrupted"]
    assert run(world, "--offline").json["status"] == "success"


def test_the_next_sync_tells_of_one_that_was_killed(world: World) -> None:
    applied(world)
    hanging(world)
    process = started(world)

    process.kill()
    process.communicate(timeout=60)
    killed = events(world, "sync.started")[-1]["operation_id"]
    # Its git lives on, and would be waited for: it ends with its ssh.
    os.kill(int(Path(f"{world.base}/asked").read_text(encoding="utf-8")), signal.SIGKILL)
    ran = run(world, "--offline")

    assert ran.json["status"] == "success"
    told = [(event["operation_id"], event["status"]) for event in events(world, "sync.completed")]
    assert told == [(killed, "interrupted"), (ran.json["operation_id"], "success")]


# gr2, killed as soon as the fetch of app is over, before it can say anything about it.
KILLED_AFTER_A_FETCH = """
import os, signal, sys
from gr2.cli.main import main
from gr2.ops.sync_fetch import Fetching
usual = Fetching._succeeded
def killed(self, look, completed):
    return os.kill(os.getpid(), signal.SIGKILL) if look.repo.name == "app" else usual(self, look, completed)
Fetching._succeeded = killed
sys.exit(main(["sync", "run", "--jobs", "1"]))
"""


def test_the_next_sync_tells_of_a_mirror_that_a_killed_one_fetched(world: World) -> None:
    applied(world, repos=["api", "app"])
    world.commit("app", {"new.txt": "new\n"})

    done = subprocess.run([sys.executable, "-c", KILLED_AFTER_A_FETCH], cwd=world.root, env=world.env, check=False)
    killed = events(world, "sync.started")[-1]["operation_id"]
    statuses = [run(world).json["status"] for _ in range(2)]

    assert (done.returncode, statuses) == (-signal.SIGKILL, ["success", "success"])
    told = [event["type"] for event in events(world) if event["operation_id"] == killed]
    assert told == ["sync.started", "sync.cache_refreshed", "sync.completed"]
    assert [event["repo"] for event in events(world, "sync.cache_refreshed")] == ["app"]


@pytest.mark.parametrize("missing", [False, True])
def test_a_mirror_that_somebody_else_keeps_is_named(
    world: World, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(world)
    monkeypatch.setattr("gr2.ops.sync_fetch.FileLock", lambda path, wait, **how: FileLock(path, wait=0.1, **how))
    if missing:
        shutil.rmtree(world.path(".grip/cache/repos/app.git"))

    with FileLock(world.path(".grip/state/locks/mirror-app.lock")):
        ran = run(world)

    assert (ran.exit_code, issue(ran, "workspace_locked")["subject"]) == (1, "app")
    assert types(world)[-1] == "sync.completed"


def test_mirrors_that_others_keep_use_up_no_connection_of_their_host(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(world, repos=["api", "app"])
    monkeypatch.setattr("gr2.ops.sync_fetch.FileLock", lambda path, wait, **how: FileLock(path, wait=0.1, **how))
    monkeypatch.setattr("gr2.ops.sync_fetch.host_of", lambda url: "one.example.org")
    monkeypatch.setattr("gr2.ops.sync_fetch.HOST_LIMIT", 1)

    with FileLock(world.path(".grip/state/locks/mirror-api.lock")):
        ran = run(world, "--keep-going")

    assert issue(ran, "workspace_locked")["subject"] == "api"
    assert [done["repo"] for done in ran.json["completed"]] == ["app"]


# gr2, killed as soon as a mirror is at its place.
KILLED_AFTER_A_SEED = """
import os, signal, sys
from gr2.cli.main import main
from gr2.ops import materialize
usual = materialize._rename
materialize._rename = lambda *paths: (usual(*paths), os.kill(os.getpid(), signal.SIGKILL))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", [("apply",), ("sync", "run")])
def test_the_next_command_tells_of_a_mirror_that_a_killed_one_made(world: World, command: tuple[str, ...]) -> None:
    world.write_spec(repos=["app"], units=[])

    words = [sys.executable, "-c", KILLED_AFTER_A_SEED, *command]
    done = subprocess.run(words, cwd=world.root, env=world.env, check=False)
    codes = [world.call(*command).exit_code for _ in range(2)]

    assert (done.returncode, codes) == (-signal.SIGKILL, [0, 0])
    assert [event["repo"] for event in events(world, "sync.cache_seeded")] == ["app"]


def test_a_fetch_that_failed_half_way_tells_of_what_it_moved(world: World) -> None:
    applied(world)
    world.commit("app", {"new.txt": "new\n"})
    world.commit("app", {"new.txt": "new\n"}, branch="topic")
    world.write(".grip/cache/repos/app.git/refs/heads/topic.lock/in-the-way", "")

    ran = run(world)

    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert [event["repo"] for event in events(world, "sync.cache_refreshed")] == ["app"]
    assert types(world)[-1] == "sync.completed"


def test_a_silent_remote_is_unreachable(world: World) -> None:
    applied(world)
    hanging(world)

    ran = world.call("sync", "run", "--json", env={"GR2_GIT_STALL_SECONDS": "0.5"})

    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert "sent nothing" in issue(ran, "remote_unreachable")["message"]


@pytest.mark.parametrize(("says", "tries"), [("Connection reset by peer", 3), ("Permission denied", 1)])
def test_transient_network_errors_are_tried_three_times(world: World, says: str, tries: int) -> None:
    applied(world)
    hanging(world)
    log = f"{world.base}/tries"
    script = world.write(f"{world.base}/broken", f"#!/bin/sh\necho try >>{log}\necho '{says}' >&2\nexit 255\n")
    os.chmod(script, 0o755)
    world.env["GIT_SSH_COMMAND"] = script

    ran = run(world)

    assert issue(ran, "remote_unreachable")["subject"] == "app"
    assert len(Path(log).read_text(encoding="utf-8").splitlines()) == tries


PLATFORM = """
import json, os
from gr2.api import Heads, Provider, Transient, hookimpl

gr2_api = 1

@hookimpl
def gr2_platform_adapters():
    return [Provider(name="codehost", path="codehost:Platform")]

class Platform:
    def __init__(self, ctx):
        pass

    def matches(self, url):
        return False

    def branch_heads(self, urls, *, timeout=None):
        with open(os.environ["HEADS"]) as file:
            said = json.load(file)
        if said is None:
            raise Transient("the host is down for maintenance")
        return {url: Heads(url=url, branches=said[url], default_branch="main") for url in urls if url in said}
"""


def with_platform(world: World) -> None:
    site = f"{world.base}/site"
    write_distribution(site, "codehost", entry_points={"codehost": "codehost"}, modules={"codehost.py": PLATFORM})
    world.env["PYTHONPATH"] = os.pathsep.join(filter(None, [site, world.env.get("PYTHONPATH")]))
    world.env["HEADS"] = f"{world.base}/heads.json"
    applied(world, repos={"app": {"platform": "codehost"}, "api": {"platform": "codehost"}})


def say_heads(world: World) -> None:
    said = {}
    for name in ("app", "api"):
        rows = world.git(world.remote(name), "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
        said[world.remote(name)] = dict(line.split() for line in rows.splitlines())
    world.write(world.env["HEADS"], json.dumps(said))


def test_where_the_platform_tells_all_heads_only_mirrors_that_moved_are_fetched(world: World) -> None:
    with_platform(world)
    new = world.commit("app", {"new.txt": "new\n"})
    say_heads(world)

    ran = world.gr2("sync", "run", "--json", "-v")

    assert (ran.json["status"], head(world)) == ("success", new)
    fetches = [line for line in ran.stderr.splitlines() if line.startswith("+ git") and " fetch " in line]
    fetches = [line for line in fetches if "remotes" in line]
    assert len([line for line in fetches if "/cache/" not in line.split(" -- ")[1]]) == 1


def test_a_platform_that_is_down_costs_a_fetch_and_a_warning(world: World) -> None:
    with_platform(world)
    world.write(world.env["HEADS"], "null")
    new = world.commit("app", {"new.txt": "new\n"})

    ran = world.gr2("sync", "run", "--json")

    assert (ran.exit_code, ran.json["status"], head(world)) == (0, "attention", new)
    degraded = issue(ran, "platform_degraded")
    assert (degraded["blocking"], degraded["details"]["repos"]) == (False, ["app", "api"])


def test_an_unfinished_failure_of_a_lane_blocks_only_who_asks_for_it(world: World) -> None:
    lane = with_lane(world)
    marker = {
        "version": 1,
        "operation_id": "op_0123456789ab",
        "operation": "lane.enter",
        "stage": "on_enter",
        "hook_name": "setup",
        "repo": "app",
        "owner_unit": "alpha",
        "lane_name": "feat",
        "failed_at": "2026-01-01T00:00:00+00:00",
        "event_id": "0123456789abcdef",
        "partial_state": {},
        "resolved": None,
    }
    world.write(".grip/state/failures/op_0123456789ab.json", json.dumps(marker))
    before, new = head(world, lane), world.commit("app", {"new.txt": "new\n"})

    whole, asked = run(world), run(world, "--lane", "feat")

    assert (whole.exit_code, whole.codes, head(world)) == (0, ["unresolved_failure"], new)
    assert (asked.exit_code, asked.codes) == (3, ["unresolved_failure"])
    assert head(world, lane) == before


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("ssh://git@example.org:2222/shop/app.git", Destination("example.org", "git", "2222")),
        ("ssh://example.org/app.git", Destination("example.org")),
        ("git@example.org:shop/app.git", Destination("example.org", "git")),
        ("https://example.org/app.git", None),
        ("/srv/app.git", None),
    ],
)
def test_where_an_ssh_url_leads(url: str, place: Destination | None) -> None:
    assert destination_of(url) == place


FAKE_SSH = """#!/bin/sh
echo "$@" >>"$SSH_LOG"
case "$*" in
*-G*) printf 'controlmaster %s\\ncontrolpath none\\n' "${SSH_MASTER:-false}"; exit 0 ;;
*-fN*|*exit*) exit 0 ;;
esac
for last; do :; done
exec sh -c "$last"
"""


def ssh_lines(world: World, **env: str | None) -> list[str]:
    """What ssh was started with by a sync of two repos on one host."""
    fake = world.write(f"{world.base}/bin/ssh", FAKE_SSH)
    os.chmod(fake, 0o755)
    world.env.update(PATH=f"{world.base}/bin:{world.env['PATH']}", SSH_LOG=f"{world.base}/ssh.log")
    del world.env["GIT_SSH_COMMAND"]
    urls = {name: {"url": f"ssh://git@example.org{world.remote(name)}"} for name in ("app", "api")}
    world.write_spec(repos=urls, units=[])
    ran = world.gr2("sync", "run", "--json", env=env)
    assert ran.json["status"] == "attention", ran.stdout
    return Path(world.env["SSH_LOG"]).read_text(encoding="utf-8").splitlines()


def test_one_ssh_connection_is_shared_per_host_and_closed(world: World) -> None:
    lines = ssh_lines(world)

    assert len([line for line in lines if "-fN" in line]) == 1
    assert "-O exit" in lines[-1]
    fetches = [line for line in lines if "git-upload-pack" in line]
    assert len(fetches) == 2
    assert all("ControlPath=" in line for line in fetches)


def test_the_users_own_ssh_sharing_wins(world: World) -> None:
    lines = ssh_lines(world, SSH_MASTER="auto")

    assert not [line for line in lines if "ControlPath=" in line or "-fN" in line]
