"""`exec run`: one command in many checkouts, with lines that stay whole and an exit code that tells the truth."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from gr2.testing import World

SH = ("sh", "-c")


@pytest.fixture
def lane(world: World) -> World:
    world.write_spec(repos=["app", "api", "web"], units=["alpha"])
    world.call("apply")
    assert world.call("lane", "create", "fix").exit_code == 0
    return world


def run(world: World, *args: str, env: dict[str, str | None] | None = None) -> dict[str, object]:
    return world.call("exec", "run", "--lane", "fix", "--json", *args, env=env).json


def test_a_command_runs_in_every_checkout_in_declared_order(lane: World) -> None:
    found = run(lane, "--", "git", "rev-parse", "--show-toplevel")
    assert found["status"] == "success"
    assert [row["repo"] for row in found["results"]] == ["app", "api", "web"]
    for row in found["results"]:
        assert row["stdout_tail"].strip() == lane.path(row["cwd"])
        assert (row["exit_code"], row["timed_out"]) == (0, False)


def test_no_shell_touches_the_arguments(lane: World) -> None:
    words = ["$(touch owned)", "a b", "'\"", "--json", "-x", "*", "", "é\n"]
    found = run(
        lane, "--repo", "app", "--", sys.executable, "-c", "import sys, json; print(json.dumps(sys.argv[1:]))", *words
    )
    assert json.loads(found["results"][0]["stdout_tail"]) == words


def test_some_failures_are_a_partial_failure_and_all_are_a_failure(lane: World) -> None:
    some = lane.call("exec", "run", "--lane", "fix", "--json", "--", *SH, 'test "$GR2_REPO" != api')
    assert (some.exit_code, some.json["status"]) == (4, "partial_failure")
    assert [row["exit_code"] for row in some.json["results"]] == [0, 1, 0]
    every = lane.call("exec", "run", "--lane", "fix", "--json", "--", "false")
    assert (every.exit_code, every.json["status"]) == (1, "failed")


def test_fail_fast_starts_nothing_after_a_failure(lane: World) -> None:
    found = run(lane, "--fail-fast", "--", *SH, 'test "$GR2_REPO" != api')
    assert [row["repo"] for row in found["results"]] == ["app", "api"]
    assert [row["repo"] for row in found["unaffected"]] == ["web"]
    assert found["status"] == "partial_failure"


def test_exit_codes_tell_how_a_command_ended(lane: World) -> None:
    assert run(lane, "--repo", "app", "--", "no-such-command")["results"][0]["exit_code"] == 127
    assert run(lane, "--repo", "app", "--", *SH, "kill -TERM $$")["results"][0]["exit_code"] == 143
    timed = run(lane, "--repo", "app", "--timeout", "0.2", "--", "sleep", "60")["results"][0]
    assert (timed["exit_code"], timed["timed_out"]) == (124, True)


def test_the_environment_is_the_callers_and_says_where_it_is(lane: World) -> None:
    code = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith(('GR2_', 'MINE'))}))"
    found = run(lane, "--repo", "api", "--", sys.executable, "-c", code, env={"MINE": "1", "GR2_LANE": "other"})
    seen = json.loads(found["results"][0]["stdout_tail"])
    assert int(seen.pop("GR2_LANE_PORT_BASE")) > 1024
    assert seen == {
        "MINE": "1",
        "GR2_WORKSPACE": lane.root,
        "GR2_UNIT": "alpha",
        "GR2_LANE": "fix",
        "GR2_REPO": "api",
        "GR2_ACTOR": "agent:alpha",
        "GR2_OPERATION_ID": found["operation_id"],
    }


def test_lines_of_several_repos_never_mix(lane: World) -> None:
    script = 'for i in 1 2 3 4 5 6 7 8 9; do printf "%s-" "$GR2_REPO"; sleep 0.01; echo "$i"; done; printf no-end'
    ran = lane.call("exec", "run", "--lane", "fix", "--jobs", "3", "--", *SH, script)
    lines = ran.stdout.splitlines()
    assert len(lines) == 30
    assert all(re.fullmatch(r"(app|api|web) \| (\1-\d|no-end)", line) for line in lines)


def test_terminal_escapes_in_the_output_are_shown_not_obeyed(lane: World) -> None:
    ran = lane.call("exec", "run", "--lane", "fix", "--repo", "app", "--", "printf", r"\033]0;owned\007\n")
    assert "\x1b" not in ran.stdout
    assert r"\x1b]0;owned\x07" in ran.stdout


def test_with_json_the_output_goes_to_stderr_and_stdout_is_one_document(lane: World) -> None:
    ran = lane.call("exec", "run", "--lane", "fix", "--repo", "app", "--json", "--", "echo", "hello")
    assert ran.json["results"][0]["stdout_tail"] == "hello\n"
    assert "app | hello" in ran.stderr


@pytest.mark.parametrize("words", [("exec", "run", "-q"), ("-q", "exec", "run")])
def test_quiet_still_prints_what_the_command_prints(lane: World, words: tuple[str, ...]) -> None:
    ran = lane.call(*words, "--lane", "fix", "--repo", "app", "--", *SH, "echo hello; echo sorry >&2")
    assert (ran.stdout, ran.stderr) == ("app | hello\n", "app | sorry\n")
    document = lane.call(*words, "--lane", "fix", "--repo", "app", "--json", "--", "echo", "hello")
    assert (document.json["status"], document.stderr) == ("success", "app | hello\n")


def test_with_stream_the_output_is_json_lines_and_the_document_comes_last(lane: World) -> None:
    ran = lane.call("exec", "run", "--lane", "fix", "--repo", "app", "--json", "--stream", "--", "echo", "hello")
    first, last = map(json.loads, ran.stdout.splitlines())
    assert first == {"repo": "app", "stream": "stdout", "line": "hello"}
    assert last["status"] == "success"


def test_tails_are_bounded(lane: World) -> None:
    found = run(lane, "--repo", "app", "--", *SH, "head -c 300000 /dev/zero | tr '\\0' x; echo end")
    assert len(found["results"][0]["stdout_tail"]) == 4000
    assert found["results"][0]["stdout_tail"].endswith("xend\n")


def test_stdin_is_closed(lane: World) -> None:
    assert run(lane, "--repo", "app", "--", "cat")["status"] == "success"


def test_events_tell_what_ran_and_what_failed_between_the_lease_events(lane: World) -> None:
    run(lane, "--", *SH, 'test "$GR2_REPO" != api')
    events = lane.call("events", "list", "--limit", "4", "--json").json["events"]
    assert [event["type"] for event in events] == ["lease.acquired", "exec.started", "exec.failed", "lease.released"]
    assert events[1]["repos"] == ["app", "api", "web"]
    assert events[2]["repos_failed"] == ["api"]
    assert len({event["operation_id"] for event in events}) == 1


def test_shared_and_unit_checkouts_need_no_lane(lane: World) -> None:
    shared = lane.call("exec", "run", "--shared", "--json", "--", "true").json
    assert [row["cwd"] for row in shared["results"]] == ["repos/app", "repos/api", "repos/web"]
    units = lane.call(
        "exec", "run", "--unit-checkouts", "--unit", "alpha", "--repo", "web", "--json", "--", "true"
    ).json
    assert [row["cwd"] for row in units["results"]] == ["agents/alpha/repos/web"]


@pytest.mark.parametrize("command", [("status",), ("run", "--", "true")])
@pytest.mark.parametrize("places", [("--lane", "fix", "--shared"), ("--shared", "--unit-checkouts")])
def test_places_exclude_each_other(lane: World, command: tuple[str, ...], places: tuple[str, ...]) -> None:
    ran = lane.call("exec", command[0], "--json", *places, *command[1:])
    assert (ran.exit_code, ran.codes) == (2, ["usage"])
    assert "exclude each other" in ran.json["issues"][0]["message"]


def test_an_unknown_repo_is_invalid_and_nothing_runs(lane: World) -> None:
    ran = lane.call("exec", "run", "--lane", "fix", "--repo", "ap", "--json", "--", "true")
    assert (ran.exit_code, ran.codes) == (2, ["unknown_repo"])
    assert "exec.started" not in [event["type"] for event in lane.call("events", "list", "--json").json["events"]]


def test_exec_status_is_a_dry_run(lane: World) -> None:
    found = lane.call("exec", "status", "--lane", "fix", "--json")
    assert (found.exit_code, found.json["status"]) == (0, "ready")
    assert [row["repo"] for row in found.json["operations"]] == ["app", "api", "web"]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_children_and_the_document_still_comes(lane: World, signum: int, code: int) -> None:
    marker = lane.path("pid")
    script = f'echo $$ >"{marker}"; sleep 60'
    command = [
        sys.executable,
        "-m",
        "gr2",
        "exec",
        "run",
        "--lane",
        "fix",
        "--repo",
        "app",
        "--json",
        "--",
        *SH,
        script,
    ]
    process = subprocess.Popen(
        command, cwd=lane.root, env=lane.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (os.path.exists(marker) and lane.read("pid").strip()):
        time.sleep(0.02)
    process.send_signal(signum)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert json.loads(stdout)["status"] == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.kill(int(lane.read("pid")), 0)
    types = [event["type"] for event in lane.call("events", "list", "--limit", "3", "--json").json["events"]]
    assert types == ["exec.started", "exec.failed", "lease.released"]


def start(lane: World, *args: str) -> subprocess.Popen[str]:
    """`exec run` of a command that says so when it runs and then takes long, in a process of its own."""
    command = [sys.executable, "-m", "gr2", "exec", "run", "--lane", "fix", "--json", *args, "--"]
    command += [*SH, f'echo begun; touch "{lane.root}/begun-$GR2_REPO"; sleep 60']
    return subprocess.Popen(
        command, cwd=lane.root, env=lane.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(lane: World, *names: str) -> None:
    while not all(os.path.exists(lane.path(name)) for name in names):
        time.sleep(0.02)


@pytest.mark.parametrize(("jobs", "ran"), [("1", ["app"]), ("2", ["app", "api"])])
def test_an_interrupted_run_tells_what_it_ended_from_what_never_began(lane: World, jobs: str, ran: list[str]) -> None:
    process = start(lane, "--jobs", jobs)
    wait_for(lane, *(f"begun-{repo}" for repo in ran))
    process.send_signal(signal.SIGINT)
    found = json.loads(process.communicate(timeout=30)[0])
    assert (process.returncode, found["status"]) == (130, "interrupted")
    assert [(row["repo"], row["exit_code"], row["stdout_tail"]) for row in found["results"]] == [
        (repo, 143, "begun\n") for repo in ran
    ]
    assert [row["repo"] for row in found["unaffected"]] == [repo for repo in ("app", "api", "web") if repo not in ran]
    (event,) = lane.call("events", "list", "--type", "exec.failed", "--json").json["events"]
    assert event["repos_failed"] == ran


def test_a_lease_broken_meanwhile_ends_the_command_and_names_the_lane(lane: World) -> None:
    process = start(lane)
    wait_for(lane, "begun-app")
    lane.call("lane", "lease", "acquire", "alpha/fix", "--force", "--reason", "mine", "--actor", "human:bo")
    found = json.loads(process.communicate(timeout=30)[0])
    assert (process.returncode, found["status"]) == (1, "failed")
    assert [(row["repo"], row["exit_code"], row["stdout_tail"]) for row in found["results"]] == [
        ("app", 143, "begun\n")
    ]
    assert [row["repo"] for row in found["unaffected"]] == ["api", "web"]
    lost, failed = found["issues"]
    assert (lost["code"], lost["subject"], lost["hint"]) == (
        "lease_lost",
        "alpha/fix",
        "gr2 lane lease show alpha/fix",
    )
    assert lost["details"]["mode"] == "exec"
    assert (failed["code"], failed["subject"]) == ("exec_failed", "app")
    (event,) = lane.call("events", "list", "--type", "exec.failed", "--json").json["events"]
    assert event["repos_failed"] == ["app"]


def test_a_killed_gr2_takes_its_command_with_it(lane: World) -> None:
    marker = lane.path("pid")
    script = f'echo $$ >"{marker}"; exec sleep 60'
    command = [sys.executable, "-m", "gr2", "exec", "run", "--lane", "fix", "--repo", "app", "--", *SH, script]
    process = subprocess.Popen(
        command, cwd=lane.root, env=lane.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (os.path.exists(marker) and lane.read("pid").strip()):
        time.sleep(0.02)
    process.kill()
    process.wait()
    for _ in range(200):
        try:
            os.kill(int(lane.read("pid")), 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{lane.read('pid').strip()}/stat", encoding="ascii") as file:
            if file.read().split()[2] == "Z":
                return
        time.sleep(0.02)
    pytest.fail("the command outlived gr2")
