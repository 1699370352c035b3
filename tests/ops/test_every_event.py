"""Every event type comes from the command that should write it, with exactly its fields.

Each test is a list of commands and the types each of them writes; the last one looks whether all types were shown.
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from gr2.model.event.base import CONTEXT, ENVELOPE
from gr2.model.event.catalog import CATALOG, event_class
from gr2.model.event.schema import schema_of
from gr2.testing import World
from tests.ops.hooks_stage import TRUSTED
from tests.ops.pr_stage import Stage

OTHER = {"GR2_ACTOR": "agent:other"}
Env = Mapping[str, str | None]

HOOKS = """
[[files.link]]
src = "README.md"
dest = "{lane_root}/README.md"
[[lifecycle.on_materialize]]
name = "good"
command = "true"
[[lifecycle.on_enter]]
name = "bad"
command = "false"
on_failure = "block"
[[lifecycle.on_exit]]
name = "tidy"
command = "true"
when = "dirty"
"""


class Log:
    """A workspace's events, command by command. `seen` are the types that were checked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: set[str] = set()

    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        found = self.world.call("events", "list", "--json", "--limit", "10000").json["events"]
        return list(found)

    def after(self, command: str, *types: str, exit_code: int = 0, env: Env | None = None) -> list[dict[str, Any]]:
        """Run `gr2 COMMAND`: it writes events of exactly these types, each as its class says. Gives them."""
        known = len(self.events())
        ran = self.world.call(*command.split(), env=env)
        assert ran.exit_code == exit_code, f"{command}: {ran.exit_code}\n{ran.stdout}\n{ran.stderr}"
        new = self.events()[known:]
        assert {event["type"] for event in new} == set(types), f"{command}: {[event['type'] for event in new]}"
        for event in new:
            assert_as_declared(event)
        self.seen.update(types)
        return new


def assert_as_declared(event: dict[str, Any]) -> None:
    """The event has what its schema requires and nothing else, and its own fields have the types of its class."""
    schema = schema_of(event["type"])
    assert set(schema["required"]) <= set(event) <= set(schema["properties"]), event
    kind = event_class(event["type"])
    assert kind is not None
    outside = {*ENVELOPE, *CONTEXT} | ({"operation_id"} - schema_fields(kind))
    own = {name: value for name, value in event.items() if name not in outside}
    made = TypeAdapter(kind).validate_json(json.dumps(own), strict=True)
    assert TypeAdapter(kind).dump_python(made, mode="json", exclude_none=True) == own


def schema_fields(kind: type) -> set[str]:
    """The names of a class's own fields."""
    return set(TypeAdapter(kind).json_schema()["properties"])


def of_lanes(world: World) -> Log:
    log = Log(world)
    world.write_spec(units=("alpha",))
    log.after("apply", "sync.cache_seeded", "workspace.materialized")
    log.after("lane create feat", "lane.created")
    log.after("lane create fix", "lane.created")
    log.after("lane enter feat", "lane.entered")
    world.write("agents/alpha/lanes/feat/repos/app/new.txt", "new\n")
    exited, *_ = log.after("lane enter fix", "lane.exited", "lane.entered", "lane.switched")
    log.after("lane exit", "lane.exited")
    log.after("lane freeze feat --reason done", "lane.frozen")
    log.after("lane unfreeze feat", "lane.unfrozen")
    log.after("lane archive feat --force", "lane.archived")

    assert exited["stashed_repos"] == ["app"]
    return log


def of_leases(world: World) -> Log:
    log = Log(world)
    world.write_spec(units=("alpha",))
    world.call("apply")
    world.call("lane", "create", "feat")
    log.after("lane lease acquire feat --ttl 60", "lease.acquired")
    log.after("lane lease renew feat", "lease.renewed")
    log.after("lane lease release feat", "lease.released")
    log.after("lane lease acquire feat --ttl 1", "lease.acquired", env=OTHER)
    time.sleep(1.1)
    log.after("lane lease acquire feat", "lease.expired", "lease.reclaimed", "lease.acquired")
    force = "lane lease acquire feat --force --reason urgent"
    log.after(force, "lease.force_broken", "lease.acquired", env=OTHER)
    return log


def of_hooks(world: World) -> Log:
    log = Log(world)
    world.commit("app", {".gr2/hooks.toml": HOOKS})
    world.write_spec(repos=("app",), units=("alpha",))
    log.after("apply", "sync.cache_seeded", "workspace.materialized", "hook.skipped")
    made = "lane.created", "hook.started", "hook.completed", "workspace.file_projected"
    log.after("lane create feat", *made, env=TRUSTED)
    failed = log.after("lane enter feat", "hook.started", "hook.failed", exit_code=1, env=TRUSTED)
    operation = failed[-1]["operation_id"]
    log.after(f"failures resolve {operation} --resolution skip", "failure.resolved")
    return log


def of_exec(world: World) -> Log:
    log = Log(world)
    world.write_spec(units=("alpha",))
    world.call("apply")
    world.call("lane", "create", "feat")
    leases = "lease.acquired", "lease.released"
    log.after("exec run --lane feat -- true", *leases, "exec.started", "exec.completed")
    log.after("exec run --lane feat -- false", *leases, "exec.started", "exec.failed", exit_code=1)
    return log


def of_gates(world: World) -> Log:
    log = Log(world)
    gates = '[[gates]]\nname = "good"\ncommand = "true"\n[[gates]]\nname = "bad"\ncommand = "false"\n'
    world.commit("app", {".gr2/hooks.toml": gates})
    world.write_spec(repos=("app",), units=("alpha",))
    world.call("lane", "create", "feat")
    leases = "lease.acquired", "lease.released"
    log.after("verify feat", *leases, "gate.passed", "gate.failed", exit_code=4, env=TRUSTED)
    return log


def of_sync(world: World) -> Log:
    log = Log(world)
    world.write_spec(repos=("app",), units=())
    begun = "sync.started", "sync.completed"
    log.after("sync run", *begun, "sync.cache_seeded", "sync.repo_skipped")
    log.after("apply", "workspace.materialized")
    world.commit("app", {"README.md": "theirs\n"})
    log.after("sync run", *begun, "sync.cache_refreshed", "sync.repo_updated")
    world.commit("app", {"README.md": "theirs again\n"})
    world.write("repos/app/README.md", "mine\n")
    world.git("repos/app", "commit", "--quiet", "--all", "--message", "mine")
    log.after("sync run --strategy rebase", *begun, "sync.cache_refreshed", "sync.conflict", exit_code=1)
    return log


def of_pull_requests(world: World) -> Log:
    log, stage = Log(world), Stage(world)
    lane = "--lane alpha/feat"
    log.after(f"pr create --title T --body B {lane}", "pr.created")
    stage.other_side("check", "app", "1", "ci", "failure")
    log.after(f"pr status {lane}", "pr.checks_failed")
    stage.other_side("check", "app", "1", "ci", "success")
    stage.other_side("review", "app", "1", "kim", "approved")
    log.after(f"pr status {lane}", "pr.checks_passed", "pr.review_submitted")
    unlock = stage.lock_branch("api")
    log.after(f"pr merge {lane}", "pr.status_changed", "pr.merge_failed", exit_code=4)
    unlock()
    log.after(f"pr merge {lane}", "pr.status_changed", "pr.merged")
    return log


SCENARIOS = {
    of_lanes: "lane.created lane.entered lane.exited lane.switched lane.archived lane.frozen lane.unfrozen"
    " sync.cache_seeded workspace.materialized",
    of_leases: "lease.acquired lease.renewed lease.released lease.expired lease.reclaimed lease.force_broken",
    of_hooks: "hook.started hook.completed hook.failed hook.skipped failure.resolved workspace.file_projected"
    " sync.cache_seeded workspace.materialized lane.created",
    of_exec: "exec.started exec.completed exec.failed lease.acquired lease.released",
    of_sync: "sync.started sync.cache_seeded sync.cache_refreshed sync.repo_updated sync.repo_skipped sync.conflict"
    " sync.completed workspace.materialized",
    of_pull_requests: "pr.created pr.status_changed pr.checks_passed pr.checks_failed pr.review_submitted pr.merged"
    " pr.merge_failed",
}
GATES = {"gate.passed", "gate.failed"}
# The core runs gates; the command that asks for it comes with gr2-hooks, without which the core's tests pass too.
if importlib.util.find_spec("gr2_hooks"):
    SCENARIOS[of_gates] = "gate.passed gate.failed lease.acquired lease.released"
    GATES = set()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_commands_write_exactly_their_events(world: World, scenario: Any) -> None:
    assert scenario(world).seen == set(SCENARIOS[scenario].split())


def test_every_type_is_shown() -> None:
    assert {name for names in SCENARIOS.values() for name in names.split()} == set(CATALOG) - GATES
