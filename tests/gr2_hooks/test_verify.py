"""`gr2 verify`: the gates of a lane's repos, trusted and run like hooks, and told by events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

from gr2.testing import Ran, World
from tests.ops.hooks_stage import TRUSTED, events, markers

PLACE = "agents/alpha/lanes/feat/repos/{}"
Env = Mapping[str, str | None]


def gates(**commands: str) -> str:
    """A hooks file with these gates, each named and with its command."""
    return "".join(f'[[gates]]\nname = "{name}"\ncommand = """{command}"""\n' for name, command in commands.items())


def stage(world: World, **files: str | None) -> World:
    """The lane alpha/feat over the repos `files`, each with its hooks file or with none."""
    for repo, file in files.items():
        if file is not None:
            world.commit(repo, {".gr2/hooks.toml": file})
    world.write_spec(repos=tuple(files), units=("alpha",))
    assert world.call("lane", "create", "feat").exit_code == 0
    return world


def verify(world: World, *args: str, env: Env | None = None) -> Ran:
    return world.call("verify", "feat", *args, "--json", env={**TRUSTED, **(env or {})})


def rows(ran: Ran) -> list[tuple[str, str, str]]:
    return [(row["repo"], row["gate"], row["result"]) for row in ran.json["gates"]]


def told(world: World) -> list[tuple[str, str, str]]:
    return [(event["type"], event["repo"], event["gate"]) for event in events(world, "gate.")]


def test_gates_that_all_pass_are_a_success(world: World) -> None:
    stage(world, app=gates(tests="true", lint="true"), api=gates(tests="true"))

    ran = verify(world)

    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "success", [])
    assert ran.json["schema"] == "gr2.verify/1"
    assert rows(ran) == [("app", "tests", "passed"), ("app", "lint", "passed"), ("api", "tests", "passed")]
    first = ran.json["gates"][0]
    assert (first["command"], first["exit_code"], first["reason"], first["stderr_tail"]) == ("true", 0, "", "")
    assert isinstance(first["duration_ms"], int)


def test_some_that_fail_are_a_partial_failure_and_the_others_run(world: World) -> None:
    stage(world, app=gates(first="sh -c 'echo no >&2; exit 3'", then="true"), api=gates(tests="true"))

    ran = verify(world)

    assert (ran.exit_code, ran.json["status"], ran.codes) == (4, "partial_failure", ["gate_failed"])
    assert rows(ran) == [("app", "first", "failed"), ("app", "then", "passed"), ("api", "tests", "passed")]
    failed = ran.json["gates"][0]
    assert (failed["exit_code"], failed["stderr_tail"]) == (3, "no\n")
    assert failed["reason"] == "failed with exit code 3"
    assert world.read(f"{failed['output_path']}.stderr") == "no\n"
    issue = ran.json["issues"][0]
    assert (issue["scope"], issue["subject"], issue["blocking"]) == ("gate", "app/first", True)
    assert issue["message"] == "gate first of app (alpha/feat) failed with exit code 3"


def test_none_that_pass_is_a_failure_without_a_failure_marker(world: World) -> None:
    stage(world, app=gates(tests="false", odd="nobody-has-this-program"))

    ran = verify(world)

    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert [row["exit_code"] for row in ran.json["gates"]] == [1, 127]
    assert markers(world) == []
    assert world.call("lane", "enter", "feat").exit_code == 0


@pytest.mark.parametrize(("args", "env"), [((), TRUSTED), (("--trust-hooks",), {"GR2_TRUST_HOOKS": None})])
def test_the_hint_of_a_failed_gate_runs_it_again(world: World, args: tuple[str, ...], env: Env) -> None:
    stage(world, app=gates(tests="test -e fixed"), api=gates(tests="true"))
    hint = verify(world, *args, env=env).json["issues"][0]["hint"]
    world.write(PLACE.format("app") + "/fixed", "")

    again = world.call(*hint.split()[1:], "--json", env=env)

    assert (again.exit_code, rows(again)) == (0, [("app", "tests", "passed")])


def test_events_tell_the_verdicts_between_the_lease_events(world: World) -> None:
    stage(world, app=gates(tests="true", lint="false"))
    before = len(events(world))

    ran = verify(world)

    new = events(world, after=before)
    assert [event["type"] for event in new] == ["lease.acquired", "gate.passed", "gate.failed", "lease.released"]
    assert {event["operation_id"] for event in new} == {ran.json["operation_id"]}
    failed = new[2]
    assert (failed["owner_unit"], failed["lane_name"], failed["repo"], failed["gate"]) == (
        "alpha",
        "feat",
        "app",
        "lint",
    )
    assert (failed["command"], failed["exit_code"]) == ("false", 1)
    assert ran.json["gates"][1]["output_path"].endswith(failed["event_id"])


def test_without_approval_nothing_runs(world: World) -> None:
    stage(world, app=gates(tests="touch {workspace_root}/ran"))

    ran = verify(world, env={"GR2_TRUST_HOOKS": None})

    assert (ran.exit_code, ran.json["status"], ran.codes) == (3, "blocked", ["untrusted_hooks"])
    assert [(row["result"], row["reason"], row["exit_code"]) for row in ran.json["gates"]] == [
        ("skipped", "untrusted", None)
    ]
    assert not os.path.exists(world.path("ran"))
    assert told(world) == []
    hint = ran.json["issues"][0]["hint"]
    assert world.call(*hint.split()[1:], env={"GR2_ACTOR": "human:ann"}).exit_code == 0
    assert verify(world, env={"GR2_TRUST_HOOKS": None}).exit_code == 0


def test_one_changed_byte_of_the_working_tree_needs_a_new_approval(world: World) -> None:
    stage(world, app=gates(tests="true"))
    world.call("hooks", "trust", "app", "--lane", "feat", env={"GR2_ACTOR": "human:ann"})
    world.write(PLACE.format("app") + "/.gr2/hooks.toml", gates(tests="touch {workspace_root}/ran"))

    ran = verify(world, env={"GR2_TRUST_HOOKS": None})

    assert (ran.exit_code, ran.codes) == (3, ["untrusted_hooks"])
    assert not os.path.exists(world.path("ran"))


def test_a_repo_that_nobody_approved_keeps_no_other_from_being_verified(world: World) -> None:
    stage(world, app=gates(tests="true"), api=gates(tests="true"))
    world.call("hooks", "trust", "api", "--lane", "feat", env={"GR2_ACTOR": "human:ann"})

    ran = verify(world, env={"GR2_TRUST_HOOKS": None})

    assert (ran.exit_code, ran.json["status"], ran.codes) == (4, "partial_failure", ["untrusted_hooks"])
    assert rows(ran) == [("app", "tests", "skipped"), ("api", "tests", "passed")]


def test_trust_hooks_approves_for_one_run(world: World) -> None:
    stage(world, app=gates(tests="true"))

    assert verify(world, "--trust-hooks", env={"GR2_TRUST_HOOKS": None}).exit_code == 0
    assert verify(world, env={"GR2_TRUST_HOOKS": None}).exit_code == 3


def test_the_lanes_of_reviews_never_run_gates(world: World) -> None:
    world.commit("app", {".gr2/hooks.toml": gates(tests="touch {workspace_root}/ran")})
    world.write_spec(repos=("app",), units=("alpha",))
    world.call("lane", "create", "feat", "--type", "review")

    ran = verify(world)

    assert (ran.exit_code, ran.codes) == (3, ["review_lane"])
    assert not os.path.exists(world.path("ran"))


def test_a_broken_hooks_file_keeps_no_other_repo_from_being_verified(world: World) -> None:
    stage(world, app=gates(tests="true"), api=gates(tests="true"))
    world.write(PLACE.format("app") + "/.gr2/hooks.toml", "[[gates]]\n")

    ran = verify(world)

    assert (ran.exit_code, rows(ran)) == (4, [("api", "tests", "passed")])
    assert set(ran.codes) == {"invalid_hooks"}
    assert verify(world, "--repo", "app").exit_code == 3


def test_a_checkout_that_is_not_there_is_said(world: World) -> None:
    stage(world, app=gates(tests="true"))
    os.rename(world.path(PLACE.format("app")), world.path("away"))

    ran = verify(world)

    assert (ran.exit_code, ran.codes) == (3, ["not_materialized"])


@pytest.mark.parametrize("file", [None, "", "[policy]\nrequired_reviewers = 1\n"])
def test_without_gates_that_is_said_and_nothing_is_written(world: World, file: str | None) -> None:
    stage(world, app=file)
    before = len(events(world))

    ran = verify(world)

    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["no_gates"])
    assert ran.json["issues"][0]["blocking"] is False
    assert events(world, after=before) == []


def test_repos_and_gates_can_be_chosen(world: World) -> None:
    stage(world, app=gates(tests="true", lint="false"), api=gates(tests="true", slow="false"))

    assert rows(verify(world, "--gate", "tests")) == [("app", "tests", "passed"), ("api", "tests", "passed")]
    assert rows(verify(world, "--repo", "api", "--gate", "slow")) == [("api", "slow", "failed")]
    assert verify(world, "--repo", "api", "--gate", "lint").codes == ["unknown_gate"]


@pytest.mark.parametrize(
    ("args", "code", "suggestion"),
    [
        (("--gate", "test"), "unknown_gate", "tests"),
        (("--repo", "ap"), "unknown_repo", "app"),
        (("--repo", "app", "--jobs", "0"), "usage", None),
        (("--fail-fast", "--keep-going"), "usage", None),
    ],
)
def test_what_cannot_be_meant_is_invalid_and_runs_nothing(
    world: World, args: tuple[str, ...], code: str, suggestion: str | None
) -> None:
    stage(world, app=gates(tests="touch {workspace_root}/ran"))

    ran = verify(world, *args)

    assert (ran.exit_code, ran.codes) == (2, [code])
    assert ran.json["issues"][0]["details"].get("suggestion") == suggestion
    assert not os.path.exists(world.path("ran"))


def test_fail_fast_starts_nothing_after_a_failure(world: World) -> None:
    stage(world, app=gates(first="true", second="false", third="true"))

    ran = verify(world, "--fail-fast")

    assert (ran.exit_code, rows(ran)) == (
        4,
        [("app", "first", "passed"), ("app", "second", "failed"), ("app", "third", "skipped")],
    )
    assert ran.json["gates"][2]["reason"] == "not_started"


def test_with_jobs_repos_are_verified_at_once(world: World) -> None:
    wait = "sh -c 'touch {workspace_root}/$GR2_REPO; until test -e {workspace_root}/%s; do sleep 0.05; done'"
    stage(world, app=gates(tests=wait % "api"), api=gates(tests=wait % "app"))

    assert verify(world, "--jobs", "2").exit_code == 0


def test_a_gate_runs_in_its_checkout_with_the_environment_of_hooks(world: World) -> None:
    stage(world, app=gates(env="env", place="pwd", words="echo {lane_name} {repo_name}"))

    ran = verify(world, env={"SECRET_TOKEN": "hunter2"})

    printed = {row["gate"]: row["stdout_tail"] for row in ran.json["gates"]}
    env = dict(line.split("=", 1) for line in printed["env"].splitlines())
    assert "SECRET_TOKEN" not in env
    assert (env["GR2_UNIT"], env["GR2_LANE"], env["GR2_REPO"]) == ("alpha", "feat", "app")
    assert env["GR2_OPERATION_ID"] == ran.json["operation_id"]
    assert env["GR2_LANE_PORT_BASE"]
    assert printed["place"].strip() == world.path(PLACE.format("app"))
    assert printed["words"] == "feat app\n"


def test_the_lane_is_found_as_by_other_commands(world: World) -> None:
    stage(world, app=gates(tests="true"))

    def by(*args: str, cwd: str = "", env: Env | None = None) -> Ran:
        return world.call("verify", *args, "--json", cwd=cwd, env={**TRUSTED, **(env or {})})

    assert by().codes == ["lane_required"]
    assert by("none").codes == ["unknown_lane"]
    assert by("--lane", "alpha/feat").exit_code == 0
    assert by("alpha/feat", "--unit", "alpha").exit_code == 0
    assert by(cwd=PLACE.format("app")).exit_code == 0
    assert by(env={"GR2_LANE": "feat"}).exit_code == 0
    world.call("lane", "enter", "feat")
    assert by().exit_code == 0


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (("lane", "freeze", "feat", "--reason", "done"), "lane_frozen"),
        (("lane", "lease", "acquire", "feat"), "lease_conflict"),
    ],
)
def test_what_stands_in_the_way_of_exec_stands_in_the_way_of_gates(
    world: World, before: tuple[str, ...], code: str
) -> None:
    stage(world, app=gates(tests="touch {workspace_root}/ran"))
    assert world.call(*before, env={"GR2_ACTOR": "agent:other"}).exit_code == 0

    ran = verify(world)

    assert (ran.exit_code, ran.codes) == (3, [code])
    assert not os.path.exists(world.path("ran"))


def _started(world: World, *args: str) -> subprocess.Popen[str]:
    """`gr2 verify feat` as a process of its own, whose gate is running."""
    running = subprocess.Popen(
        [sys.executable, "-m", "gr2", "verify", "feat", "--json", *args],
        cwd=world.root,
        env=world.environ(TRUSTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not os.path.exists(world.path("running")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def _ended(running: subprocess.Popen[str]) -> Ran:
    stdout, stderr = running.communicate(timeout=60)
    return Ran(running.returncode, stdout, stderr)


SLOW = "sh -c 'touch {workspace_root}/running; sleep 60'"


def test_a_signal_ends_the_gate_and_the_document_still_comes(world: World) -> None:
    stage(world, app=gates(good="true", slow=SLOW, after="true"))
    running = _started(world)

    running.send_signal(signal.SIGTERM)

    ran = _ended(running)
    assert (ran.exit_code, ran.json["status"]) == (143, "interrupted")
    assert rows(ran) == [("app", "good", "passed"), ("app", "slow", "skipped"), ("app", "after", "skipped")]
    assert told(world) == [("gate.passed", "app", "good")]
    assert events(world)[-1]["type"] == "lease.released"


def test_a_lease_that_is_broken_ends_the_gates(world: World) -> None:
    stage(world, app=gates(slow=SLOW))
    running = _started(world)

    other = {"GR2_ACTOR": "agent:other"}
    world.call("lane", "lease", "acquire", "feat", "--force", "--reason", "mine", env=other)

    ran = _ended(running)
    assert (ran.exit_code, ran.json["status"], ran.codes[0]) == (1, "failed", "lease_lost")
    assert ran.json["gates"][0]["reason"] == "lease_lost"


def test_a_killed_verify_leaves_no_verdict_and_no_lease_behind(world: World) -> None:
    stage(world, app=gates(slow=SLOW))
    running = _started(world)

    running.kill()
    _ended(running)

    os.unlink(world.path("running"))
    assert told(world) == []
    world.write(PLACE.format("app") + "/.gr2/hooks.toml", gates(tests="true"))
    assert verify(world).exit_code == 0


def test_a_verdict_that_cannot_be_written_stands_and_is_written_by_the_next_command(world: World) -> None:
    outbox = "{workspace_root}/.grip/events/outbox.jsonl"
    stage(world, app=gates(tests=f"sh -c 'mv $1 $1.away; mkdir $1' sh {outbox}"))

    ran = verify(world, "-q")

    assert (ran.exit_code, rows(ran)) == (0, [("app", "tests", "passed")])
    assert "gate.passed could not be recorded yet" in ran.stderr
    path = world.path(".grip/events/outbox.jsonl")
    os.rmdir(path)
    os.rename(f"{path}.away", path)
    world.call("lane", "freeze", "feat", "--reason", "done")
    assert told(world) == [("gate.passed", "app", "tests")]


def test_people_see_a_line_a_gate_the_end_of_what_a_failed_one_said_and_what_to_type(world: World) -> None:
    stage(world, app=gates(tests="sh -c 'seq 100; printf \\\\\\\\033[2J >&2; exit 1'", lint="true"))

    ran = world.call("verify", "feat", env=TRUSTED)

    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["REPO", "GATE", "RESULT", "TIME"]
    assert lines[1].split()[:3] == ["app", "tests", "failed"]
    assert lines[2].split()[:3] == ["app", "lint", "passed"]
    assert "  100" in lines
    assert "  1" not in lines
    assert "\x1b" not in ran.stdout
    assert "error[gate_failed]" in ran.stderr
    assert "  help: gr2 verify alpha/feat --repo app --gate tests\n" in ran.stderr


def test_the_command_is_listed_and_its_help_shows_how_to_call_it(world: World) -> None:
    assert "verify" in world.call("--help").stdout
    assert "[LANE]" in world.call("verify", "--help").stdout


def test_outside_a_workspace_it_is_refused_like_any_command(world: World) -> None:
    ran: Any = world.call("verify", "--json")

    assert (ran.exit_code, ran.codes) == (2, ["missing_spec"])
