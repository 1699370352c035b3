"""The constraint by itself, and as gr2 meets it."""

from __future__ import annotations

import os

import pytest

from gr2.api import OperationContext, Spec
from gr2.testing import PluginContract, World, write_distribution

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SOURCE)


class TestPlugin(PluginContract):
    target = "gr2_constraint_example.plugin"


@pytest.mark.parametrize(("lane", "code"), [("SHOP-12-basket", None), ("basket", "ticket_missing")])
def test_a_new_lane_needs_a_ticket(lane: str, code: str | None) -> None:
    from gr2_constraint_example.plugin import gr2_check_operation
    from gr2_constraint_example.settings import Settings

    ctx = OperationContext(
        operation="lane.create",
        root="/w",
        spec=Spec(workspace_name="w"),
        actor="human:ann",
        lane=lane,
        settings=Settings(),
    )

    block = gr2_check_operation(ctx)

    assert (block.code if block else None) == code


@pytest.fixture
def installed(world: World) -> dict[str, str | None]:
    """The environment with this plugin installed, without an installer or a network."""
    folder = os.path.join(world.base, "installed")
    write_distribution(
        folder, "gr2-constraint-example", entry_points={"ticket": "gr2_constraint_example.plugin"}, modules={}
    )
    world.write_spec(repos=(), extra='[workspace_constraints]\nrequires = ["ticket"]\n')
    return {"PYTHONPATH": os.pathsep.join([folder, SOURCE])}


def test_gr2_finds_it_sound(world: World, installed: dict[str, str | None]) -> None:
    ran = world.gr2("plugins", "check", "ticket", "--json", env=installed)

    assert ran.json["status"] == "ok"
    assert [(row["name"], row["state"], row["api"]) for row in ran.json["plugins"]] == [("ticket", "ok", 1)]


def test_gr2_refuses_a_lane_without_a_ticket(world: World, installed: dict[str, str | None]) -> None:
    ran = world.gr2("lane", "create", "basket", "--unit", "alpha", "--json", env=installed)

    assert ran.exit_code == 3
    assert ran.codes == ["ticket_missing"]
    assert ran.json["issues"][0]["hint"] == "gr2 lane create SHOP-12-basket"


def test_what_the_spec_sets_holds(world: World, installed: dict[str, str | None]) -> None:
    world.write_spec(repos=(), extra='[plugins.ticket]\npattern = "bask"\n')

    ran = world.gr2("lane", "create", "other", "--unit", "alpha", "--json", env=installed)

    assert ran.codes == ["ticket_missing"]
    assert world.gr2("lane", "create", "basket", "--unit", "alpha", "--json", env=installed).codes != ["ticket_missing"]


def test_without_it_nothing_changes_in_a_workspace_that_requires_it(
    world: World, installed: dict[str, str | None]
) -> None:
    ran = world.gr2("lane", "create", "SHOP-1", "--unit", "alpha", "--json")

    assert ran.exit_code == 3
    assert ran.codes == ["constraint_unavailable"]
