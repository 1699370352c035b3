"""Failure markers: what they block, and the three ways to decide."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from gr2.errors import Blocked, Invalid
from gr2.model.event.query import EventQuery
from gr2.model.outcome import Status
from gr2.ops.events import events_list
from gr2.ops.failures import failures_list, failures_resolve, resolve_retried
from gr2.ops.mutation import mutation
from gr2.store.failures import (
    Marker,
    PartialState,
    blocking_checkout,
    blocking_marker,
    marker_path,
    read_markers,
    write_marker,
)
from gr2.store.hook_state import completed, forget, take_pass
from gr2.testing.world import World
from tests.ops.hooks_stage import TRUSTED, events, hooked, markers

OPERATION = "op_0123456789ab"


def marker(**changes: Any) -> Marker:
    said: dict[str, Any] = {
        "operation_id": OPERATION,
        "operation": "lane.enter",
        "stage": "on_enter",
        "hook_name": "warm-up",
        "repo": "app",
        "owner_unit": "alpha",
        "lane_name": "feat",
        "failed_at": "2026-01-01T00:00:00+00:00",
        "event_id": "0123456789abcdef",
        "partial_state": PartialState(repos_completed=("api",), repos_failed=("app",)),
    }
    return Marker(**(said | changes))


@pytest.fixture
def stuck(world: World) -> World:
    world.write_spec()
    write_marker(world.session().layout, marker())
    return world


def resolved_events(world: World) -> list[dict[str, Any]]:
    return list(events_list(world.session(), EventQuery(type="failure.resolved")).events)


def test_a_marker_holds_the_contracts_fields_and_is_private(stuck: World) -> None:
    path = marker_path(stuck.session().layout, OPERATION)

    with open(path, encoding="utf-8") as file:
        said = json.load(file)

    first = [
        "version",
        "operation_id",
        "operation",
        "stage",
        "hook_name",
        "repo",
        "owner_unit",
        "lane_name",
        "failed_at",
    ]
    assert list(said) == [*first, "event_id", "partial_state", "resolved"]
    assert said["partial_state"] == {"repos_completed": ["api"], "repos_pending": [], "repos_failed": ["app"]}
    assert said["resolved"] is None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert read_markers(stuck.session().layout, OPERATION) == (marker(),)


def test_a_marker_blocks_other_commands_on_its_lane_only(stuck: World) -> None:
    layout = stuck.session().layout

    found = blocking_marker(layout, command="lane.exit", unit="alpha", lane="feat")

    assert found is not None
    assert (found.code, found.details["operation_id"]) == ("unresolved_failure", OPERATION)
    assert blocking_marker(layout, command="lane.enter", unit="alpha", lane="feat") is None
    assert blocking_marker(layout, command="lane.exit", unit="beta", lane="feat") is None
    assert blocking_marker(layout, command="lane.exit", unit="alpha", lane="other") is None
    assert blocking_checkout(layout, command="sync.run", unit="alpha", repo="app") is None


def test_a_marker_outside_lanes_blocks_its_checkout_only(world: World) -> None:
    world.write_spec()
    layout = world.session().layout
    write_marker(layout, marker(operation="apply", owner_unit="", lane_name=""))

    assert blocking_checkout(layout, command="sync.run", unit="", repo="app") is not None
    assert blocking_checkout(layout, command="apply", unit="", repo="app") is None
    assert blocking_checkout(layout, command="sync.run", unit="", repo="api") is None
    assert blocking_checkout(layout, command="sync.run", unit="alpha", repo="app") is None


def test_a_mutating_command_on_the_lane_is_refused(stuck: World) -> None:
    with (
        pytest.raises(Blocked, match="unresolved_failure"),
        mutation(stuck.session(), "lane.exit", unit="alpha", lane="feat"),
    ):
        pass


def test_retry_clears_the_marker_and_keeps_the_file(stuck: World) -> None:
    result = failures_resolve(stuck.session(), OPERATION, resolution="retry")

    (found,) = read_markers(stuck.session().layout, OPERATION)
    assert found.resolved is not None
    assert (found.resolved["by"], found.resolved["resolution"]) == ("agent:alpha", "retry")
    assert result.failures == (found,)
    assert blocking_marker(stuck.session().layout, command="lane.exit", unit="alpha", lane="feat") is None
    (event,) = resolved_events(stuck)
    assert {key: event[key] for key in ("operation_id", "resolved_by", "resolution", "lane_name", "owner_unit")} == {
        "operation_id": OPERATION,
        "resolved_by": "agent:alpha",
        "resolution": "retry",
        "lane_name": "feat",
        "owner_unit": "alpha",
    }
    assert not completed(
        stuck.session().layout, "agents/alpha/lanes/feat/repos/app", stage="on_enter", hook_name="warm-up"
    )


def test_skip_counts_the_hook_as_completed_once(stuck: World) -> None:
    layout = stuck.session().layout
    hook = {"stage": "on_enter", "hook_name": "warm-up"}

    failures_resolve(stuck.session(), OPERATION, resolution="skip")

    checkout = "agents/alpha/lanes/feat/repos/app"
    assert completed(layout, checkout, **hook)
    assert [take_pass(layout, checkout, **hook) for _ in range(3)] == [True, False, False]
    assert not completed(layout, "agents/alpha/repos/app", **hook)
    forget(layout, checkout)
    assert not completed(layout, checkout, **hook)


@pytest.mark.parametrize(
    ("unit", "checkout"), [("", "repos/app"), ("alpha", "agents/alpha/repos/app")], ids=["shared", "unit"]
)
def test_skip_outside_lanes_counts_for_that_checkout(world: World, unit: str, checkout: str) -> None:
    world.write_spec()
    write_marker(world.session().layout, marker(operation="apply", owner_unit=unit, lane_name=""))

    failures_resolve(world.session(), OPERATION, resolution="skip")

    assert completed(world.session().layout, checkout, stage="on_enter", hook_name="warm-up")


def test_escalate_goes_on_blocking(stuck: World) -> None:
    failures_resolve(stuck.session(), OPERATION, resolution="escalate")

    (found,) = read_markers(stuck.session().layout, OPERATION)
    assert found.resolved is None
    assert found.escalated is not None
    assert found.escalated["by"] == "agent:alpha"
    assert blocking_marker(stuck.session().layout, command="lane.exit", unit="alpha", lane="feat") is not None


@pytest.mark.parametrize("resolution", ["retry", "skip", "escalate"])
def test_deciding_the_same_again_changes_nothing(stuck: World, resolution: str) -> None:
    failures_resolve(stuck.session(), OPERATION, resolution=resolution)
    before = read_markers(stuck.session().layout, OPERATION)

    again = failures_resolve(stuck.session(), OPERATION, resolution=resolution)

    assert again.status is Status.SUCCESS
    assert read_markers(stuck.session().layout, OPERATION) == before
    assert len(resolved_events(stuck)) == 1


def test_deciding_otherwise_afterwards_is_refused(stuck: World) -> None:
    failures_resolve(stuck.session(), OPERATION, resolution="retry")

    with pytest.raises(Blocked, match="already_resolved"):
        failures_resolve(stuck.session(), OPERATION, resolution="skip")


@pytest.mark.parametrize("name", ["op_ffffffffffff", "../../workspace_spec", "", "op_0123456789AB"])
def test_an_operation_without_a_marker_is_unknown(stuck: World, name: str) -> None:
    with pytest.raises(Invalid, match="unknown_operation"):
        failures_resolve(stuck.session(), name, resolution="retry")


@pytest.mark.parametrize(("resolution", "left"), [("skip", 1), ("retry", 1), ("escalate", 3)])
def test_what_clears_a_failure_clears_the_tries_before_it(stuck: World, resolution: str, left: int) -> None:
    write_marker(stuck.session().layout, marker(operation_id="op_000000000001"))
    write_marker(stuck.session().layout, marker(operation_id="op_000000000002", hook_name="tidy"))

    failures_resolve(stuck.session(), OPERATION, resolution=resolution)

    assert len(failures_list(stuck.session()).failures) == left
    assert len(resolved_events(stuck)) == (1 if resolution == "escalate" else 2)


def test_success_of_the_same_command_resolves_its_marker(stuck: World) -> None:
    layout = stuck.session().layout
    write_marker(layout, marker(operation_id="op_000000000001", lane_name="other"))
    write_marker(layout, marker(operation_id="op_000000000002", operation="lane.exit"))

    with mutation(stuck.session(), "lane.enter", unit="alpha", lane="feat", markers=False) as run:
        resolve_retried(run, unit="alpha", lane="feat")

    open_ids = {found.operation_id for found in failures_list(stuck.session()).failures}
    assert open_ids == {"op_000000000001", "op_000000000002"}
    assert [event["resolution"] for event in resolved_events(stuck)] == ["retry"]


def test_success_outside_lanes_resolves_the_markers_of_its_checkouts(world: World) -> None:
    world.write_spec()
    write_marker(world.session().layout, marker(operation="apply", owner_unit="", lane_name=""))

    with mutation(world.session(), "apply") as run:
        resolve_retried(run, repos=("app",))

    assert failures_list(world.session()).failures == ()


def test_the_list_shows_what_waits_and_on_request_what_was_decided(stuck: World) -> None:
    older = marker(operation_id="op_000000000001", failed_at="2025-01-01T00:00:00+00:00", hook_name="tidy")
    write_marker(stuck.session().layout, older)
    failures_resolve(stuck.session(), OPERATION, resolution="retry")

    waiting, everything = failures_list(stuck.session()), failures_list(stuck.session(), all_=True)

    assert [found.operation_id for found in waiting.failures] == ["op_000000000001"]
    assert [found.operation_id for found in everything.failures] == ["op_000000000001", OPERATION]
    assert waiting.status is Status.ATTENTION


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "partial_state": 7}', '{"version": "x"}'])
def test_a_broken_marker_is_said_and_breaks_nothing(stuck: World, content: str) -> None:
    stuck.write(".grip/state/failures/op_000000000009.json", content)

    result = failures_list(stuck.session())

    assert [issue.code for issue in result.issues] == ["state_unreadable"]
    assert len(result.failures) == 1


def test_a_marker_of_a_newer_gr2_blocks_and_is_not_rewritten(world: World) -> None:
    world.write_spec()
    layout = world.session().layout
    write_marker(layout, marker())
    path = marker_path(layout, OPERATION)
    with open(path, encoding="utf-8") as file:
        newer = file.read().replace('"version": 1', '"version": 2')
    world.write(path, newer)

    assert blocking_marker(layout, command="lane.exit", unit="alpha", lane="feat") is not None
    with pytest.raises(Invalid, match="newer_version"):
        failures_resolve(world.session(), OPERATION, resolution="retry")
    assert world.read(path) == newer


def _shared(repo: str, **changes: Any) -> Marker:
    return marker(operation="apply", owner_unit="", lane_name="", repo=repo, **changes)


@pytest.fixture
def two(world: World) -> World:
    """An apply in which two checkouts failed."""
    world.write_spec()
    layout = world.session().layout
    write_marker(layout, _shared("app", partial_state=PartialState(repos_pending=("api",), repos_failed=("app",))))
    write_marker(layout, _shared("api", partial_state=PartialState(repos_pending=("app",), repos_failed=("api",))))
    return world


def test_failures_of_one_operation_all_block(two: World) -> None:
    layout = two.session().layout

    found = [blocking_checkout(layout, command="sync.run", unit="", repo=repo) for repo in ("app", "api", "lib")]

    assert [blocked and blocked.details["repo"] for blocked in found] == ["app", "api", None]
    assert os.listdir(layout.failures) == [f"{OPERATION}.json"]
    assert [(each.repo, each.operation_id) for each in failures_list(two.session()).failures] == [
        ("app", OPERATION),
        ("api", OPERATION),
    ]
    both = PartialState(repos_failed=("app", "api"))
    assert [each.partial_state for each in read_markers(layout, OPERATION)] == [both, both]


def test_resolving_an_operation_resolves_all_of_it_and_says_so_once(two: World) -> None:
    ran = two.call("failures", "resolve", OPERATION, "--resolution", "skip")

    assert [word in ran.stdout for word in (" app ", " api ")] == [True, True]
    assert failures_list(two.session()).failures == ()
    assert [event["operation_id"] for event in resolved_events(two)] == [OPERATION]
    hook = {"stage": "on_enter", "hook_name": "warm-up"}
    assert all(completed(two.session().layout, f"repos/{repo}", **hook) for repo in ("app", "api"))
    again = failures_resolve(two.session(), OPERATION, resolution="skip")
    assert (again.status, len(resolved_events(two))) == (Status.SUCCESS, 1)


def test_a_success_in_one_place_leaves_the_other_failure_of_the_operation(two: World) -> None:
    layout = two.session().layout

    with mutation(two.session(), "apply") as run:
        resolve_retried(run, repos=("app",))
    left, told = failures_list(two.session()).failures, resolved_events(two)
    with open(marker_path(layout, OPERATION), encoding="utf-8") as file:
        first = json.load(file)
    with mutation(two.session(), "apply") as run:
        resolve_retried(run, repos=("api",))

    assert [each.repo for each in left] == ["api"]
    assert (first["repo"], first["resolved"], told) == ("api", None, [])
    assert failures_list(two.session()).failures == ()
    assert len(resolved_events(two)) == 1


def test_a_success_of_one_repo_of_a_lane_leaves_the_failure_of_another(stuck: World) -> None:
    with mutation(stuck.session(), "lane.enter", unit="alpha", lane="feat", markers=False) as run:
        resolve_retried(run, unit="alpha", lane="feat", repos=("api",))

    assert [each.repo for each in failures_list(stuck.session()).failures] == ["app"]


def test_hooks_that_fail_side_by_side_lose_no_failure(world: World) -> None:
    together = "while ! test -e {workspace_root}/app -a -e {workspace_root}/api; do sleep 0.02; done"
    after = "until ls {workspace_root}/.grip/state/failures/op_*; do sleep 0.02; done"
    commands = {repo: f"touch {{workspace_root}}/{repo}; {together}; exit 3" for repo in ("app", "api")}
    for repo, command in {**commands, "lib": after}.items():
        hook = f'[[lifecycle.on_materialize]]\nname = "x"\ncommand = "sh -c \'{command}\'"\ntimeout_seconds = 60\n'
        world.commit(repo, {".gr2/hooks.toml": hook})
    world.write_spec(repos=("app", "api", "lib"), units=())

    ran = world.call("apply", "--json", env=TRUSTED)

    (said,) = markers(world)
    assert said["operation_id"] == ran.json["operation_id"]
    assert sorted(said["partial_state"]["repos_failed"]) == ["api", "app"]
    assert said["partial_state"]["repos_completed"] == ["lib"]
    for repo in ("app", "api"):
        assert world.call("sync", "run", "--repo", repo, "--json").codes == ["unresolved_failure"]


def _manual(name: str, command: str, *, stage: str = "on_enter", on_failure: str = "block") -> str:
    head = f'[[lifecycle.{stage}]]\nname = "{name}"\ncommand = "{command}"\n'
    return f'{head}when = "manual"\non_failure = "{on_failure}"\n'


@pytest.mark.parametrize("lane", ["", "alpha/feat"], ids=["shared", "lane"])
def test_only_the_hook_that_failed_may_be_run_again_by_hand_and_makes_its_failure_good(world: World, lane: str) -> None:
    ready = "test -e {workspace_root}/ready"
    text = _manual("exit", ready) + _manual("one", "true") + _manual("exit", "true", stage="on_exit")
    hooked(world, text, units=("alpha",))
    world.call("apply")
    world.call("lane", "create", "feat")

    def run(name: str, stage: str = "on_enter") -> list[str]:
        where = ("--lane", lane) if lane else ()
        return world.call("hooks", "run", "app", name, "--stage", stage, *where, "--json", env=TRUSTED).codes

    failed = run("exit")
    others = run("one"), run("exit", "on_exit")
    again = run("exit")
    world.write("ready", "")
    good, after = run("exit"), run("one")

    assert (failed, again, others) == (["hook_failed"], ["hook_failed"], (["unresolved_failure"],) * 2)
    assert (good, after, markers(world)) == ([], [], [])


@pytest.mark.parametrize(("on_failure", "codes"), [("warn", ["hook_failed"]), ("skip", [])])
def test_a_hook_that_was_asked_for_and_fails_is_a_failure_whatever_it_means_to_others(
    world: World, on_failure: str, codes: list[str]
) -> None:
    hooked(world, _manual("x", "false", on_failure=on_failure))
    world.call("apply")

    ran = world.call("hooks", "run", "app", "x", "--json", env=TRUSTED)

    assert (ran.exit_code, ran.json["status"], ran.codes) == (1, "failed", codes)
    assert [event["exit_code"] for event in events(world, "hook.failed")] == [1]
    assert markers(world) == []


def test_a_marker_whose_decision_cannot_be_read_is_told(world: World) -> None:
    world.write_spec(repos=("app",), units=())
    marker = {"version": 1, "operation_id": "op_0123456789ab", "operation": "apply", "resolved": "yes"}
    world.write(".grip/state/failures/op_0123456789ab.json", json.dumps(marker))

    assert "state_unreadable" in world.call("failures", "list", "--json").codes
    assert world.call("status").exit_code != 70
