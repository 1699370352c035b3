"""Reading the spec: everything it may say, links, newer versions, and the compiled copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gr2.errors import Invalid
from gr2.model.spec import MergeOrder, Repo, Unit, UnitConstraints
from gr2.store.layout import Layout
from gr2.store.spec_file import (
    SpecInvalid,
    load_spec,
    parse_spec,
    parse_with_secrets,
    read_spec_bytes,
    refresh_compiled,
    write_compiled,
)
from gr2.store.spec_text import spec_text

FULL = """\
version = 1
workspace_name = "shop"

[[repos]]
name = "app"
path = "./repos//app"
url = "https://example.org/shop/app.git"
default_branch = "main"
platform = "github"
reference = false
revision = "v1.0"
filter = "blob:none"
groups = ["backend"]

[[repos]]
name = "api"
path = "repos/api"
url = "git@example.org:shop/api.git"

[[units]]
name = "alpha"
path = "agents/alpha"
agent_id = "agent_7f3a9c"
repos = ["app", "api"]
[units.constraints]
lane_limit = 2
allowed_lane_kinds = ["feature", "review"]
channels_enabled = false

[[units]]
name = "beta"
path = "agents/beta"

[workspace_constraints]
max_concurrent_edit_leases_global = 2
lane_naming_convention = "<kind>-<scope>"
requires = ["gr2-hooks"]
[workspace_constraints.required_reviewers]
app = 1
[workspace_constraints.merge_order]
strategy = "explicit"
order = ["api"]

[plugins.channel]
limit = inf
since = 1979-05-27T07:32:00Z
nested.deep = [{a = 1}]
"""


def workspace(root: Path, text: str = FULL) -> Layout:
    (root / ".grip").mkdir(parents=True)
    (root / ".grip/workspace_spec.toml").write_text(text)
    return Layout(str(root))


def faults(text: str, root: Path) -> list[tuple[str, str]]:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(text.encode(), str(root))
    return [(issue.code, issue.subject) for issue in caught.value.issues]


def test_every_key_of_the_contract_is_read(tmp_path: Path) -> None:
    spec = load_spec(workspace(tmp_path))
    assert spec.repo("app") == Repo(
        name="app",
        path="repos/app",
        url="https://example.org/shop/app.git",
        default_branch="main",
        platform="github",
        revision="v1.0",
        filter="blob:none",
        groups=("backend",),
    )
    limits = UnitConstraints(lane_limit=2, allowed_lane_kinds=("feature", "review"), channels_enabled=False)
    assert spec.unit("alpha") == Unit(
        name="alpha", path="agents/alpha", agent_id="agent_7f3a9c", repos=("app", "api"), constraints=limits
    )
    assert spec.workspace_constraints.merge_order == MergeOrder(strategy="explicit", order=("api",))
    assert spec.workspace_constraints.required_reviewers == {"app": 1}
    assert [repo.name for repo in spec.repos_of_group("backend")] == ["app"]


def test_settings_of_plugins_come_as_json_can_hold_them(tmp_path: Path) -> None:
    table = load_spec(workspace(tmp_path)).plugins["channel"]
    assert table == {"limit": "inf", "since": "1979-05-27T07:32:00+00:00", "nested": {"deep": [{"a": 1}]}}


def test_a_spec_written_as_text_reads_back_the_same(tmp_path: Path) -> None:
    spec = parse_spec(FULL.encode(), str(tmp_path))
    assert parse_spec(spec_text(spec, explain=True).encode(), str(tmp_path)) == spec


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = FULL.replace('"app", "api"', '"app", "apo"').replace('path = "repos/api"', 'path = "../api"')
    text = text.replace("lane_limit = 2", "lane_limit = true\nlane_limt = 3").replace("requires", "require")
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(text.encode(), str(tmp_path))
    found = [
        (issue.subject, issue.details.get("line"), issue.details.get("suggestion")) for issue in caught.value.issues
    ]
    assert found == [
        ("repos[1].path", 17, None),
        ("units[0].repos[1]", 24, "app"),
        ("units[0].constraints.lane_limit", 26, None),
        ("units[0].constraints.lane_limt", 27, "lane_limit"),
        ("workspace_constraints.require", 38, "requires"),
    ]


def test_issues_read_as_one_lower_case_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(b"[[repos]]\nurl = 1\n", str(tmp_path))
    for issue in caught.value.issues:
        assert issue.message[0].islower() and not issue.message.endswith(".") and "\n" not in issue.message
        assert issue.hint and issue.blocking


def test_the_line_of_what_the_parser_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(b'workspace_name = "shop"\n\nx = [1,, 2]\n', str(tmp_path))
    assert caught.value.issues[0].details == {"line": 3}


def test_lines_are_right_after_strings_over_several_lines_and_with_windows_line_ends(tmp_path: Path) -> None:
    text = (
        'workspace_name = "a"\n[plugins.p]\nx = """\n[[repos]]\n"""\ny = [\n  "# no comment",\n]\n[[repos]]\nname = 1\n'
    )
    for version in (text, text.replace("\n", "\r\n")):
        with pytest.raises(SpecInvalid) as caught:
            parse_spec(version.encode(), str(tmp_path))
        assert {issue.subject: issue.details["line"] for issue in caught.value.issues} == {
            "repos[0].name": 10,
            "repos[0].path": 9,
            "repos[0].url": 9,
        }


def test_an_unknown_key_that_needs_quotes_is_quoted_in_the_subject(tmp_path: Path) -> None:
    assert faults('workspace_name = "a"\n"odd key\\n" = 1\n', tmp_path) == [("invalid_spec", '"odd key\n"')]


def test_a_missing_spec_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        load_spec(Layout(str(tmp_path)))
    assert caught.value.code == "missing_spec"
    assert "gr2 workspace init" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "dangling link"])
def test_a_spec_that_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    layout = workspace(tmp_path / "w")
    os.rename(layout.spec, tmp_path / "elsewhere.toml")
    if kind == "directory":
        os.mkdir(layout.spec)
    elif kind == "fifo":
        os.mkfifo(layout.spec)
    else:
        os.symlink(tmp_path / ("elsewhere.toml" if kind == "link" else "nowhere"), layout.spec)
    with pytest.raises(SpecInvalid) as caught:
        load_spec(layout)
    assert caught.value.code == "invalid_spec"


@pytest.mark.parametrize("link", ["repos", "repos/app", "agents", "agents/alpha"])
def test_a_link_on_the_way_to_a_checkout_is_refused(link: str, tmp_path: Path) -> None:
    layout = workspace(tmp_path / "w")
    os.makedirs(os.path.dirname(layout.at(link)), exist_ok=True)
    os.symlink(tmp_path, layout.at(link))
    with pytest.raises(SpecInvalid) as caught:
        load_spec(layout)
    assert all(issue.subject.endswith(".path") and link in issue.message for issue in caught.value.issues)


def test_a_link_that_comes_after_compiling_is_seen(tmp_path: Path) -> None:
    layout = workspace(tmp_path / "w")
    refresh_compiled(layout)
    os.symlink(tmp_path, layout.at("repos"))
    with pytest.raises(SpecInvalid):
        load_spec(layout)


def test_a_checkout_may_lie_beside_what_gr2_keeps_in_a_unit(tmp_path: Path) -> None:
    text = FULL.replace('path = "repos/api"', 'path = "agents/alpha/api"')
    assert parse_spec(text.encode(), str(tmp_path)).repos[1].path == "agents/alpha/api"


def test_paths_that_share_a_beginning_are_different_places(tmp_path: Path) -> None:
    text = FULL.replace('path = "repos/api"', 'path = "repos/app-2"')
    assert parse_spec(text.encode(), str(tmp_path)).repos[1].path == "repos/app-2"


NEWER = FULL.replace("version = 1", "version = 7").replace("[[units]]", 'colour = "red"\n\n[[units]]', 1)


def test_a_newer_spec_is_readable_and_keeps_its_version(tmp_path: Path) -> None:
    spec = parse_spec(NEWER.encode(), str(tmp_path))
    assert spec.version == 7
    assert [repo.name for repo in spec.repos] == ["app", "api"]


def test_what_a_newer_spec_means_otherwise_is_passed_over_and_nothing_else(tmp_path: Path) -> None:
    text = NEWER.replace('groups = ["backend"]', "groups = {backend = 1}").replace('url = "git@', 'uri = "git@')
    spec = parse_spec(text.encode(), str(tmp_path))
    assert [(repo.name, repo.groups) for repo in spec.repos] == [("app", ())]
    assert spec.units[0].repos == ("app",)


def test_a_secret_in_a_newer_spec_is_refused_all_the_same(tmp_path: Path) -> None:
    text = NEWER.replace("https://example.org", "https://token@example.org")
    assert ("credentials_in_url", "repos[0].url") in faults(text, tmp_path)


def test_a_spec_with_secrets_can_be_shown_without_them(tmp_path: Path) -> None:
    text = FULL.replace("https://example.org", "https://u:hunter22@example.org")
    spec = parse_with_secrets(text.encode(), str(tmp_path))
    assert spec is not None
    assert spec.repos[0].url == "https://***@example.org/shop/app.git"
    assert "hunter22" not in repr(spec)


def test_the_compiled_copy_gives_the_same_spec(tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    spec = load_spec(layout)
    write_compiled(layout, spec, read_spec_bytes(layout))
    assert load_spec(layout) == spec
    assert os.stat(layout.compiled_spec).st_mode & 0o777 == 0o600
    assert os.stat(layout.state).st_mode & 0o777 == 0o700


def test_the_compiled_copy_is_what_is_read(tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    refresh_compiled(layout)
    path = Path(layout.compiled_spec)
    path.write_text(path.read_text().replace('"shop"', '"other"'))
    assert load_spec(layout).workspace_name == "other"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: text.replace('"version": 2', '"version": 3', 1),
        lambda text: text.replace('"name"', '"nama"'),
        lambda text: text.replace('"repos"', '"reps"'),
        lambda text: "null",
        lambda text: json.dumps({**json.loads(text), "gr2": "0.0.0"}),
        lambda text: json.dumps({**json.loads(text), "source": ""}),
        lambda text: json.dumps({**json.loads(text), "spec": []}),
    ],
)
def test_a_damaged_or_foreign_compiled_copy_is_ignored(damage: object, tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    expected = load_spec(layout)
    refresh_compiled(layout)
    path = Path(layout.compiled_spec)
    assert callable(damage)
    path.write_text(damage(path.read_text()))
    assert load_spec(layout) == expected


def test_a_compiled_copy_that_came_along_with_a_spec_is_not_believed(tmp_path: Path) -> None:
    theirs = workspace(tmp_path / "theirs")
    refresh_compiled(theirs)
    forged = Path(theirs.compiled_spec)
    forged.write_text(forged.read_text().replace('"repos/app"', '"../../escaped"'))
    shutil.copytree(theirs.root, tmp_path / "mine")
    assert load_spec(Layout(str(tmp_path / "mine"))).repos[0].path == "repos/app"


def test_editing_the_spec_takes_effect_at_once(tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    refresh_compiled(layout)
    workspace_file = Path(layout.spec)
    workspace_file.write_text(FULL.replace('"shop"', '"store"'))
    assert load_spec(layout).workspace_name == "store"
    refresh_compiled(layout)
    assert json.loads(Path(layout.compiled_spec).read_text())["spec"]["workspace_name"] == "store"


def test_reading_writes_nothing(tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    load_spec(layout)
    assert not os.path.exists(layout.state)


def test_a_spec_with_faults_is_never_compiled(tmp_path: Path) -> None:
    layout = workspace(tmp_path, FULL.replace("https://", "https://hunter22@"))
    refresh_compiled(layout)
    assert not os.path.exists(layout.state)


def test_a_compiled_spec_is_read_without_pydantic_or_a_toml_parser(tmp_path: Path) -> None:
    layout = workspace(tmp_path)
    refresh_compiled(layout)
    program = (
        "import sys; from gr2.store.discovery import find_workspace; from gr2.store.spec_file import load_spec;"
        "from gr2.store.layout import Layout; load_spec(Layout(find_workspace(sys.argv[1], '', '')));"
        "print(sorted({'pydantic', 'tomllib', 'tomlkit', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
