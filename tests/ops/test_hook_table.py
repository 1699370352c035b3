"""When a hook runs, and what its failure means: every row of (stage, when, first time, dirty, policy) a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gr2.errors import Gr2Error
from gr2.model.outcome import Issue, Result
from gr2.ops.apply import apply
from gr2.ops.lane_create import create_lane
from gr2.ops.lane_enter import lane_enter
from gr2.ops.lane_exit import lane_exit
from gr2.ops.lane_plan import LaneRequest
from gr2.testing import World
from tests.ops.hooks_stage import TRUSTED, events, hooked, markers, told


@dataclass(frozen=True)
class Expected:
    """What one run of the stage leads to."""

    events: tuple[str, ...]
    status: str
    issues: tuple[tuple[str, bool], ...] = ()
    marked: bool = False


NOTHING = Expected((), "success")
RAN = Expected(("hook.started x", "hook.completed x 0"), "success")
CLEAN = Expected(("hook.skipped x not_dirty",), "success")
FAILED = ("hook.started x", "hook.failed x 1")
# What the failure of a hook that runs leads to, by its policy; the status of "block" depends on the command.
FAILURES = {
    "block": Expected(FAILED, "failed", (("hook_failed", True),), marked=True),
    "warn": Expected(FAILED, "attention", (("hook_failed", False),)),
    "skip": Expected(FAILED, "success"),
}
# (stage, when, first time, dirty): does it run?
RUNS: dict[tuple[str, str, bool, bool], Expected | None] = {
    ("on_materialize", "first_materialize", True, False): None,
    ("on_materialize", "first_materialize", True, True): None,
    ("on_materialize", "first_materialize", False, False): NOTHING,
    ("on_materialize", "first_materialize", False, True): NOTHING,
    ("on_materialize", "always", True, False): None,
    ("on_materialize", "always", True, True): None,
    ("on_materialize", "always", False, False): None,
    ("on_materialize", "always", False, True): None,
    ("on_materialize", "manual", True, False): NOTHING,
    ("on_materialize", "manual", True, True): NOTHING,
    ("on_materialize", "manual", False, False): NOTHING,
    ("on_materialize", "manual", False, True): NOTHING,
    ("on_enter", "always", True, False): None,
    ("on_enter", "always", True, True): None,
    ("on_enter", "always", False, False): None,
    ("on_enter", "always", False, True): None,
    ("on_enter", "dirty", True, False): CLEAN,
    ("on_enter", "dirty", True, True): None,
    ("on_enter", "dirty", False, False): CLEAN,
    ("on_enter", "dirty", False, True): None,
    ("on_enter", "manual", True, False): NOTHING,
    ("on_enter", "manual", True, True): NOTHING,
    ("on_exit", "always", True, False): None,
    ("on_exit", "always", True, True): None,
    ("on_exit", "always", False, False): None,
    ("on_exit", "always", False, True): None,
    ("on_exit", "dirty", True, False): CLEAN,
    ("on_exit", "dirty", True, True): None,
    ("on_exit", "dirty", False, False): CLEAN,
    ("on_exit", "dirty", False, True): None,
    ("on_exit", "manual", True, False): NOTHING,
    ("on_exit", "manual", True, True): NOTHING,
}
ROWS = [
    (*row, policy, fails, (FAILURES[policy] if fails else RAN) if expected is None else expected)
    for row, expected in RUNS.items()
    for policy, fails in (("block", False), ("block", True), ("warn", True), ("skip", True))
    # What does not run cannot fail in another way: one policy is enough.
    if expected is None or (policy, fails) == ("block", True)
]


def _hooks(stage: str, when: str, policy: str) -> str:
    return (
        f'[[lifecycle.{stage}]]\nname = "x"\ncommand = "test ! -e {{workspace_root}}/fail"\n'
        f'when = "{when}"\non_failure = "{policy}"\n'
    )


@pytest.mark.parametrize(
    ("stage", "when", "first", "dirty", "policy", "fails", "expected"),
    ROWS,
    ids=[
        "-".join((stage, when, ("again", "first")[first], ("clean", "dirty")[dirty], policy, ("ok", "fails")[fails]))
        for stage, when, first, dirty, policy, fails, _ in ROWS
    ],
)
def test_the_row(
    world: World, *, stage: str, when: str, first: bool, dirty: bool, policy: str, fails: bool, expected: Expected
) -> None:
    act, place = _arrange(world, stage, when, policy, first=first, dirty=dirty)
    if dirty:
        world.write(f"{place}/README.md", "changed\n")
    if fails:
        world.write("fail", "")
    before = len(events(world))

    status, issues = _ended(act)

    assert tuple(told(world, after=before)) == expected.events
    assert tuple((issue.code, issue.blocking) for issue in issues) == expected.issues
    assert [marker["hook_name"] for marker in markers(world)] == (["x"] if expected.marked else [])
    makes = stage != "on_materialize" or (first and not dirty)
    partly = stage == "on_materialize" and first and expected.status == "failed"
    assert status == ("partial_failure" if partly else expected.status)
    parents = {"workspace.materialized", "lane.entered", "lane.exited"}
    told_of = any(event["type"] in parents for event in events(world, after=before))
    assert told_of == (makes and not expected.marked)


def _ended(act: Callable[[], Result]) -> tuple[str, tuple[Issue, ...]]:
    try:
        result = act()
    except Gr2Error as error:
        return error.status, (Issue.from_error(error),)
    return result.status, result.issues


def _arrange(world: World, stage: str, when: str, policy: str, *, first: bool, dirty: bool) -> tuple[Any, str]:
    def session() -> Any:
        return world.session(unit="alpha", env=TRUSTED)

    def whole() -> Any:
        return world.session(env=TRUSTED)

    if stage == "on_materialize":
        hooked(world, _hooks(stage, when, policy))
        place = "repos/app"
        if not first:
            assert apply(whole()).status == "success"
        elif dirty:
            # Dirty before the hook has ever completed: the checkout is there, as a clone of the person's.
            world.git("", "clone", "--quiet", world.remote("app"), place)
        return lambda: apply(whole()), place
    hooked(world, _hooks(stage, when, policy), units=("alpha",))
    create_lane(session(), LaneRequest(name="feat"))
    place = "agents/alpha/lanes/feat/repos/app"

    def enter() -> Result:
        return lane_enter(session(), "feat")

    def leave() -> Result:
        return lane_exit(session())

    if not first:
        enter(), leave()
    if stage == "on_enter":
        return enter, place
    enter()
    return leave, place


def test_the_table_is_whole() -> None:
    assert {row[:4] for row in ROWS} == set(RUNS)
    assert len(ROWS) == 86
