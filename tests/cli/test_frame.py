"""What every command shares: global options anywhere, one document, the contract's exit codes, harmless text."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from gr2.testing import World


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app"], units=["alpha"])
    return world


WITH_A_WORKSPACE = (
    "status",
    "plan",
    "apply",
    "workspace materialize",
    "repo status",
    "repo hooks",
    "sync status",
    "spec show",
    "events list",
    "events gc",
    "saved list",
    "failures list",
    "doctor",
    "gc",
    "lane list",
    "lane path alpha/fix",
    "exec status --shared",
    "pr list",
)


@pytest.mark.parametrize("command", WITH_A_WORKSPACE)
def test_a_unit_that_does_not_exist_is_invalid_for_every_command(shop: World, command: str) -> None:
    for words in (["--unit", "alhpa", *command.split()], [*command.split(), "--unit", "alhpa"]):
        ran = shop.call(*words, "--json")
        assert (ran.exit_code, ran.json["status"], ran.codes) == (2, "invalid", ["unknown_unit"])
        assert ran.json["issues"][0]["details"] == {"suggestion": "alpha"}


def test_a_unit_from_the_environment_is_for_those_that_need_one(shop: World) -> None:
    assert shop.call("status", env={"GR2_UNIT": "nope"}).exit_code == 0


def test_the_quick_answers_refuse_an_unknown_unit_too(shop: World) -> None:
    shop.call("apply")
    shop.call("lane", "create", "fix")
    assert shop.gr2("lane", "path", "alpha/fix").exit_code == 0
    assert shop.gr2("lane", "path", "alpha/fix", "--unit", "nope").exit_code == 2


def test_the_doctor_comes_with_a_unit_and_a_broken_spec(shop: World) -> None:
    shop.write(".grip/workspace_spec.toml", "nonsense")
    ran = shop.call("doctor", "--unit", "nope", "--json")
    assert (ran.exit_code, ran.json["status"]) == (1, "failed")


@pytest.mark.parametrize(
    "args", [["--json", "repo", "status"], ["repo", "--json", "status"], ["repo", "status", "--json"]]
)
def test_global_options_stand_before_or_after_the_subcommand(shop: World, args: list[str]) -> None:
    ran = shop.call(*args)
    assert (ran.exit_code, ran.json["schema"]) == (0, "gr2.repo.status/1")


def test_after_two_dashes_a_global_option_is_data(shop: World) -> None:
    ran = shop.call("exec", "run", "--shared", "--", "echo", "--json")
    assert not ran.stdout.startswith("{")


def test_a_global_option_as_another_options_value_is_data(shop: World) -> None:
    ran = shop.call("plan", "--repo", "--json")
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert "--json" in ran.stderr


@pytest.mark.parametrize(
    ("args", "schema"),
    [
        (["--json"], "gr2/1"),
        (["--json", "nope"], "gr2/1"),
        (["lane", "--json"], "gr2.lane/1"),
        (["lane", "nope", "--json"], "gr2.lane/1"),
        (["lane", "create", "--nope", "--json"], "gr2.lane.create/1"),
        (["lane", "create", "--json"], "gr2.lane.create/1"),
        (["apply", "--jobs", "many", "--json"], "gr2.apply/1"),
        (["exec", "run", "--json"], "gr2.exec.run/1"),
    ],
)
def test_usage_errors_are_documents_too(world: World, args: list[str], schema: str) -> None:
    ran = world.call(*args)
    assert ran.exit_code == 2
    assert (ran.json["schema"], ran.json["status"]) == (schema, "invalid")
    assert ran.codes == ["usage"]


def test_a_usage_error_in_text_says_what_and_where_help_is(world: World) -> None:
    ran = world.call("lane", "create")
    assert ran.stdout == ""
    assert ran.stderr.startswith("error[usage]: ")
    assert "gr2 lane create --help" in ran.stderr


def test_a_missing_option_with_choices_is_one_sentence(world: World) -> None:
    (issue,) = world.call("failures", "resolve", "op_0", "--json").json["issues"]
    assert issue["message"] == "missing option '--resolution', one of retry, skip, escalate"


def test_a_usage_error_is_one_line_whatever_was_typed(world: World) -> None:
    (issue,) = world.call("lane", "list", "a\n\tb", "--json").json["issues"]
    assert issue["message"] == "got unexpected extra argument (a b)"


@pytest.mark.parametrize("variable", ["GR2_PLATFORM_TIMEOUT", "GR2_OUTBOX_MAX_BYTES", "GR2_GIT_STALL_SECONDS"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", ""])
def test_a_variable_that_is_no_number_is_named(shop: World, variable: str, value: str) -> None:
    ran = shop.call("status", "--json", env={variable: value})
    (issue,) = ran.json["issues"]
    assert (ran.exit_code, issue["code"], issue["subject"]) == (2, "invalid_config", variable)
    assert issue["message"] == f"{variable} must be a positive number"
    assert issue["hint"] == f"unset {variable}"


def test_a_setting_that_is_no_number_is_named_with_its_file(shop: World) -> None:
    config = shop.write(os.path.join(shop.env["XDG_CONFIG_HOME"], "gr2/config.toml"), "[events]\nmax_bytes = true\n")
    (issue,) = shop.call("status", "--json").json["issues"]
    assert (issue["subject"], issue["hint"]) == ("events.max_bytes", f"edit {config}")
    assert shop.call("status", "--json", env={"GR2_OUTBOX_MAX_BYTES": "1000"}).exit_code == 0


def test_without_a_workspace_nothing_is_written_and_the_hint_names_init(world: World) -> None:
    ran = world.call("status", "--json")
    assert (ran.exit_code, ran.codes) == (2, ["missing_spec"])
    assert "gr2 workspace init" in ran.json["issues"][0]["hint"]
    assert os.listdir(world.root) == []
    assert "\n  help: gr2 workspace init --name NAME\n" in world.call("status").stderr
    assert "\n  help: gr2 workspace init 'the shop' --name NAME\n" in world.call("-C", "the shop", "status").stderr


def test_a_document_is_one_ascii_line(shop: World) -> None:
    shop.write_spec(repos=["app"], units=["alpha"], workspace_name="schön\u202e")
    ran = shop.call("status", "--json")
    assert ran.stdout.isascii()
    assert ran.stdout.count("\n") == 1


def test_text_escapes_what_could_fool_a_terminal(shop: World) -> None:
    shop.write_spec(repos=["app"], units=["alpha"], workspace_name="a\u202eb")
    ran = shop.call("status")
    assert "\u202e" not in ran.stdout
    assert "a\\u202eb" in ran.stdout


def test_issues_in_text_stand_on_stderr_with_code_and_hint(shop: World) -> None:
    ran = shop.call("plan", "--repo", "ap")
    assert ran.stderr.splitlines() == [
        "error[unknown_repo]: there is no repo 'ap'; did you mean 'app'?",
        "  help: gr2 spec show",
    ]


@pytest.mark.parametrize("actor", ["me", "agent:", "agent:-x", "human:a b", "system:x", "agent:" + "x" * 65])
def test_an_actor_has_a_kind_and_a_name(shop: World, actor: str) -> None:
    ran = shop.call("status", "--actor", actor, "--json")
    assert (ran.exit_code, ran.codes) == (2, ["invalid_actor"])


def test_minus_v_shows_the_git_commands_on_stderr(shop: World) -> None:
    ran = shop.call("apply", "-v")
    assert "+ git clone --bare" in ran.stderr
    assert "+ git" not in ran.stdout


def test_minus_c_and_the_environment_name_a_workspace(shop: World) -> None:
    assert shop.call("-C", shop.root, "plan", "--json", cwd="/").exit_code == 0
    assert shop.call("plan", "--json", cwd="/", env={"GR2_WORKSPACE": shop.root}).exit_code == 0
    assert shop.call("plan", "--json", cwd="/").codes == ["missing_spec"]


def test_a_deep_directory_finds_its_workspace(shop: World) -> None:
    shop.call("apply")
    assert shop.call("plan", "--json", cwd="repos/app/src").exit_code == 0


def test_a_closed_pipe_is_no_error(shop: World) -> None:
    shop.call("apply")
    command = f"{sys.executable} -m gr2 repo status | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=shop.root, env=shop.env, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_bug_leaves_one_line_and_a_log(shop: World) -> None:
    code = (
        "import gr2.ops.status as s, sys\n"
        "def broken(session, **_): raise ZeroDivisionError('https://user:hunter2@example.org/x')\n"
        "s.status = broken\n"
        "from gr2.cli.main import main\n"
        "sys.exit(main(['status', '--json']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=shop.root, env=shop.env, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert (done.returncode, found["status"]) == (70, "internal_error")
    log = found["issues"][0]["details"]["log"]
    with open(log, encoding="utf-8") as file:
        text = file.read()
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text
    assert os.stat(log).st_mode & 0o077 == 0


def test_version_and_help_need_no_workspace_and_import_little(world: World) -> None:
    code = (
        "import sys\n"
        "from gr2.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    assert not error.code, error.code\n"
        "heavy = {'pydantic', 'rich', 'importlib.metadata', 'tomlkit', 'gr2_github', 'gr2_hooks'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for word in ("--version", "--help"):
        done = subprocess.run(
            [sys.executable, "-c", code, word], cwd=world.root, env=world.env, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "gr2" in done.stdout


def test_every_command_has_help_with_a_first_sentence(world: World) -> None:
    import click

    from gr2.cli.command import Invocation
    from gr2.cli.main import gr2
    from gr2.edges.process import Runner

    run = Invocation(environ=world.env, cwd=world.root, runner=Runner())

    def walk(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
        found = [(path, command)]
        if isinstance(command, click.Group):
            context = click.Context(command, obj=run)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None, (path, name)
                found += walk(below, (*path, name))
        return found

    commands = walk(gr2, ("gr2",))
    assert len(commands) > 30
    for path, command in commands:
        assert command.help and command.help.strip(), path
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, (path, param.name)


def test_the_shell_function_goes_where_lane_enter_says(shop: World) -> None:
    shop.call("apply")
    shop.call("lane", "create", "fix")
    script = 'eval "$(gr2 shell-init bash)"; gr2 lane enter fix >/dev/null && pwd'
    done = subprocess.run(["bash", "-c", script], cwd=shop.root, env=shop.env, capture_output=True, text=True)
    assert done.stdout.strip() == shop.path("agents/alpha/lanes/fix")


def test_the_shell_function_goes_to_the_root_when_its_lane_is_archived(shop: World) -> None:
    shop.call("apply")
    shop.call("lane", "create", "fix")
    script = (
        'eval "$(gr2 shell-init bash)"; cd agents/alpha/lanes/fix/repos/app/src && '
        "gr2 lane archive fix >/dev/null && pwd"
    )
    done = subprocess.run(["bash", "-c", script], cwd=shop.root, env=shop.env, capture_output=True, text=True)
    assert done.stdout.strip() == shop.root, done.stderr


def test_the_shell_function_works_without_a_directory_for_temporaries(shop: World) -> None:
    script = 'eval "$(gr2 shell-init bash)"; gr2 --version; gr2 lane create'
    env = {**shop.env, "TMPDIR": shop.path("missing")}
    ran = subprocess.run(["bash", "-c", script], cwd=shop.root, env=env, capture_output=True, text=True)
    assert ran.stdout.startswith("gr2 ")
    assert ran.stderr.startswith("error[usage]: ")
    assert ran.returncode == 2


@pytest.mark.parametrize("name", ["linked", "detached", "the shop"])
def test_an_issue_in_text_names_what_it_is_about(name: str, world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    world.call("apply")
    world.git("repos/app", "worktree", "add", "--quiet", world.path(f"clones/{name}"), "-b", "side")
    ran = world.call("workspace", "init", "clones", "--from-dirs", "clones")
    assert f": {name}: the directory was not adopted: it is a linked worktree" in ran.stderr


def test_an_issue_that_says_what_it_is_about_does_not_say_it_twice(shop: World) -> None:
    assert "error[unknown_lane]: there is no lane 'none'" in shop.call("lane", "show", "none").stderr
    assert "error[unknown_lane]: there is no lane 'no/ne'" in shop.call("lane", "show", "no/ne").stderr


def test_what_was_refused_before_it_began_has_no_operation(shop: World) -> None:
    shop.call("apply")
    for args in (("lane", "create", "new", "--from", "alpha/nope"), ("lane", "create", "new", "--repos", "nope")):
        ran = shop.call(*args, "--json")
        assert (ran.exit_code, ran.json["operation_id"]) == (2, None)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["stauts"], "Did you mean 'status'?"),
        (["lane", "crate"], "Did you mean 'create'?"),
        (["exec", "--", "make", "test"], "Did you mean 'run -- make'?"),
        (["zzz"], "no such command 'zzz'"),
    ],
)
def test_a_word_that_is_no_command_is_answered_with_the_one_that_was_meant(
    words: list[str], meant: str, world: World
) -> None:
    ran = world.call("--json", *words)

    assert ran.exit_code == 2
    assert ran.json["issues"][0]["message"].endswith(meant.rstrip("."))
