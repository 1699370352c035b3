"""What the spec and the repositories allow of a new lane."""

from __future__ import annotations

import pytest

from gr2.ops.constraints import name_pattern
from gr2.testing import Ran, World


def spec(world: World, *, unit: str = "", workspace: str = "") -> None:
    """A workspace with the unit alpha and these constraints."""
    text = f"[units.constraints]\n{unit}\n" if unit else ""
    text += f"[workspace_constraints]\n{workspace}\n" if workspace else ""
    world.write_spec(repos=["app"], units=["alpha"], extra=text)


def create(world: World, name: str, *args: str) -> Ran:
    return world.call("lane", "create", name, *args, "--json")


def test_a_unit_has_as_many_lanes_as_it_may(world: World) -> None:
    spec(world, unit="lane_limit = 1")
    create(world, "one")

    refused = create(world, "two")

    assert (refused.exit_code, refused.codes) == (3, ["lane_limit_reached"])
    assert refused.json["issues"][0]["details"]["lanes"] == ["one"]
    assert refused.json["issues"][0]["hint"] == "gr2 lane archive alpha/one"
    assert create(world, "one").exit_code == 0, "the lane that is there may be asked for again"


def test_frozen_lanes_count_and_archived_ones_do_not(world: World) -> None:
    spec(world, unit="lane_limit = 1")
    create(world, "one")
    world.call("lane", "freeze", "one", "--reason", "r")
    assert create(world, "two").codes == ["lane_limit_reached"]

    world.call("lane", "archive", "one")

    assert create(world, "two").exit_code == 0


def test_a_unit_has_lanes_of_the_kinds_it_may(world: World) -> None:
    spec(world, unit='allowed_lane_kinds = ["feature", "review"]')

    refused = create(world, "one", "--type", "featur")

    assert (refused.exit_code, refused.codes) == (3, ["lane_kind_not_allowed"])
    assert refused.json["issues"][0]["hint"] == "--type feature"
    assert create(world, "one", "--type", "review").exit_code == 0


def test_a_repo_says_in_its_base_commit_which_kinds_it_takes(world: World) -> None:
    spec(world)
    policy = 'version = 1\n[repo]\nname = "app"\n[policy]\nallow_lane_kinds = ["hotfix"]\n'
    world.commit("app", {".gr2/hooks.toml": policy}, branch="strict")

    assert create(world, "one").exit_code == 0
    refused = create(world, "two", "--base", "strict")
    assert refused.codes == ["lane_kind_not_allowed"]
    assert refused.json["issues"][0]["details"]["repo"] == "app"
    assert create(world, "two", "--base", "strict", "--type", "hotfix").exit_code == 0


@pytest.mark.parametrize("content", ["[policy\n", "policy = 3\n", "[policy]\nallow_lane_kinds = 3\n", "#" * 70_000])
def test_a_hooks_file_that_is_broken_allows_every_kind(world: World, content: str) -> None:
    spec(world)
    world.commit("app", {".gr2/hooks.toml": content})

    ran = create(world, "one")

    assert (ran.json["created"], set(ran.codes)) == (True, {"invalid_hooks"})


def test_names_of_lanes_follow_the_convention(world: World) -> None:
    spec(world, workspace='lane_naming_convention = "<kind>-<scope>"')

    refused = create(world, "login")

    assert refused.codes == ["lane_name_not_allowed"]
    assert refused.json["issues"][0]["hint"] == "for example feature-scope"
    assert create(world, "feature-login").exit_code == 0
    assert create(world, "fix-login").codes == ["lane_name_not_allowed"]
    assert create(world, "fix-login", "--type", "fix").exit_code == 0


def test_every_reason_is_named_at_once_and_nothing_is_made(world: World) -> None:
    spec(
        world,
        unit='lane_limit = 0\nallowed_lane_kinds = ["review"]',
        workspace='lane_naming_convention = "<kind>-<scope>"',
    )

    refused = create(world, "login")

    assert {"lane_kind_not_allowed", "lane_name_not_allowed"} <= set(refused.codes)
    assert world.call("lane", "list", "--json").json["lanes"] == []


@pytest.mark.parametrize(
    ("convention", "name", "fits"),
    [
        ("<kind>-<scope>", "feature-a/b.c_d-e", True),
        ("<kind>-<scope>", "feature-", False),
        ("<kind>-<scope>", "featureXa", False),
        ("a.b/<scope>", "a.b/x", True),
        ("a.b/<scope>", "aXb/x", False),
        ("<kind>", "feature", True),
        ("<scope>(1)", "x(1)", True),
        ("<scope>", "ü", False),
        ("no <9> word", "no <9> word", True),
    ],
)
def test_everything_but_placeholders_is_literal(convention: str, name: str, fits: bool) -> None:
    assert (name_pattern(convention, "feature").fullmatch(name) is not None) is fits
