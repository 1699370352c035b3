"""The constraint `identity`: an agent's unit is changed by that agent and by people, where the spec asks for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest
from gr2_hooks.identity import gr2_check_operation

from gr2.api import Block, OperationContext, Spec, Unit
from gr2.testing import Ran, World

ID = "agent_7f3a9c"
UNITS = {"alpha": {"agent_id": ID}, "beta": {"agent_id": "bob"}, "gamma": {}}
REQUIRED = '[workspace_constraints]\nrequires = ["identity"]\n'
Env = Mapping[str, str | None]


@pytest.fixture
def shop(world: World) -> World:
    """A workspace whose spec asks for it, with a unit of one agent, of another, and of nobody in particular."""
    world.write_spec(repos=("app",), units=UNITS, extra=REQUIRED)
    return world


def create(world: World, unit: str, actor: str, env: Env | None = None) -> Ran:
    return world.call("lane", "create", "feat", "--unit", unit, "--actor", actor, "--json", env=env)


@pytest.mark.parametrize("actor", ["human:ann", "system", f"agent:{ID}"])
def test_people_and_the_agent_itself_may_act(shop: World, actor: str) -> None:
    assert create(shop, "alpha", actor).exit_code == 0


def test_an_agent_is_known_by_its_id_whatever_its_name(shop: World) -> None:
    assert create(shop, "alpha", "agent:ada", {"GR2_AGENT_ID": ID}).exit_code == 0


def test_another_agent_is_blocked_and_nothing_happens(shop: World) -> None:
    ran = create(shop, "alpha", "agent:eve", {"GR2_AGENT_ID": "agent_000000"})

    assert (ran.exit_code, ran.json["status"], ran.codes) == (3, "blocked", ["identity_mismatch"])
    issue = ran.json["issues"][0]
    assert issue["message"] == f"agent:eve may not run lane.create for unit alpha, whose agent is {ID}"
    assert (issue["scope"], issue["subject"]) == ("plugin", "alpha")
    assert issue["details"]["plugin"] == "identity"
    assert shop.call("lane", "list", "--unit", "alpha", "--json").json["lanes"] == []


def test_the_hint_leads_an_agent_to_its_own_unit(shop: World) -> None:
    create(shop, "beta", "agent:bob")

    hint = create(shop, "alpha", "agent:bob").json["issues"][0]["hint"]

    found = shop.call(*hint.split()[1:], "--json", env={"GR2_ACTOR": "agent:bob"})
    assert [lane["lane_name"] for lane in found.json["lanes"]] == ["feat"]


def test_the_hint_tells_who_has_no_unit_how_to_say_who_it_is(shop: World) -> None:
    hint = create(shop, "alpha", "agent:ada").json["issues"][0]["hint"]

    assert f"export GR2_AGENT_ID={ID};" in hint
    assert create(shop, "alpha", "agent:ada", {"GR2_AGENT_ID": ID}).exit_code == 0


def test_what_is_about_no_unit_or_nobody_s_is_left_alone(shop: World) -> None:
    eve = {"GR2_ACTOR": "agent:eve"}

    assert shop.call("apply", env=eve).exit_code == 0
    assert shop.call("sync", "run", env=eve).exit_code == 0
    assert create(shop, "gamma", "agent:eve").exit_code == 0
    assert shop.call("lane", "list", "--unit", "alpha", env=eve).exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        "lane enter alpha/feat",
        "lane archive alpha/feat",
        "lane lease acquire alpha/feat",
        "exec run --lane alpha/feat -- true",
        "verify alpha/feat",
    ],
)
def test_every_change_to_the_unit_s_lanes_is_refused(shop: World, words: str) -> None:
    create(shop, "alpha", "human:ann")

    ran = shop.call("--json", *words.split())

    assert ran.codes == ["identity_mismatch"]


@pytest.mark.parametrize("requires", ["", '[workspace_constraints]\nrequires = ["gr2-hooks"]\n'])
def test_it_does_nothing_where_the_spec_does_not_name_it(world: World, requires: str) -> None:
    world.write_spec(repos=("app",), units=UNITS, extra=requires)

    assert create(world, "alpha", "agent:eve").exit_code == 0


def test_where_it_is_not_named_it_is_not_even_imported(world: World) -> None:
    world.write_spec(repos=("app",), units=UNITS)
    script = "import sys; from gr2.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script, "lane", "create", "feat", "--unit", "alpha"],
        cwd=world.root,
        env=world.env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert not {"gr2_hooks.identity", "pluggy"} & set(done.stdout.split())


def test_a_workspace_that_asks_for_it_cannot_be_changed_without_it(shop: World) -> None:
    ran = create(shop, "gamma", "human:ann", {"GR2_DISABLE_PLUGINS": "identity"})

    assert (ran.exit_code, ran.codes) == (3, ["constraint_unavailable"])


@pytest.mark.parametrize(
    ("actor", "claimed", "agent_id", "refused"),
    [
        ("agent:a b", "", None, False),
        ("agent:x", "", "agent:x", False),
        ("agent:x", "", "x", False),
        ("agent:x", "y", "x", False),
        ("agent:x", "y", "y", False),
        ("agent:x", "", "X", True),
        ("agent:xy", "", "x", True),
        ("agent:x", "", "agent:", True),
    ],
)
def test_ids_are_compared_and_never_read(actor: str, claimed: str, agent_id: str | None, refused: bool) -> None:
    unit = Unit(name="u", path="units/u", agent_id=agent_id)
    ctx = OperationContext(
        operation="lane.enter",
        root="/w",
        spec=Spec(workspace_name="w", units=(unit,)),
        actor=actor,
        claimed_agent_id=claimed,
        unit="u",
    )

    found: Block | None = gr2_check_operation(ctx)

    assert (found is not None) is refused
