"""Which workspace a command is about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gr2.errors import Invalid
from gr2.store.discovery import find_workspace

SPEC = """\
workspace_name = "shop"
[[repos]]
name = "app"
path = "repos/app"
url = "/srv/app.git"
[[units]]
name = "alpha"
path = "agents/alpha"
repos = ["app"]
"""


def make(root: Path, text: str = SPEC) -> Path:
    (root / ".grip").mkdir(parents=True)
    (root / ".grip/workspace_spec.toml").write_text(text)
    return root


def code_of(cwd: Path | str, named: str = "", environ: str = "") -> str:
    with pytest.raises(Invalid) as caught:
        find_workspace(str(cwd), named, environ)
    return caught.value.code


def test_the_nearest_directory_above_is_found(tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    below = root / "a/b/c"
    below.mkdir(parents=True)
    assert find_workspace(str(below), "", "") == str(root)
    assert find_workspace(str(root), "", "") == str(root)


def test_nowhere_is_a_workspace(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "missing_spec"


def test_a_named_workspace_wins_over_the_environment_and_that_over_the_directory(tmp_path: Path) -> None:
    here, named, environ = make(tmp_path / "here"), make(tmp_path / "named"), make(tmp_path / "environ")
    assert find_workspace(str(here), "../named", str(environ)) == str(named)
    assert find_workspace(str(here), "", str(environ)) == str(environ)
    assert find_workspace(str(here), "", "../environ/") == str(environ)


def test_a_named_directory_that_is_no_workspace_is_not_searched_above(tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    (root / "sub").mkdir()
    assert code_of(root, "sub") == "missing_spec"
    assert code_of(root, "", "/nonexistent") == "missing_spec"


@pytest.mark.parametrize("place", ["repos/app", "agents/alpha/repos/app", "agents/alpha/lanes/fix/1/repos/app"])
def test_a_spec_inside_a_checkout_of_an_enclosing_workspace_is_passed_over(place: str, tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    for inner in (root / place, root / place / "deep/er"):
        make(inner)
        assert find_workspace(str(inner), "", "") == str(root)


def test_a_spec_inside_a_checkout_can_be_named(tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    inner = make(root / "repos/app")
    assert find_workspace(str(root), str(inner), "") == str(inner)


@pytest.mark.parametrize("place", ["sub", "agents/alpha", "agents/alpha/lanes/fix", "repos", "agents/alpha/repos"])
def test_a_workspace_beside_the_checkouts_of_another_is_its_own(place: str, tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    inner = make(root / place)
    assert find_workspace(str(inner), "", "") == str(inner)


def test_a_checkout_reached_through_a_link_belongs_to_its_workspace(tmp_path: Path) -> None:
    root = make(tmp_path / "w")
    inner = make(root / "repos/app")
    os.symlink(inner, tmp_path / "short")
    assert find_workspace(str(tmp_path / "short"), "", "") == str(root)


def test_a_directory_reached_through_a_link_keeps_its_spelling(tmp_path: Path) -> None:
    make(tmp_path / "w")
    os.symlink(tmp_path / "w", tmp_path / "short")
    assert find_workspace(str(tmp_path / "short"), "", "") == str(tmp_path / "short")


def test_a_broken_enclosing_spec_still_keeps_its_clones(tmp_path: Path) -> None:
    root = make(tmp_path / "w", "broken")
    clone = make(root / "repos/app")
    (clone / ".git").mkdir()
    plain = make(root / "sub")
    assert find_workspace(str(clone), "", "") == str(root)
    assert find_workspace(str(plain), "", "") == str(plain)


def test_a_broken_spec_is_found_rather_than_one_further_up(tmp_path: Path) -> None:
    make(tmp_path)
    root = make(tmp_path / "w")
    os.unlink(root / ".grip/workspace_spec.toml")
    os.symlink("nowhere", root / ".grip/workspace_spec.toml")
    assert find_workspace(str(root), "", "") == str(root)


def test_a_path_with_control_characters_is_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "w\x1b[31m")
    assert code_of(root) == "unsafe_path"
    assert code_of(tmp_path, str(root)) == "unsafe_path"
