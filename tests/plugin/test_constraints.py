"""Plugins that may refuse, and plugins a spec cannot do without."""

from __future__ import annotations

import os
from typing import Any

import pytest

from gr2.errors import Blocked
from gr2.plugin.manager import Plugins, open_plugins
from gr2.session import Session
from tests.plugin.conftest import Place

REFUSES = """
from gr2.api import Block, hookimpl
gr2_api = 1
@hookimpl
def gr2_check_operation(ctx):
    if ctx.operation == "apply":
        return Block(code="not_today", reason=f"{ctx.actor} may not apply", hint="ask somebody")
"""
FAILS = "from gr2.api import hookimpl\n@hookimpl\ndef gr2_check_operation(ctx):\n    "
REQUIRES = '[workspace_constraints]\nrequires = ["{name}"]\n'


@pytest.fixture
def asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a session on a workspace whose spec requires the named plugins, and the lines they warned with."""

    def ask(*requires: str, disabled: bool = False) -> tuple[Session, Plugins, list[str]]:
        monkeypatch.syspath_prepend(place.folder)
        names = ", ".join(f'"{name}"' for name in requires)
        place.world.write_spec(extra=f"[workspace_constraints]\nrequires = [{names}]\n")
        lines: list[str] = []
        session = place.world.session(env=place.env())
        plugins = open_plugins(session.settings, session.asked.environ, disabled=disabled, warn=lines.append)
        return session, plugins, lines

    return ask


def _check(session: Session, plugins: Plugins, command: str = "apply") -> list[str]:
    try:
        plugins.check_operation(session, command=command)
    except Blocked as error:
        return [issue.code for issue in error.__dict__["issues"]]
    return []


def test_a_plugin_may_block_an_operation_with_its_own_words(place: Place, asked: Any) -> None:
    place.install("refuser", REFUSES)
    session, plugins, _ = asked()

    with pytest.raises(Blocked) as raised:
        plugins.check_operation(session, command="apply")

    assert raised.value.code == "not_today"
    assert raised.value.message == f"{session.actor} may not apply"
    assert raised.value.hint == "ask somebody"
    assert _check(session, plugins, "lane.create") == []


def test_the_reasons_of_several_plugins_come_in_the_order_of_their_names(place: Place, asked: Any) -> None:
    for name in ("zulu", "alpha", "mike"):
        place.install(name, REFUSES.replace("not_today", f"code_{name}"))
    session, plugins, _ = asked()

    assert _check(session, plugins) == ["code_alpha", "code_mike", "code_zulu"]


FAULTS = [
    "raise SystemExit(0)",
    "raise KeyboardInterrupt",
    "1/0",
    "return 7",
    "return []",
    "from gr2.api import Block; return Block(code='Not A Code', reason='x')",
    "from gr2.api import Block; return Block(code='fine', reason=None)",
]


@pytest.mark.parametrize("body", FAULTS)
def test_a_constraint_that_is_not_required_and_fails_is_passed_over(place: Place, asked: Any, body: str) -> None:
    place.install("faulty", FAILS + body)
    session, plugins, lines = asked()

    assert _check(session, plugins) == []
    assert _check(session, plugins) == []
    assert len(lines) == 1
    assert lines[0].startswith("plugin faulty (gr2-faulty 1.0) failed: gr2_check_operation: ")


@pytest.mark.parametrize("body", FAULTS)
@pytest.mark.parametrize("name", ["faulty", "gr2-faulty"])
def test_a_required_constraint_that_fails_blocks(place: Place, asked: Any, body: str, name: str) -> None:
    place.install("faulty", FAILS + body)
    session, plugins, _ = asked(name)

    assert _check(session, plugins) == ["constraint_unavailable"]


def test_a_required_constraint_that_never_answers_blocks_after_its_deadline(
    place: Place, asked: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from gr2.plugin import asking

    monkeypatch.setattr(asking, "DEADLINE_SECONDS", 0.5)
    place.install("faulty", FAILS + "import time\n    time.sleep(3)")
    session, plugins, _ = asked("faulty")

    assert _check(session, plugins) == ["constraint_unavailable"]
    os.write(1, b"stdout is ours again\n")
    assert capfd.readouterr().out == "stdout is ours again\n"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (None, "it is not installed"),
        ("raise SystemExit", "SystemExit"),
        ("gr2_api = 99", "version 99"),
    ],
)
def test_a_required_plugin_that_is_missing_or_broken_blocks(
    place: Place, asked: Any, body: str | None, cause: str
) -> None:
    if body is not None:
        place.install("guard", body)
    session, plugins, _ = asked("guard")

    with pytest.raises(Blocked) as raised:
        plugins.check_operation(session, command="lane.create")

    assert raised.value.code == "constraint_unavailable"
    assert cause in raised.value.message


def test_a_required_plugin_that_is_there_and_content_allows(place: Place, asked: Any) -> None:
    place.install("guard", "gr2_api = 1")
    session, plugins, _ = asked("guard", "gr2")

    assert _check(session, plugins) == []


def test_no_plugins_does_not_get_around_a_required_one(place: Place, asked: Any) -> None:
    place.install("guard", REFUSES)
    session, plugins, _ = asked("guard", disabled=True)

    assert _check(session, plugins) == ["constraint_unavailable"]


def test_on_the_command_line_a_missing_constraint_blocks_what_changes_and_not_what_reads(place: Place) -> None:
    place.world.write_spec(extra=REQUIRES.format(name="guard"))

    changed = place.gr2("apply", "--json")
    read = place.gr2("repo", "status", "--json")

    assert changed.exit_code == 3
    assert changed.codes == ["constraint_unavailable"]
    assert not os.path.exists(place.world.path("repos/app"))
    assert read.exit_code == 0


VALIDATES = """
from gr2.api import Issue, hookimpl
@hookimpl
def gr2_validate_spec(ctx):
    return [Issue(code="short_name", scope="workspace", subject=ctx.spec.workspace_name, message="the name is short")]
"""


def test_plugins_add_their_issues_to_a_specs(place: Place, asked: Any) -> None:
    place.install("judge", VALIDATES)
    session, plugins, _ = asked()

    issues = plugins.validate_spec(session.spec, session.root)

    assert [(issue.code, issue.subject) for issue in issues] == [("short_name", "shop")]


@pytest.mark.parametrize("body", ["1/0", "return 7", "return ['x']", "raise SystemExit"])
def test_a_validator_that_fails_is_passed_over_unless_required(place: Place, asked: Any, body: str) -> None:
    place.install("judge", f"from gr2.api import hookimpl\n@hookimpl\ndef gr2_validate_spec(ctx):\n    {body}\n")

    session, plugins, lines = asked()
    assert plugins.validate_spec(session.spec, session.root) == ()
    assert len(lines) == 1

    session, plugins, _ = asked("judge")
    assert [issue.code for issue in plugins.validate_spec(session.spec, session.root)] == ["constraint_unavailable"]


def test_a_constraint_can_wait_to_be_required_by_its_own_name(place: Place, asked: Any) -> None:
    place.install("refuser", REFUSES + "gr2_if_required = True\n", distribution="gr2-manners")

    assert [_check(*asked(*names)[:2]) for names in ((), ("gr2-manners",), ("refuser",))] == [[], [], ["not_today"]]


def test_what_says_oddly_when_it_is_asked_is_broken(place: Place) -> None:
    place.install("refuser", REFUSES + "gr2_if_required = 'yes'\n")
    place.examine()

    assert "gr2_if_required = 'yes'" in str(place.row("refuser")["error"])
