"""`gr2 spec show|validate|schema|freeze|diff`."""

from __future__ import annotations

import json
import os

import pytest

from gr2.testing import World


def applied(world: World) -> None:
    world.write_spec(repos=("app", "api"), units=())
    assert world.call("apply").exit_code == 0


def test_show_prints_a_spec_that_reads_back_the_same(world: World) -> None:
    world.write_spec(
        extra="[workspace_constraints]\nlane_naming_convention = 'a\\b'\n[plugins.'odd name']\nx = [1, {y = 2}]\n"
    )
    before = world.call("spec", "show", "--json").json["spec"]
    world.write(".grip/workspace_spec.toml", world.call("spec", "show").stdout)
    assert world.call("spec", "show", "--json").json["spec"] == before


def test_show_hides_what_is_secret_in_the_settings_of_plugins(world: World) -> None:
    world.write_spec(extra='[plugins.x]\napi_token = "sekrit"\nurl = "https://u:sekrit@example.org"\nplain = "seen"\n')
    for ran in (world.call("spec", "show"), world.call("spec", "show", "--json")):
        assert ran.exit_code == 0
        assert "sekrit" not in ran.stdout + ran.stderr
        assert "seen" in ran.stdout and "***" in ran.stdout


@pytest.mark.parametrize(
    "args", [("show",), ("show", "--json"), ("validate",), ("validate", "--json"), ("diff", "--json")]
)
def test_a_spec_with_a_secret_in_a_url_is_invalid_and_never_shows_it(args: tuple[str, ...], world: World) -> None:
    world.write_spec(repos={"app": {"url": "https://u:sekrit@example.org/app"}}, units=())
    ran = world.call("spec", *args)
    assert ran.exit_code == 2
    assert "credentials_in_url" in ran.stdout + ran.stderr
    assert "sekrit" not in ran.stdout + ran.stderr


def test_show_shows_a_spec_with_a_secret_without_it(world: World) -> None:
    world.write_spec(repos={"app": {"url": "https://u:sekrit@example.org/app"}}, units=())
    ran = world.call("spec", "show", "--json")
    assert ran.json["spec"]["repos"][0]["url"] == "https://***@example.org/app"


def test_a_newer_spec_is_shown_with_a_warning_and_nothing_mutating_runs(world: World) -> None:
    world.write_spec(repos=("app",))
    path = ".grip/workspace_spec.toml"
    world.write(path, "version = 9\nfuture = 1\n" + world.read(path))
    shown = world.call("spec", "show", "--json")
    assert (shown.exit_code, shown.json["status"], shown.codes) == (0, "attention", ["newer_version"])
    assert shown.json["spec"]["version"] == 9
    refused = world.call("apply", "--json")
    assert (refused.exit_code, refused.codes) == (2, ["newer_version"])
    assert not os.path.exists(world.path("repos"))


def test_validate_tells_all_faults_with_their_lines(world: World) -> None:
    world.write(
        ".grip/workspace_spec.toml",
        'workspace_name = "shop"\n[[repos]]\nname = "app"\npath = "../app"\nurl = "ext::x"\n[[units]]\nname = "a"\n',
    )
    ran = world.call("spec", "validate", "--json")
    assert (ran.exit_code, ran.json["schema"], ran.json["status"]) == (2, "gr2.spec.validate/1", "invalid")
    assert [(issue["subject"], issue["details"]["line"]) for issue in ran.json["issues"]] == [
        ("repos[0].path", 4),
        ("repos[0].url", 5),
        ("units[0].path", 6),
    ]
    assert not os.path.exists(world.path(".grip/state"))


def test_validate_says_in_text_what_is_wrong_and_where(world: World) -> None:
    world.write_spec(repos={"app": {"path": "a\x1b[31m"}}, units=())
    ran = world.call("spec", "validate")
    assert "error[invalid_spec]: repos[0].path" in ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr


def test_validate_is_content_with_a_sound_spec(world: World) -> None:
    world.write_spec()
    ran = world.call("spec", "validate")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "sound" in ran.stdout


def test_settings_of_a_plugin_that_is_not_installed_are_a_warning(world: World) -> None:
    world.write_spec(extra="[plugins.chanel]\nx = 1\n")
    ran = world.call("spec", "validate", "--json")
    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["unknown_plugin"])
    assert ran.json["issues"][0]["blocking"] is False


@pytest.mark.parametrize("command", [("spec", "show"), ("spec", "validate"), ("plan",), ("status",), ("apply",)])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 1000, b"\x00", b"x" * (1 << 20) + b"y"])
def test_a_broken_spec_is_invalid_for_every_command(command: tuple[str, ...], content: bytes, world: World) -> None:
    world.write(".grip/workspace_spec.toml", content)
    ran = world.call(*command, "--json")
    assert (ran.exit_code, ran.json["status"], ran.codes) == (2, "invalid", ["invalid_spec"])
    assert os.listdir(world.path(".grip")) == ["workspace_spec.toml"]


def test_without_a_workspace_the_hint_names_init(world: World) -> None:
    ran = world.call("spec", "show", "--json")
    assert (ran.exit_code, ran.codes) == (2, ["missing_spec"])
    assert "gr2 workspace init" in ran.json["issues"][0]["hint"]
    assert os.listdir(world.root) == []


def test_the_schema_needs_no_workspace_and_knows_every_key(world: World) -> None:
    ran = world.call("spec", "schema", "--json")
    assert ran.exit_code == 0
    schema = ran.json["json_schema"]
    assert {"workspace_name", "repos", "units", "workspace_constraints", "plugins"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert json.loads(world.call("spec", "schema").stdout) == schema


def test_freeze_pins_what_is_checked_out_and_keeps_comments(world: World) -> None:
    applied(world)
    path = ".grip/workspace_spec.toml"
    world.write(path, "# why we are here\n" + world.read(path))
    ran = world.call("spec", "freeze")
    heads = {name: world.git(f"repos/{name}", "rev-parse", "HEAD") for name in ("app", "api")}
    assert ran.exit_code == 0
    assert ran.stdout.startswith("# why we are here\n")
    world.write(path, ran.stdout)
    shown = world.call("spec", "show", "--json").json["spec"]["repos"]
    assert {repo["name"]: repo["revision"] for repo in shown} == heads


def test_freeze_writes_a_file_once_and_never_over_another(world: World) -> None:
    applied(world)
    assert world.call("spec", "freeze", "--output", "pinned.toml").exit_code == 0
    assert world.call("spec", "freeze", "--output", "pinned.toml").exit_code == 0
    world.write("pinned.toml", "mine")
    ran = world.call("spec", "freeze", "--output", "pinned.toml", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["path_conflict"])
    assert world.read("pinned.toml") == "mine"


def test_freeze_warns_of_what_others_cannot_get(world: World) -> None:
    applied(world)
    world.commit("repos/app", {"new.txt": "x"})
    world.write_spec(repos=("app", "api", "web"), units=())
    ran = world.call("spec", "freeze", "--json")
    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert [(issue["code"], issue["subject"]) for issue in ran.json["issues"]] == [
        ("unpushed", "app"),
        ("not_frozen", "web"),
    ]


def test_checkouts_as_the_spec_says_have_no_differences(world: World) -> None:
    applied(world)
    assert world.call("spec", "diff", "--json").json["differences"] == []


def test_diff_tells_what_is_otherwise(world: World) -> None:
    applied(world)
    world.git("repos/app", "checkout", "--quiet", "-b", "work")
    world.git("repos/api", "remote", "set-url", "origin", world.remote("app"))
    repos = {
        "app": {"default_branch": "main"},
        "api": {"revision": "v1"},
        "web": {},
    }
    world.write_spec(repos=repos, units=())
    found = world.call("spec", "diff", "--json").json["differences"]
    assert [(item["repo"], item["what"], item["spec"]) for item in found] == [
        ("app", "branch", "main"),
        ("api", "url", world.remote("api")),
        ("api", "revision", "v1"),
        ("web", "checkout", "repos/web"),
    ]
    assert "work" in world.call("spec", "diff").stdout
