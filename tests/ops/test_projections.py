"""Files of repos that appear elsewhere: linked, copied, merged, and never over a person's work unless told to."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from gr2.edges.confined import InTheWay, look, put_file, put_link
from gr2.ops.apply import ApplyResult, PlanResult, apply, plan
from gr2.testing import World
from tests.ops.hooks_stage import TRUSTED, events, hooked


def _projection(kind: str, more: str = "", *, src: str = "CLAUDE.md", dest: str = "{workspace_root}/CLAUDE.md") -> str:
    return f'[[files.{kind}]]\nsrc = "{src}"\ndest = "{dest}"\n{more}\n'


def _apply(world: World) -> ApplyResult:
    return apply(world.session(env=TRUSTED))


def _plan(world: World) -> PlanResult:
    return plan(world.session(env=TRUSTED))


def _codes(result: ApplyResult | PlanResult) -> list[tuple[str, bool]]:
    return [(issue.code, issue.blocking) for issue in result.issues]


def _projected(world: World) -> list[tuple[str, str, str]]:
    return [(event["repo"], event["kind"], event["dest"]) for event in events(world, "workspace.file_projected")]


def _update(world: World, files: dict[str, str]) -> None:
    world.commit("repos/app", files)


def test_a_copy_is_made_once_and_told_once(world: World) -> None:
    hooked(world, _projection("copy"), {"CLAUDE.md": "hello\n"})

    first, second = _apply(world), _apply(world)

    assert world.read("CLAUDE.md") == "hello\n"
    assert (first.status, second.status, second.completed) == ("success", "success", ())
    assert _projected(world) == [("app", "copy", "CLAUDE.md")]
    assert _plan(world).operations == ()


def test_a_link_leads_into_the_checkout_and_moves_with_the_workspace(world: World) -> None:
    hooked(world, _projection("link", dest="{workspace_root}/docs/guide.md"), {"CLAUDE.md": "hello\n"})

    _apply(world)

    assert os.readlink(world.path("docs/guide.md")) == "../repos/app/CLAUDE.md"
    assert world.read("docs/guide.md") == "hello\n"


def test_a_link_to_a_folder_is_fine_and_a_copy_of_one_is_not(world: World) -> None:
    hooked(world, _projection("link", src="src", dest="{workspace_root}/src"))
    assert _apply(world).status == "success"
    assert os.path.isdir(world.path("src"))

    _update(world, {".gr2/hooks.toml": _projection("copy", src="src", dest="{workspace_root}/copied")})

    assert _codes(_apply(world)) == [("invalid_hooks", True)]


def test_a_source_that_is_a_link_is_resolved_inside_the_repo(world: World) -> None:
    hooked(world, _projection("copy", src="run.sh", dest="{workspace_root}/bin/run"))

    _apply(world)

    assert os.access(world.path("bin/run"), os.X_OK)


def test_only_the_kind_of_checkout_that_the_destination_names_projects(world: World) -> None:
    text = "".join(
        _projection("copy", dest=f"{{{root}}}/{root}.md")
        for root in ("workspace_root", "unit_root", "lane_root", "repo_root")
    )
    hooked(world, text, {"CLAUDE.md": "hello\n", ".gitignore": "*_root.md\n"}, units=("alpha",))
    _apply(world)
    world.call("lane", "create", "feat", "--trust-hooks")

    assert sorted(_projected(world)) == [
        ("app", "copy", "agents/alpha/lanes/feat/lane_root.md"),
        ("app", "copy", "agents/alpha/lanes/feat/repos/app/repo_root.md"),
        ("app", "copy", "agents/alpha/repos/app/repo_root.md"),
        ("app", "copy", "agents/alpha/unit_root.md"),
        ("app", "copy", "repos/app/repo_root.md"),
        ("app", "copy", "workspace_root.md"),
    ]


def test_something_else_there_is_a_conflict_that_blocks_the_hooks(world: World) -> None:
    hook = '[[lifecycle.on_materialize]]\nname = "x"\ncommand = "touch made"\n'
    hooked(world, _projection("copy") + hook, {"CLAUDE.md": "hello\n"})
    world.write("CLAUDE.md", "mine\n")

    result = _apply(world)

    assert _codes(result) == [("path_conflict", True)]
    assert result.status == "partial_failure"
    assert world.read("CLAUDE.md") == "mine\n"
    assert not os.path.exists(world.path("repos/app/made"))
    assert _codes(_plan(world)) == [("path_conflict", True)]


@pytest.mark.parametrize("kind", ["copy", "link"])
def test_skip_leaves_what_is_there(world: World, kind: str) -> None:
    hooked(world, _projection(kind, 'if_exists = "skip"'), {"CLAUDE.md": "hello\n"})
    world.write("CLAUDE.md", "mine\n")

    assert _apply(world).status == "success"

    assert world.read("CLAUDE.md") == "mine\n"
    assert _projected(world) == []


@pytest.mark.parametrize("kind", ["copy", "link"])
def test_overwrite_keeps_the_old_file_to_be_had_back(world: World, kind: str) -> None:
    hooked(world, _projection(kind, 'if_exists = "overwrite"'), {"CLAUDE.md": "hello\n"})
    world.write("CLAUDE.md", "mine\n")

    assert _apply(world).status == "success"

    assert world.read("CLAUDE.md") == "hello\n"
    (saved,) = world.call("saved", "list", "--json").json["saved"]
    assert (saved["kind"], saved["path"]) == ("overwrite", "CLAUDE.md")
    assert world.call("saved", "restore", saved["id"]).exit_code == 0
    assert world.read("CLAUDE.md") == "mine\n"
    # What a person put back is not overwritten again by the same projection.
    assert _apply(world).completed == ()
    assert world.read("CLAUDE.md") == "mine\n"


def test_gr2_s_own_file_is_renewed_without_a_collision(world: World) -> None:
    hooked(world, _projection("copy"), {"CLAUDE.md": "one\n"})
    _apply(world)
    _update(world, {"CLAUDE.md": "two\n"})

    result = _apply(world)

    assert (result.status, world.read("CLAUDE.md")) == ("success", "two\n")
    assert world.call("saved", "list", "--json").json["saved"] == []


def test_a_projected_file_that_a_person_changed_is_theirs(world: World) -> None:
    hooked(world, _projection("copy"), {"CLAUDE.md": "one\n"})
    _apply(world)
    world.write("CLAUDE.md", "mine\n")

    assert _apply(world).completed == ()
    _update(world, {"CLAUDE.md": "two\n"})
    result = _apply(world)

    assert _codes(result) == [("path_conflict", True)]
    assert world.read("CLAUDE.md") == "mine\n"


def test_a_projected_file_that_was_removed_comes_back(world: World) -> None:
    hooked(world, _projection("copy"), {"CLAUDE.md": "one\n"})
    _apply(world)
    os.unlink(world.path("CLAUDE.md"))

    _apply(world)

    assert world.read("CLAUDE.md") == "one\n"
    assert len(_projected(world)) == 2


def _two(world: World, more: str) -> None:
    for repo in ("app", "api"):
        world.commit(repo, {".gr2/hooks.toml": _projection("copy", more), "CLAUDE.md": f"# Rules\n\nrule of {repo}\n"})
    world.write_spec(units=())


def test_two_repos_with_one_destination_are_told_at_plan_time_by_name(world: World) -> None:
    _two(world, 'if_exists = "overwrite"')
    world.call("apply")

    planned = _plan(world)
    (issue,) = [issue for issue in planned.issues if issue.code == "path_conflict"]

    assert issue.details["repos"] == ["app", "api"]
    assert "app" in issue.message
    assert "api" in issue.message
    assert planned.status == "blocked"
    assert ("path_conflict", True) in _codes(_apply(world))
    assert not os.path.exists(world.path("CLAUDE.md"))


def test_two_repos_with_one_destination_in_a_lane_are_told_by_name(world: World) -> None:
    for repo in ("app", "api"):
        link = _projection("link", src="README.md", dest="{lane_root}/README.md")
        world.commit(repo, {".gr2/hooks.toml": link, "README.md": "hello\n"})
    world.write_spec(units=("alpha",))
    world.call("apply", "--trust-hooks")

    created = world.call("lane", "create", "t", "--trust-hooks", "--json")

    (issue,) = created.json["issues"]
    assert (issue["code"], issue["details"]["repos"]) == ("path_conflict", ["app", "api"])
    for result in (_plan(world), _apply(world)):
        assert (result.status, _codes(result)) == ("blocked", [("path_conflict", True)])


def test_two_repos_that_both_merge_share_one_file(world: World) -> None:
    _two(world, 'if_exists = "merge"')
    world.write("CLAUDE.md", "# Ours\n")

    first, second = _apply(world), _apply(world)

    assert world.read("CLAUDE.md") == "# Ours\n# Rules\n\nrule of app\nrule of api\n"
    assert (first.status, second.status, second.completed) == ("success", "success", ())
    assert len(_projected(world)) == 2


def test_one_destination_inside_another_is_a_conflict(world: World) -> None:
    world.commit("app", {".gr2/hooks.toml": _projection("link", src="src", dest="{workspace_root}/a")})
    world.commit("api", {".gr2/hooks.toml": _projection("copy", src="README.md", dest="{workspace_root}/A/b")})
    world.write_spec(units=())

    assert ("path_conflict", True) in _codes(_apply(world))


def test_a_merge_conflict_is_told_once_and_what_was_there_stays(world: World) -> None:
    hooked(
        world,
        _projection("copy", 'if_exists = "merge"', src="settings.toml", dest="{workspace_root}/settings.toml"),
        {"settings.toml": "a = 2\nb = 1\n[t]\nx = [1]\n"},
    )
    world.write("settings.toml", "# mine\na = 1 # kept\n[t]\n# about y\ny = 1\n")

    first, second = _apply(world), _apply(world)

    assert _codes(first) == [("merge_conflict", False)]
    assert first.status == "attention"
    assert first.issues[0].details["keys"] == ["a"]
    assert world.read("settings.toml") == "# mine\na = 1 # kept\nb = 1\n\n[t]\n# about y\ny = 1\nx = [1]\n"
    assert (second.status, second.issues) == ("success", ())


@pytest.mark.parametrize("name", ["settings.toml", "settings.json", "settings.yaml"])
def test_a_target_that_cannot_be_read_stays(world: World, name: str) -> None:
    hooked(
        world,
        _projection("copy", 'if_exists = "merge"', src=name, dest=f"{{workspace_root}}/{name}"),
        {name: "a = 1\n" if name.endswith("toml") else '{"a": 1}\n'},
    )
    world.write(name, "{ broken: [")

    assert _codes(_apply(world)) == [("path_conflict", True)]

    assert world.read(name) == "{ broken: ["


def test_a_place_where_gr2_keeps_a_checkout_is_no_destination(world: World) -> None:
    hooked(world, _projection("link", src="src", dest="{workspace_root}/repos"))

    assert _codes(_apply(world)) == [("invalid_hooks", True)]


def test_links_on_the_way_are_not_followed(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hooked(world, _projection("copy", dest="{workspace_root}/docs/CLAUDE.md"), {"CLAUDE.md": "hello\n"})
    os.symlink(outside, world.path("docs"))

    assert _codes(_apply(world)) == [("path_conflict", True)]

    assert list(outside.iterdir()) == []


def test_a_folder_swapped_for_a_link_all_the_time_never_leads_outside(tmp_path: Path) -> None:
    root, outside, draft = tmp_path / "root", tmp_path / "outside", tmp_path / "draft"
    for folder in (root, outside, draft, root / "a"):
        folder.mkdir()
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            # What makes the folder anew in between may win the race: then there is nothing to swap this time.
            with contextlib.suppress(FileExistsError, FileNotFoundError, IsADirectoryError, PermissionError):
                os.rename(root / "a", root / f"kept-{os.urandom(4).hex()}")
                os.symlink(outside, root / "a")
                os.unlink(root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    written = 0
    try:
        for number in range(2000):
            try:
                put_file(str(root), f"a/f{number}", b"x", mode=0o644, temporary=str(draft), replace=False)
                put_link(str(root), f"a/l{number}", "x", temporary=str(draft), replace=True)
                written += 1
            except (InTheWay, FileNotFoundError, FileExistsError):
                continue
    finally:
        stop.set()
        thread.join()

    assert list(outside.iterdir()) == []
    assert list(draft.iterdir()) == []
    assert written > 0


def test_nothing_that_appeared_meanwhile_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")

    with pytest.raises(InTheWay):
        put_file(str(tmp_path), "there", b"x", mode=0o644, temporary=str(tmp_path), replace=False)

    assert look(str(tmp_path), "there", limit=100).data == b"mine"
