"""Projections and lifecycle hooks struck by disasters."""

from __future__ import annotations

from importlib.util import find_spec

from gr2.testing import World
from tests.faults import oracle
from tests.faults.cases import Case

HOOKS = """
[[files.copy]]
src = "CLAUDE.md"
dest = "{workspace_root}/CLAUDE.md"
if_exists = "overwrite"
[[files.link]]
src = "CLAUDE.md"
dest = "{unit_root}/docs/CLAUDE.md"
[[files.copy]]
src = "settings.toml"
dest = "{lane_root}/settings.toml"
if_exists = "merge"
[[lifecycle.on_materialize]]
name = "first"
command = "sh -c 'echo once >made.first'"
[[lifecycle.on_materialize]]
name = "second"
command = "sh -c 'test -e made.first && echo once >made.second'"
[[lifecycle.on_enter]]
name = "enter"
command = "sh -c 'echo once >made.enter'"
on_failure = "block"
[[gates]]
name = "tests"
command = "sh -c 'test -e made.second && echo once >made.gate'"
"""
FILES = {
    ".gr2/hooks.toml": HOOKS,
    ".gitignore": "made.*\n",
    "CLAUDE.md": "# Rules\n",
    "settings.toml": "debug = true\n",
}
# A hook that was struck leaves a marker, which the second run resolves and which stays, as contracted.
_IGNORED = (".grip/state/failures", ".grip/state/withheld.json", ".grip/state/leases")


def _spec(world: World) -> None:
    world.commit("app", dict(FILES))
    world.write_spec(repos=("app",), units=("alpha",))
    world.write("CLAUDE.md", "mine, and only here\n")


def _applied(world: World) -> None:
    _spec(world)
    assert world.call("apply", "--trust-hooks").exit_code == 0


def _lane(world: World) -> None:
    _applied(world)
    assert world.call("lane", "create", "feat", "--trust-hooks").exit_code == 0


def _hooks_ended(world: World, *places: str) -> list[dict[str, object]]:
    """Every hook that was started has an end, the last of each a good one; what they make is there."""
    events = oracle.assert_log_is_dense(world)
    for place in places:
        assert world.read(f"{place}/made.second") == "once\n"
    open_hooks: list[tuple[object, ...]] = []
    last: dict[tuple[object, ...], object] = {}
    for event in events:
        if not event["type"].startswith("hook.") or event["type"] == "hook.skipped":
            continue
        key = (event["repo"], event["owner_unit"], event["stage"], event["hook_name"])
        if event["type"] == "hook.started":
            assert key not in open_hooks, f"started twice without an end: {key}"
            open_hooks.append(key)
        else:
            assert key in open_hooks, f"ended without a start: {key}"
            open_hooks.remove(key)
            last[key] = event["type"]
    assert open_hooks == []
    assert set(last.values()) == {"hook.completed"}
    return events


def _all_applied(world: World) -> None:
    events = _hooks_ended(world, "repos/app", "agents/alpha/repos/app")
    told = [event for event in events if event["type"] == "workspace.materialized"]
    # A run that was killed between two checkouts of a repo tells of the one, the second run of the other.
    assert {repo["repo"] for event in told for repo in event["repos"]} == {"app"}, told  # type: ignore[attr-defined]
    projected = sorted(event["dest"] for event in events if event["type"] == "workspace.file_projected")
    assert projected == ["CLAUDE.md", "agents/alpha/docs/CLAUDE.md"]
    assert world.read("CLAUDE.md") == "# Rules\n"
    (saved,) = {row["id"] for row in world.call("saved", "list", "--json").json["saved"]}
    assert world.call("saved", "show", saved).exit_code == 0
    assert world.call("plan", "--json").json["operations"] == []


def _lane_is_made(world: World) -> None:
    events = _hooks_ended(world, "agents/alpha/lanes/feat/repos/app")
    assert [event["lane_name"] for event in events if event["type"] == "lane.created"] == ["feat"]
    assert world.read("agents/alpha/lanes/feat/settings.toml") == "debug = true\n"


def _lane_is_entered(world: World) -> None:
    events = _hooks_ended(world)
    assert [event["lane_name"] for event in events if event["type"] == "lane.entered"] == ["feat"]
    assert world.read("agents/alpha/lanes/feat/repos/app/made.enter") == "once\n"


def _is_verified(world: World) -> None:
    events = oracle.assert_log_is_dense(world)
    verdicts = [event["type"] for event in events if event["type"].startswith("gate.")]
    assert verdicts[-1] == "gate.passed"
    assert len(verdicts) <= 2, "no run tells of a gate twice"
    assert world.read("agents/alpha/lanes/feat/repos/app/made.gate") == "once\n"


VERIFY = Case(
    name="verify",
    arrange=_lane,
    command=["gr2", "verify", "alpha/feat", "--trust-hooks"],
    check=_is_verified,
    ignore=_IGNORED,
    side_by_side=True,
)

HOOK_CASES = [
    *([VERIFY] if find_spec("gr2_hooks") is not None else []),
    Case(
        name="apply-hooks",
        arrange=_spec,
        command=["gr2", "apply", "--trust-hooks"],
        check=_all_applied,
        ignore=(*_IGNORED, ".grip/state/saved"),
    ),
    Case(
        name="lane-create-hooks",
        arrange=_applied,
        command=["gr2", "lane", "create", "feat", "--trust-hooks"],
        check=_lane_is_made,
        ignore=_IGNORED,
    ),
    Case(
        name="lane-enter-hooks",
        arrange=_lane,
        command=["gr2", "lane", "enter", "feat", "--trust-hooks"],
        check=_lane_is_entered,
        ignore=_IGNORED,
        kinds=("tree", "child"),
    ),
]
