"""A plugin's commands get what gr2's own have: global options, documents, exit codes, mutations."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Place

GROUP = """
from dataclasses import dataclass
from gr2.api import *
gr2_api = 1
@hookimpl
def gr2_commands():
    return [Provider("desk", __name__ + ":DESK", "A desk.")]

@dataclass(frozen=True, kw_only=True)
class Said(Result):
    said: dict

@dataclass(frozen=True, kw_only=True)
class Done(MutationResult):
    mine: str

def say(session, **values):
    return Said(status=Status.OK, said={**values, "actor": session.actor, "root": session.root})

def change(session, mutation, fail):
    if fail == "gr2":
        raise Blocked("desk_closed", "the desk is closed", hint="come back")
    if fail:
        raise SystemExit(0)
    return Done(status=Status.SUCCESS, operation_id=mutation.operation_id, mine=mutation.operation_id)

def show(result, screen):
    screen.line(f"{type(result).__name__}")
    screen.table(("A", "B"), [("1", "2")])

DESK = PluginGroup(name="desk", help="A desk.", commands=(
    PluginCommand(name="say", help="Say.", run=say, text=show, params=(
        Argument(name="first"), Argument(name="rest", required=False, many=True),
        Option(name="count", kind="integer", default=3), Option(name="size", kind="number"),
        Option(name="tag", many=True), Option(name="is-loud", kind="flag"),
        Option(name="colour", choices=("red", "blue"), default="red"),
    )),
    PluginCommand(name="change", help="Change.", run=change, text=show, operation="desk.change",
        params=(Option(name="fail", default=""),)),
))
"""


@pytest.fixture
def desk(place: Place) -> Place:
    """A workspace, and a plugin with a group of commands."""
    place.install("desk", GROUP)
    place.world.write_spec(repos=(), units=())
    return place


def test_arguments_and_options_arrive_with_their_kinds(desk: Place) -> None:
    words = "a b c --count 5 --size 1.5 --tag x --tag y --is-loud --colour blue --json"

    ran = desk.gr2("--actor", "agent:ann", "desk", "say", *words.split())

    assert ran.exit_code == 0
    assert ran.json["schema"] == "gr2.desk.say/1"
    assert ran.json["said"] == {
        "first": "a",
        "rest": ["b", "c"],
        "count": 5,
        "size": 1.5,
        "tag": ["x", "y"],
        "is_loud": True,
        "colour": "blue",
        "actor": "agent:ann",
        "root": desk.world.root,
    }


def test_options_that_are_not_given_have_their_defaults(desk: Place) -> None:
    said = desk.gr2("desk", "say", "a", "--json").json["said"]

    assert (said["rest"], said["count"], said["size"], said["tag"]) == ([], 3, None, [])
    assert (said["is_loud"], said["colour"]) == (False, "red")


@pytest.mark.parametrize(
    "args", [("say",), ("say", "a", "--colour", "pink"), ("say", "a", "--count", "x"), ("nothing",), ()]
)
def test_usage_errors_are_documents_too(desk: Place, args: tuple[str, ...]) -> None:
    ran = desk.gr2("desk", *args, "--json")

    assert ran.exit_code == 2
    assert ran.json["status"] == "invalid"


def test_a_changing_command_runs_inside_a_mutation(desk: Place) -> None:
    ran = desk.gr2("desk", "change", "--json")

    assert ran.exit_code == 0
    assert ran.json["status"] == "success"
    assert ran.json["operation_id"] == ran.json["mine"]


@pytest.mark.parametrize(("fail", "code", "exit_code"), [("gr2", "desk_closed", 3), ("odd", "plugin_failed", 1)])
def test_a_changing_command_that_fails_tells_its_operation(desk: Place, fail: str, code: str, exit_code: int) -> None:
    ran = desk.gr2("desk", "change", "--fail", fail, "--json")

    assert ran.exit_code == exit_code
    assert ran.codes == [code]
    assert ran.json["operation_id"].startswith("op_")


def test_a_broken_plugin_is_spoken_of_once_in_a_run(desk: Place) -> None:
    desk.install("broken", "raise SystemExit(0)")

    ran = desk.gr2("desk", "change")

    assert ran.exit_code == 0
    assert len([line for line in ran.stderr.splitlines() if "broken" in line]) == 1


def test_text_is_what_its_function_shows(desk: Place) -> None:
    ran = desk.gr2("desk", "say", "a")

    assert ran.stdout == "Said\nA  B\n1  2\n"


def test_an_error_is_shown_as_every_error_is(desk: Place) -> None:
    ran = desk.gr2("desk", "change", "--fail", "gr2")

    assert ran.exit_code == 3
    assert ran.stdout == ""
    assert ran.stderr.splitlines() == ["error[desk_closed]: the desk is closed", "  help: come back"]


def test_without_a_workspace_it_is_refused_like_any_command(place: Place) -> None:
    place.install("desk", GROUP)

    ran = place.gr2("desk", "say", "a", "--json")

    assert ran.exit_code == 2
    assert ran.codes == ["missing_spec"]


def test_its_help_needs_no_workspace(place: Place) -> None:
    place.install("desk", GROUP)

    ran = place.gr2("desk", "say", "--help")

    assert ran.exit_code == 0
    assert "--colour [red|blue]" in ran.stdout
    assert "--no-plugins" in ran.stdout


def test_two_plugins_with_one_command_conflict_when_it_is_used(desk: Place) -> None:
    desk.install("other", GROUP)

    ran = desk.gr2("desk", "say", "a", "--json")

    assert ran.exit_code == 3
    assert ran.codes == ["plugin_conflict"]
    assert desk.gr2("repo", "status").exit_code == 0


def test_commands_that_cannot_be_built_are_plugin_failed(desk: Place) -> None:
    desk.install("odd", GROUP.replace('"desk"', '"odd"').replace('kind="integer"', 'kind="complex"'))

    ran = desk.gr2("odd", "say", "a", "--json")

    assert ran.exit_code == 1
    assert ran.codes == ["plugin_failed"]


@pytest.mark.parametrize("value", ["object()", "float('nan')", "{1: {2: object()}}", "{'x': 1j}"])
def test_a_result_that_has_no_json_is_plugin_failed(desk: Place, value: str) -> None:
    desk.install(
        "odd", GROUP.replace('"desk"', '"odd"').replace("said={**values", "said={'odd': " + value + ", **values")
    )

    ran = desk.gr2("odd", "say", "a", "--json")

    assert ran.exit_code == 1
    assert ran.codes == ["plugin_failed"]


OF_LANE = """
from dataclasses import dataclass
from gr2.api import *
gr2_api = 1
@hookimpl
def gr2_commands():
    return [Provider("judge", __name__ + ":JUDGE", "Judges a lane.")]
@hookimpl
def gr2_check_operation(ctx):
    if ctx.actor == "agent:evil":
        return Block(code="no_judges", reason=f"{ctx.operation} {ctx.unit} {ctx.lane}")

@dataclass(frozen=True, kw_only=True)
class Judged(MutationResult):
    gates: tuple[GateRun, ...]

def judge(session, mutation, gate):
    found = mutation.run_gates(gates=gate)
    return Judged(status=Status.SUCCESS, operation_id=mutation.operation_id, issues=found.issues, gates=found.gates)

JUDGE = PluginCommand(name="judge", help="Judge.", run=judge, text=lambda result, screen: None, operation="judge",
    of_lane=True, params=(Option(name="gate", many=True),))
"""


@pytest.fixture
def judged(place: Place) -> Place:
    """A lane whose repo has gates, and a plugin with a command about lanes."""
    place.install("judge", OF_LANE)
    gates = '[[gates]]\nname = "good"\ncommand = "true"\n[[gates]]\nname = "bad"\ncommand = "false"\n'
    place.world.commit("app", {".gr2/hooks.toml": gates})
    place.world.write_spec(repos=("app",), units=("alpha",))
    place.gr2("lane", "create", "feat")
    return place


@pytest.mark.parametrize("words", [("feat",), ("--lane", "feat"), ("alpha/feat", "--gate", "bad", "--gate", "good")])
def test_a_command_about_a_lane_finds_it_and_runs_its_gates(judged: Place, words: tuple[str, ...]) -> None:
    ran = judged.gr2("judge", *words, "--json", env={"GR2_TRUST_HOOKS": "1"})

    assert [(row["gate"], row["result"]) for row in ran.json["gates"]] == [("good", "passed"), ("bad", "failed")]
    assert (ran.codes, ran.json["issues"][0]["hint"]) == (["gate_failed"], "")


def test_a_command_about_a_lane_may_be_refused_because_of_the_lane(judged: Place) -> None:
    refused = judged.gr2("judge", "feat", "--actor", "agent:evil", "--json")

    assert (refused.exit_code, refused.codes) == (3, ["no_judges"])
    assert refused.json["issues"][0]["message"] == "judge alpha feat"
    assert judged.gr2("judge", "other", "--json").codes == ["unknown_lane"]
