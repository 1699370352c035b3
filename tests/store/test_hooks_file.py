"""`.gr2/hooks.toml`: what is read, and what is refused with the key path that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.hooks import HOOKS_LIMIT
from gr2.store.hooks_file import HooksInvalid, parse_hooks, read_hooks, read_hooks_bytes

HOOK = '[[lifecycle.on_materialize]]\nname = "x"\ncommand = "true"\n'
ENTER = '[[lifecycle.on_enter]]\nname = "x"\ncommand = "true"\n'
COPY = '[[files.copy]]\nsrc = "a"\ndest = "{workspace_root}/a"\n'
LINK = COPY.replace("copy", "link")

WHOLE = b"""
version = 1
[repo]
name = "api"
[[files.link]]
src = "CLAUDE.md"
dest = "{workspace_root}/CLAUDE.md"
[[lifecycle.on_materialize]]
name = "editable-install"
command = "uv pip install -e ."
cwd = "{repo_root}"
when = "first_materialize"
on_failure = "block"
runtime = "command"
timeout_seconds = 600
[[lifecycle.on_exit]]
name = "bye"
command = "echo {lane_name}"
[[gates]]
name = "tests"
command = "pytest -q"
[policy]
required_reviewers = 1
allow_lane_kinds = ["feature", "review"]
preferred_exec = ["pytest -q"]
"""


def faults_of(text: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(HooksInvalid) as caught:
        parse_hooks(text if isinstance(text, bytes) else text.encode())
    return [(fault.key, fault.message) for fault in caught.value.faults]


def test_the_file_of_the_documentation_is_read_with_its_defaults() -> None:
    found = parse_hooks(WHOLE)

    install, bye = found.hooks
    assert (install.when, install.on_failure, install.timeout_seconds) == ("first_materialize", "block", 600)
    assert (bye.when, bye.on_failure, bye.cwd, bye.runtime) == ("always", "warn", "{repo_root}", "command")
    assert [(item.kind, item.if_exists, item.scope) for item in found.projections] == [("link", "error", "shared")]
    assert found.policy.required_reviewers == 1
    assert found.policy.allow_lane_kinds == ("feature", "review")
    assert [gate.name for gate in found.gates] == ["tests"]


def test_an_empty_file_is_valid() -> None:
    assert parse_hooks(b"").hooks == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("version = 2", "version"),
        ("version = 0", "version"),
        ('version = "1"', "version"),
        ("version = true", "version"),
        ("[repo]", "repo.name"),
        ("colour = 1", "colour"),
        ("[lifecycle]\non_start = []", "lifecycle.on_start"),
        ("lifecycle = 3", "lifecycle"),
        ("lifecycle.on_enter = 3", "lifecycle.on_enter"),
        ('[[lifecycle.on_enter]]\nname = "x"', "lifecycle.on_enter[0].command"),
        ('[[lifecycle.on_enter]]\ncommand = "x"', "lifecycle.on_enter[0].name"),
        (HOOK.replace('"true"', "3"), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '""'), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '"sh -c \'oops"'), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '"true \\\\"'), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '"tr\\u0000ue"'), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', "\"'' x\""), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '"echo {lane_nam}"'), "lifecycle.on_materialize[0].command"),
        (HOOK.replace('"true"', '"echo ${HOME}"'), "lifecycle.on_materialize[0].command"),
        (HOOK + 'when = "dirty"', "lifecycle.on_materialize[0].when"),
        (HOOK + 'when = "sometimes"', "lifecycle.on_materialize[0].when"),
        (ENTER + 'when = "first_materialize"', "lifecycle.on_enter[0].when"),
        (HOOK + 'on_failure = "ignore"', "lifecycle.on_materialize[0].on_failure"),
        (HOOK + "timeout_seconds = 0", "lifecycle.on_materialize[0].timeout_seconds"),
        (HOOK + "timeout_seconds = -1", "lifecycle.on_materialize[0].timeout_seconds"),
        (HOOK + "timeout_seconds = nan", "lifecycle.on_materialize[0].timeout_seconds"),
        (HOOK + "timeout_seconds = inf", "lifecycle.on_materialize[0].timeout_seconds"),
        (HOOK + 'timeout_seconds = "1"', "lifecycle.on_materialize[0].timeout_seconds"),
        (HOOK + 'cwd = "/tmp"', "lifecycle.on_materialize[0].cwd"),
        (HOOK + 'cwd = "../api"', "lifecycle.on_materialize[0].cwd"),
        (HOOK + 'cwd = "{repo_root}/../api"', "lifecycle.on_materialize[0].cwd"),
        (HOOK + 'runtime = ""', "lifecycle.on_materialize[0].runtime"),
        (HOOK + HOOK, "lifecycle.on_materialize[1].name"),
        (COPY.replace('"a"', '"../a"', 1), "files.copy[0].src"),
        (COPY.replace('"a"', '"/etc/passwd"', 1), "files.copy[0].src"),
        (COPY.replace('"a"', '".git/config"', 1), "files.copy[0].src"),
        (COPY.replace('"a"', '"{repo_root}/a"', 1), "files.copy[0].src"),
        (COPY.replace("{workspace_root}/a", "/etc/cron.d/a"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "CLAUDE.md"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/../a"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/./a"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/a//b"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/.grip/state/x"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/.GRIP/state/x"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{repo_root}/.git/hooks/pre-commit"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{repo_root}/.g\\u200cit/config"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{repo_root}/.gr2/hooks.toml"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{lane_root}/lane.toml"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{unit_root}/Unit.toml"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/a\\u001bb"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{workspace_root}/{repo_root}"), "files.copy[0].dest"),
        (COPY.replace("{workspace_root}/a", "{home}/a"), "files.copy[0].dest"),
        (LINK + 'if_exists = "merge"', "files.link[0].if_exists"),
        (COPY + 'if_exists = "maybe"', "files.copy[0].if_exists"),
        ("[[files.move]]", "files.move"),
        ('[[gates]]\nname = "x"', "gates[0].command"),
        ("[policy]\nrequired_reviewers = -1", "policy.required_reviewers"),
        ('[policy]\nallow_lane_kinds = ["Feature"]', "policy.allow_lane_kinds[0]"),
        ('[policy]\nallow_lane_kinds = "feature"', "policy.allow_lane_kinds"),
        ('[policy]\npreferred_exec = ["sh -c \'"]', "policy.preferred_exec[0]"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_key_path(text: str, key: str) -> None:
    assert key in [found for found, _ in faults_of(text)]


def test_a_limit_is_told_as_a_person_would_write_it() -> None:
    told = [faults_of(HOOK + f"timeout_seconds = {number}")[0][1] for number in ("0", "86401")]

    assert told == ["must be more than 0", "must be at most 86400"]


def test_a_key_that_is_nearly_right_brings_a_suggestion_and_its_line() -> None:
    with pytest.raises(HooksInvalid) as caught:
        parse_hooks((HOOK + 'whne = "always"\n').encode())

    assert [(fault.suggestion, fault.line) for fault in caught.value.faults] == [("when", 4)]


def test_all_faults_are_told_at_once() -> None:
    assert len(faults_of(HOOK + 'when = "x"\non_failure = "y"\n' + COPY + 'if_exists = "z"\n')) == 3


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"version = ", b"[" * 5000, b"a = " + b"[" * 5000, b"x" * (HOOKS_LIMIT + 1), b"a = 1\na = 2", b"\x00"],
    ids=["not UTF-8", "torn", "open tables", "deep", "long", "twice", "NUL"],
)
def test_a_file_that_is_no_table_is_one_fault_about_the_file(data: bytes) -> None:
    assert [key for key, _ in faults_of(data)] == [""]


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail_in_another_way(data: bytes) -> None:
    try:
        parse_hooks(data)
    except HooksInvalid as error:
        assert error.faults


def test_a_checkout_without_the_folder_has_no_hooks(tmp_path: Path) -> None:
    assert read_hooks(str(tmp_path)) is None
    assert read_hooks(str(tmp_path / "nowhere")) is None
    (tmp_path / ".gr2").mkdir()
    assert read_hooks(str(tmp_path)) is None


def test_links_and_special_files_are_refused_and_never_waited_on(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hooks.toml").write_text("")
    for name in ("folder", "dangling", "file", "fifo", "directory"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder/.gr2").symlink_to(outside)
    (tmp_path / "dangling/.gr2").symlink_to("nowhere")
    for name in ("file", "fifo", "directory"):
        (tmp_path / name / ".gr2").mkdir()
    (tmp_path / "file/.gr2/hooks.toml").symlink_to(outside / "hooks.toml")
    os.mkfifo(tmp_path / "fifo/.gr2/hooks.toml")
    (tmp_path / "directory/.gr2/hooks.toml").mkdir()

    for name in ("folder", "dangling", "file", "fifo", "directory"):
        with pytest.raises(HooksInvalid):
            read_hooks_bytes(str(tmp_path / name))


def test_a_workspace_without_hooks_does_not_pay_for_pydantic(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from gr2.store.hooks_file import read_hooks; import gr2.ops.apply, gr2.ops.lane_enter;"
        "assert read_hooks(sys.argv[1]) is None;"
        "heavy = {'pydantic', 'tomlkit', 'ruamel', 'gr2.ops.hook_work'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
