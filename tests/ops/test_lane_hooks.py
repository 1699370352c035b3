"""Hooks around entering and leaving a lane: their order, and what a failure leaves behind."""

from __future__ import annotations

import os

import pytest

from gr2.testing import World
from tests.ops.hooks_stage import TRUSTED, events, hooked, markers, told

PLACE = "agents/alpha/lanes/{}/repos/app"


def _hook(stage: str, name: str, command: str, on_failure: str = "block") -> str:
    return f'[[lifecycle.{stage}]]\nname = "{name}"\ncommand = "{command}"\non_failure = "{on_failure}"\n'


def _say(stage: str, text: str) -> str:
    return _hook(
        stage, stage, f"sh -c 'git status --porcelain >>{{workspace_root}}/log; echo {text} >>{{workspace_root}}/log'"
    )


@pytest.fixture
def lanes(world: World) -> World:
    unless = _hook("on_exit", "leave", "test ! -e {workspace_root}/stay") + _hook(
        "on_enter", "come", "test ! -e {workspace_root}/away"
    )
    hooked(world, _say("on_exit", "left") + _say("on_enter", "entered") + unless, units=("alpha",))
    for name in ("one", "two"):
        assert world.call("lane", "create", name, env=TRUSTED).exit_code == 0
    assert world.call("lane", "enter", "one", env=TRUSTED).exit_code == 0
    os.unlink(world.path("log"))
    return world


def _current(world: World) -> str | None:
    return world.call("lane", "current", "--json").json["lane_name"]


def test_on_exit_sees_the_work_and_on_enter_what_was_restored(lanes: World) -> None:
    lanes.write(PLACE.format("one") + "/README.md", "changed\n")

    lanes.call("lane", "exit", env=TRUSTED)
    lanes.call("lane", "enter", "one", "--restore", env=TRUSTED)

    assert lanes.read("log").splitlines() == [" M README.md", "left", " M README.md", "entered"]


def test_a_switch_leaves_before_it_enters(lanes: World) -> None:
    before = len(events(lanes))

    assert lanes.call("lane", "enter", "two", env=TRUSTED).exit_code == 0

    order = [event.get("hook_name") or event["type"] for event in events(lanes, after=before)]
    assert list(dict.fromkeys(order)) == [
        "on_exit",
        "leave",
        "lane.exited",
        "on_enter",
        "come",
        "lane.entered",
        "lane.switched",
    ]


def test_a_failure_at_the_exit_keeps_the_lane_current_and_untouched(lanes: World) -> None:
    lanes.write("stay", "")
    lanes.write(PLACE.format("one") + "/README.md", "changed\n")

    ran = lanes.call("lane", "exit", "--json", env=TRUSTED)

    assert (ran.exit_code, ran.codes) == (1, ["hook_failed"])
    assert _current(lanes) == "one"
    assert lanes.git(PLACE.format("one"), "status", "--porcelain") == " M README.md"
    (marker,) = markers(lanes)
    assert (marker["operation"], marker["stage"], marker["lane_name"]) == ("lane.exit", "on_exit", "one")
    assert marker["event_id"] == events(lanes, "hook.failed")[0]["event_id"]
    assert marker["partial_state"] == {"repos_completed": [], "repos_pending": [], "repos_failed": ["app"]}
    assert lanes.call("lane", "archive", "one", "--force", "--json").codes == ["unresolved_failure"]

    os.unlink(lanes.path("stay"))
    assert lanes.call("lane", "exit", env=TRUSTED).exit_code == 0
    assert (_current(lanes), markers(lanes)) == (None, [])


def test_a_failure_at_the_exit_stops_a_switch(lanes: World) -> None:
    lanes.write("stay", "")

    ran = lanes.call("lane", "enter", "two", "--json", env=TRUSTED)

    assert (ran.exit_code, ran.codes, _current(lanes)) == (1, ["hook_failed"], "one")
    os.unlink(lanes.path("stay"))
    assert lanes.call("lane", "enter", "two", env=TRUSTED).exit_code == 0
    assert (_current(lanes), markers(lanes)) == ("two", [])


def test_a_failure_at_the_entrance_leaves_no_lane_current(lanes: World) -> None:
    lanes.write("away", "")

    ran = lanes.call("lane", "enter", "two", "--json", env=TRUSTED)

    assert (ran.exit_code, ran.codes, _current(lanes)) == (4, ["hook_failed"], None)
    assert not [event for event in events(lanes, "lane.entered") if event["lane_name"] == "two"]
    os.unlink(lanes.path("away"))
    before = len(events(lanes))
    assert lanes.call("lane", "enter", "two", env=TRUSTED).exit_code == 0
    types = [event["type"] for event in events(lanes, "lane.", "failure.", after=before)]
    assert types == ["lane.entered", "lane.switched", "failure.resolved"]


def test_a_decision_to_skip_passes_the_hook_over_once(lanes: World) -> None:
    lanes.write("away", "")
    lanes.call("lane", "exit", env=TRUSTED)
    failed = lanes.call("lane", "enter", "two", "--json", env=TRUSTED).json

    lanes.call("lane", "resolve", failed["operation_id"], "--resolution", "skip")
    before = len(events(lanes))
    passed = lanes.call("lane", "enter", "two", "--json", env=TRUSTED)
    lanes.call("lane", "exit", env=TRUSTED)
    again = lanes.call("lane", "enter", "two", "--json", env=TRUSTED)

    assert passed.json["status"] == "success"
    assert "hook.skipped come already_done" in told(lanes, after=before)
    assert again.codes == ["hook_failed"]


def test_entering_the_current_lane_runs_nothing(lanes: World) -> None:
    before = len(events(lanes))

    lanes.call("lane", "enter", "one", env=TRUSTED)

    assert told(lanes, after=before) == []


def test_a_strategy_that_refuses_runs_no_hook(lanes: World) -> None:
    lanes.write(PLACE.format("one") + "/README.md", "changed\n")
    before = len(events(lanes))

    ran = lanes.call("lane", "exit", "--dirty", "block", "--json", env=TRUSTED)

    assert (ran.exit_code, told(lanes, after=before)) == (3, [])


def test_a_new_lane_s_hook_that_blocks_is_finished_by_apply(world: World) -> None:
    text = _hook("on_materialize", "build", "test -e {workspace_root}/ready") + 'when = "first_materialize"\n'
    hooked(world, text, units=("alpha",))
    world.write("ready", "")
    world.call("apply", env=TRUSTED)
    os.unlink(world.path("ready"))
    failed = world.call("lane", "create", "feat", "--json", env=TRUSTED)
    assert (failed.exit_code, events(world, "lane.created")) == (4, [])

    world.call("failures", "resolve", failed.json["operation_id"], "--resolution", "retry")
    world.write("ready", "")
    done = world.call("apply", "--json", env=TRUSTED)

    assert [operation["kind"] for operation in done.json["completed"]] == ["hooks.run"]
    assert [event["lane_name"] for event in events(world, "lane.created")] == ["feat"]
