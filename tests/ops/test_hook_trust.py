"""Approval: by a person, of content, for a URL, outside the workspace."""

from __future__ import annotations

import os

import pytest

from gr2.store.trust import Approvals, is_trusted_url
from gr2.testing import World
from tests.ops.hooks_stage import PERSON, TRUSTED, events, hooked, told

HOOKS = '[[lifecycle.on_materialize]]\nname = "x"\ncommand = "sh run.sh"\n'


@pytest.fixture
def shop(world: World) -> World:
    hooked(world, HOOKS, units=("alpha",))
    world.call("apply")
    return world


def _trust(world: World, *more: str) -> int:
    return world.call("hooks", "trust", "app", "--actor", PERSON, *more).exit_code


def test_what_nobody_approved_is_skipped_told_once_a_repo_and_stays_planned(world: World) -> None:
    hooked(world, HOOKS, units=("alpha",))

    ran = world.call("apply", "--json")

    assert told(world) == ["hook.skipped x untrusted"] * 2
    assert [(issue["code"], issue["blocking"], issue["hint"]) for issue in ran.json["issues"]] == [
        ("untrusted_hooks", False, "gr2 hooks trust app")
    ]
    assert ran.json["status"] == "attention"
    assert {operation["kind"] for operation in ran.json["unaffected"]} == {"hooks.run"}
    assert [operation["kind"] for operation in world.call("plan", "--json").json["operations"]] == ["hooks.run"] * 2


def test_an_approved_file_acts_and_the_command_shows_what_was_approved(shop: World) -> None:
    ran = shop.call("hooks", "trust", "app", "--actor", PERSON)

    assert 'command = "sh run.sh"' in ran.stdout
    assert "run.sh\n" in ran.stdout
    assert "not the scripts" in ran.stdout
    assert shop.call("apply").exit_code == 0
    assert told(shop)[-2:] == ["hook.started x", "hook.completed x 0"]
    assert shop.call("plan", "--json").json["operations"] == []


def test_one_changed_byte_needs_a_new_approval(shop: World) -> None:
    _trust(shop)
    shop.commit("repos/app", {".gr2/hooks.toml": HOOKS + " "})

    assert [row["trusted"] for row in shop.call("hooks", "list", "--json").json["hooks"]] == [False]
    assert shop.call("apply", "--json").codes == ["untrusted_hooks"]
    assert _trust(shop) == 0
    # A set: the content of before stays approved.
    shop.commit("repos/app", {".gr2/hooks.toml": HOOKS})
    assert [row["trusted"] for row in shop.call("hooks", "list", "--json").json["hooks"]] == [True]


def test_untrust_takes_back_every_approval(shop: World) -> None:
    _trust(shop)

    ran = shop.call("hooks", "untrust", "app", "--json")

    assert ran.json["removed"] == 1
    assert shop.call("hooks", "show", "app", "--json").json["trusted"] is False
    assert shop.call("hooks", "untrust", "app", "--json").json["status"] == "success"


def test_an_agent_cannot_approve(shop: World) -> None:
    ran = shop.call("hooks", "trust", "app", "--json", "--actor", "agent:zed")

    assert (ran.exit_code, ran.codes) == (3, ["approval_needs_person"])
    assert shop.call("hooks", "show", "app", "--json").json["trusted"] is False


def test_approval_is_repeated_without_a_change_and_is_an_operation(shop: World) -> None:
    first = shop.call("hooks", "trust", "app", "--json", "--actor", PERSON).json
    second = shop.call("hooks", "trust", "app", "--json", "--actor", PERSON).json

    assert (first["status"], first["new"], second["status"], second["new"]) == ("success", True, "success", False)
    assert first["operation_id"].startswith("op_")


def test_approvals_are_in_the_user_s_state_directory_and_private(shop: World) -> None:
    _trust(shop)

    path = os.path.join(shop.home, ".state/gr2/trusted_hooks.json")
    assert os.stat(path).st_mode & 0o777 == 0o600
    for folder, _, files in os.walk(shop.path(".grip")):
        assert "trusted_hooks.json" not in files, folder


def test_a_state_directory_inside_the_workspace_approves_nothing(shop: World) -> None:
    inside = {"XDG_STATE_HOME": shop.path("repos/app/state")}

    ran = shop.call("hooks", "trust", "app", "--json", "--actor", PERSON, env=inside)

    assert ran.codes == ["trust_in_workspace"]
    shop.write("repos/app/state/gr2/trusted_hooks.json", '{"version": 1, "urls": {}}')
    assert Approvals(shop.environ(inside), shop.root).hashes("x") == frozenset()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1, "urls": []}', '{"version": 1, "urls": {"x": "y"}}', ""])
def test_approvals_that_cannot_be_read_approve_nothing(shop: World, text: str) -> None:
    shop.write(f"{shop.home}/.state/gr2/trusted_hooks.json", text)

    assert shop.call("apply", "--json").codes == ["untrusted_hooks"]


def test_one_run_is_approved_by_option_or_environment_and_the_next_is_not(shop: World) -> None:
    assert shop.call("apply", "--trust-hooks", "--json").codes == []
    shop.commit("repos/app", {".gr2/hooks.toml": HOOKS.replace('"x"', '"y"')})
    assert shop.call("apply", "--json", env={"GR2_TRUST_HOOKS": "yes"}).codes == ["untrusted_hooks"]
    assert shop.call("apply", "--json", env=TRUSTED).codes == []
    assert not os.path.exists(f"{shop.home}/.state/gr2/trusted_hooks.json")


def test_a_lane_s_file_is_approved_on_its_own(shop: World) -> None:
    _trust(shop)
    shop.call("apply")
    shop.call("lane", "create", "feat")
    shop.commit("agents/alpha/lanes/feat/repos/app", {".gr2/hooks.toml": HOOKS.replace("x", "y")})

    ran = shop.call("apply", "--json")

    assert [issue["hint"] for issue in ran.json["issues"]] == ["gr2 hooks trust app --lane alpha/feat"]
    assert _trust(shop, "--lane", "alpha/feat") == 0
    assert shop.call("apply", "--json").codes == []


def test_a_review_never_runs_hooks_whoever_approves(shop: World) -> None:
    enter = '[[lifecycle.on_enter]]\nname = "e"\ncommand = "touch made"\n'
    shop.commit("app", {".gr2/hooks.toml": HOOKS + enter})
    shop.call("sync", "run")
    shop.call("lane", "create", "look", "--type", "review", "--trust-hooks")
    shop.call("apply", "--trust-hooks", env=TRUSTED)
    after = len(events(shop))

    ran = shop.call("lane", "enter", "look", "--trust-hooks", env=TRUSTED)
    by_hand = shop.call("hooks", "run", "app", "e", "--lane", "alpha/look", "--trust-hooks", "--json")

    assert ran.exit_code == 0, ran.stderr
    assert told(shop, after=after) == ["hook.skipped e review_lane"] * 2
    assert by_hand.codes == ["review_lane"]
    assert not os.path.exists(shop.path("agents/alpha/lanes/look/repos/app/made"))


def test_a_broken_file_cannot_be_approved(shop: World) -> None:
    shop.commit("repos/app", {".gr2/hooks.toml": "version = "})

    ran = shop.call("hooks", "trust", "app", "--json", "--actor", PERSON)

    assert (ran.exit_code, ran.codes) == (2, ["invalid_hooks"])


def test_before_there_is_a_checkout_the_mirror_s_file_is_shown(world: World) -> None:
    hooked(world, HOOKS)
    world.call("apply")
    import shutil

    shutil.rmtree(world.path("repos/app"))

    ran = world.call("hooks", "show", "app", "--json")

    assert (ran.json["path"], ran.json["text"]) == ("", HOOKS)
    assert [operation["kind"] for operation in world.call("plan", "--json").json["operations"]] == [
        "checkout.clone",
        "hooks.run",
    ]


@pytest.mark.parametrize(
    ("pattern", "url", "trusted"),
    [
        ("https://example.org/shop/app.git", "https://example.org/shop/app", True),
        ("https://EXAMPLE.org/shop/app", "https://example.org/shop/app", True),
        ("https://example.org/shop/*", "https://example.org/shop/app", True),
        ("https://example.org/*", "https://example.org/shop/app", True),
        ("https://example.org/shop/*", "https://example.org/shopping/app", False),
        ("https://example.org/shop", "https://example.org/shop/app", False),
        ("https://example.org/sh*", "https://example.org/shop/app", False),
        ("https://example.org/shop/*", "https://example.org.evil.org/shop/app", False),
        ("https://example.org/shop/*", "https://example.org/shop/../evil/app", False),
        ("https://example.org/shop/*", "https://example.org/shop/%2e%2e/evil/app", False),
        ("https://example.org/shop/*", "http://example.org/shop/app", False),
        ("/*", "https://example.org/shop/app", False),
        ("*", "https://example.org/shop/app", False),
        ("", "https://example.org/shop/app", False),
    ],
)
def test_urls_are_approved_exactly_or_below_a_slash(pattern: str, url: str, trusted: bool) -> None:
    assert is_trusted_url(url, (pattern,), base="/w") is trusted


def test_the_user_s_configuration_approves_urls(shop: World) -> None:
    shop.write(f"{shop.home}/.config/gr2/config.toml", f'[hooks]\ntrusted_urls = ["{shop.base}/remotes/*"]\n')

    assert shop.call("apply", "--json").codes == []
    assert told(shop)[-1] == "hook.completed x 0"


def test_hooks_run_runs_one_hook_whatever_its_when_and_records_it(shop: World) -> None:
    text = '[[lifecycle.on_enter]]\nname = "say"\ncommand = "echo {lane_name}"\nwhen = "manual"\n'
    shop.commit("repos/app", {".gr2/hooks.toml": HOOKS + text + text.replace("on_enter", "on_exit")})
    shop.call("apply", "--trust-hooks")
    shop.call("lane", "create", "feat", "--trust-hooks")
    run = ("hooks", "run", "app")

    shared = shop.call(*run, "x", "--trust-hooks", "--json")
    untrusted = shop.call(*run, "x", "--json")
    no_value = shop.call(*run, "say", "--stage", "on_exit", "--trust-hooks", "--json")
    ambiguous = shop.call(*run, "say", "--trust-hooks", "--json")
    unknown = shop.call(*run, "sya", "--trust-hooks", "--json")

    assert (shared.json["status"], shared.json["results"][0]["exit_code"]) == ("success", 0)
    assert (untrusted.exit_code, untrusted.codes) == (3, ["untrusted_hooks"])
    assert no_value.codes == ["no_value"]
    assert ambiguous.codes == ["ambiguous_hook"]
    assert (unknown.exit_code, unknown.codes) == (2, ["unknown_hook"])
    assert unknown.json["issues"][0]["details"]["suggestion"] == "say"


def test_a_skipped_failure_counts_the_hook_as_completed_once(world: World) -> None:
    hooked(world, HOOKS.replace("sh run.sh", "false"))
    failed = world.call("apply", "--trust-hooks", "--json")

    world.call("failures", "resolve", failed.json["operation_id"], "--resolution", "skip")
    again = world.call("apply", "--trust-hooks", "--json")

    assert (failed.codes, again.json["status"]) == (["hook_failed"], "success")
    assert [event["type"] for event in events(world)][-2:] == ["failure.resolved", "workspace.materialized"]


def test_the_published_schema_is_the_one_that_is_used(world: World) -> None:
    import json

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "docs/schemas/hooks.json"), encoding="utf-8") as file:
        published = json.load(file)

    assert world.call("hooks", "schema", "--json").json["json_schema"] == published


def test_a_log_that_takes_no_event_stops_neither_the_checkouts_nor_the_answer(world: World) -> None:
    hooked(world, HOOKS)
    world.call("apply")
    world.commit("repos/app", {"more.txt": "more\n"})
    log = world.path(".grip/events/outbox.jsonl")
    os.rename(log, f"{log}.kept")
    os.mkfifo(log)

    ran = world.call("apply", "--json")
    trusted = world.call("apply", "--json", "--trust-hooks")

    assert ran.codes == ["untrusted_hooks"]
    assert "outbox_unwritable" in trusted.codes
    assert not os.path.exists(world.path("repos/app/made"))
