"""What `gr2 doctor` says of gh, without asking anybody."""

from __future__ import annotations

from typing import Any

import pytest

from gr2.testing import Ran
from tests.github.standin.desk import Desk


def rows(ran: Ran) -> dict[str, tuple[str, str]]:
    lines: list[dict[str, Any]] = ran.json["checks"]
    return {line["id"]: (line["result"], line["hint"]) for line in lines if line["id"].startswith("gh")}


def test_a_gh_that_is_signed_in_where_the_repos_are_is_fine(desk: Desk) -> None:
    desk.world.write_spec(repos={"app": {"url": "https://github.com/acme/app.git"}, "own": {}})

    assert rows(desk.world.call("doctor", "--json")) == {"gh": ("ok", ""), "gh.github.com": ("ok", "")}
    assert desk.hub.count() == 0


def test_a_workspace_without_github_needs_no_gh(desk: Desk) -> None:
    desk.world.write_spec()

    assert rows(desk.world.call("doctor", "--json", env={"GR2_GH": "/nowhere"})) == {"gh": ("skip", "")}


def test_what_is_missing_is_a_warning_that_says_what_to_type(desk: Desk) -> None:
    desk.world.write_spec(repos={"app": {"url": "git@github.com:acme/app.git"}})
    desk.sign_in("ghe.example.org")

    found = rows(desk.world.call("doctor", "--json", env={"GR2_GH": "/nowhere"}))

    assert {name: result for name, (result, _) in found.items()} == {"gh": "warn", "gh.github.com": "warn"}
    assert found["gh.github.com"][1] == "gh auth login --hostname github.com"
    assert "2.23" in found["gh"][1]


@pytest.mark.parametrize("variable", ["GH_TOKEN", "GITHUB_TOKEN"])
def test_a_token_in_the_environment_is_a_sign_in(desk: Desk, variable: str) -> None:
    desk.world.write_spec(repos={"app": {"url": "https://github.com/acme/app.git"}})
    desk.sign_in("ghe.example.org")

    ran = desk.world.call("doctor", "--json", env={variable: "gho_very_secret"})

    assert rows(ran)["gh.github.com"] == ("ok", "")
    assert "very_secret" not in ran.stdout + ran.stderr
