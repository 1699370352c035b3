"""`gr2 saved` as people and scripts use it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import pytest

from gr2.plugin.protocols import DirtyCheckout
from gr2.store.saved_files import archive_tree, keep_overwritten
from gr2.store.saved_work import SavedWork
from gr2.testing import World

README = "repos/app/README.md"


@pytest.fixture
def shop(world: World) -> World:
    """A workspace with one checkout."""
    world.write_spec(repos=("app",))
    world.git("", "clone", "--quiet", world.remote("app"), "repos/app")
    return world


def put_away(world: World, kind: Literal["stash", "discard"] = "stash", *, content: str = "mine\n") -> str:
    world.write(README, content)
    place = DirtyCheckout(
        path=world.path("repos/app"),
        scope="lane",
        repo="app",
        unit="alpha",
        lane="feat",
        message="gr2 auto-stash: exiting alpha/feat",
        operation_id="op_0123456789ab",
    )
    saved = SavedWork(world.session()).put_away(place, kind)
    assert saved is not None
    return saved.id


def test_a_unit_option_lists_what_is_that_units(world: World) -> None:
    world.write_spec(repos=("app",), units=("alpha", "beta"))
    world.call("apply")
    for unit in ("alpha", "beta"):
        world.call("lane", "create", "fix", "--unit", unit)
        world.call("lane", "enter", "fix", "--unit", unit)
        world.write(f"agents/{unit}/lanes/fix/repos/app/README.md", "half done")
        world.call("lane", "exit", "--unit", unit)
    rows = world.call("saved", "list", "--unit", "beta", "--json").json["saved"]
    assert [row["unit"] for row in rows] == ["beta"]


def test_saved_work_is_listed_with_the_fields_of_the_contract(shop: World) -> None:
    saved_id = put_away(shop, "discard")

    ran = shop.call("saved", "list", "--json")

    assert ran.exit_code == 0
    assert ran.json["schema"] == "gr2.saved.list/1"
    assert ran.json["status"] == "ok"
    assert ran.json["saved"] == [
        {
            "id": saved_id,
            "kind": "discard",
            "repo": "app",
            "unit": "alpha",
            "lane": "feat",
            "path": "repos/app",
            "files": ["README.md"],
            "created_at": "2026-01-02T03:04:05.000000+00:00",
            "operation_id": "op_0123456789ab",
        }
    ]


def test_an_empty_list_says_so(shop: World) -> None:
    assert shop.call("saved", "list").stdout == "Nothing is saved.\n"


def test_a_stash_is_an_ordinary_stash_entry_that_git_itself_can_pop(shop: World) -> None:
    put_away(shop)

    listed = shop.git("repos/app", "stash", "list")
    shop.git("repos/app", "stash", "pop", "--quiet")

    assert listed == "stash@{0}: On main: gr2 auto-stash: exiting alpha/feat"
    assert shop.read(README) == "mine\n"


def test_a_restored_stash_is_gone_from_git_and_from_the_list(shop: World) -> None:
    saved_id = put_away(shop)

    ran = shop.call("saved", "restore", saved_id, "--json")

    assert (ran.exit_code, ran.json["status"], ran.json["restored_to"]) == (0, "success", "repos/app")
    assert ran.json["operation_id"].startswith("op_")
    assert shop.read(README) == "mine\n"
    assert shop.git("repos/app", "stash", "list") == ""
    assert shop.call("saved", "list", "--json").json["saved"] == []


def test_restoring_twice_changes_nothing(shop: World) -> None:
    saved_id = put_away(shop)
    shop.call("saved", "restore", saved_id)

    again = shop.call("saved", "restore", saved_id, "--json")

    assert (again.exit_code, again.json["status"]) == (0, "success")
    assert shop.git("repos/app", "status", "--porcelain") == " M README.md"


def test_what_was_restored_and_lost_again_can_be_restored_again(shop: World) -> None:
    saved_id = put_away(shop)
    shop.call("saved", "restore", saved_id)
    shop.git("repos/app", "checkout", "--quiet", "--", "README.md")

    assert shop.call("saved", "restore", saved_id).exit_code == 0

    assert shop.read(README) == "mine\n"


def test_of_several_stashes_only_the_one_that_is_meant_is_dropped(shop: World) -> None:
    first = put_away(shop, content="first\n")
    shop.write(README, "a person's\n")
    shop.git("repos/app", "stash", "push", "--quiet", "--message", "by hand")
    put_away(shop, content="third\n")

    assert shop.call("saved", "restore", first).exit_code == 0

    entries = shop.git("repos/app", "stash", "list").splitlines()
    assert [entry.partition(": ")[2] for entry in entries] == [
        "On main: gr2 auto-stash: exiting alpha/feat",
        "On main: by hand",
    ]
    assert shop.read(README) == "first\n"


def test_a_stash_that_a_person_dropped_can_still_be_had_back(shop: World) -> None:
    saved_id = put_away(shop)
    shop.git("repos/app", "stash", "drop", "--quiet")
    shop.git("repos/app", "reflog", "expire", "--expire=now", "--all")
    shop.git("repos/app", "gc", "--quiet", "--prune=now")

    assert shop.call("saved", "restore", saved_id).exit_code == 0

    assert shop.read(README) == "mine\n"


@pytest.mark.parametrize("to", [False, True])
def test_work_that_went_with_its_checkout_is_told_to_be_gone(shop: World, tmp_path: Path, to: bool) -> None:
    saved_id = put_away(shop)
    shutil.rmtree(shop.path("repos/app"))
    shop.call("apply")

    ran = shop.call("saved", "restore", saved_id, *(["--to", str(tmp_path / "new")] if to else []), "--json")

    [issue] = ran.json["issues"]
    assert (ran.json["status"], issue["code"]) == ("failed", "saved_unreadable")
    assert issue["message"] == f"{saved_id} is not in repos/app any more: the checkout was made anew since"
    assert issue["hint"] == f"gr2 saved drop {saved_id}"
    assert shop.call("saved", "drop", saved_id).exit_code == 0
    assert shop.call("saved", "list", "--json").json["saved"] == []


def test_a_conflict_is_blocked_and_changes_nothing(shop: World) -> None:
    saved_id = put_away(shop)
    shop.write(README, "newer work\n")

    ran = shop.call("saved", "restore", saved_id, "--json")

    assert (ran.exit_code, ran.json["status"], ran.codes) == (3, "blocked", ["restore_conflict"])
    assert ran.json["issues"][0]["details"]["conflicting_files"] == ["README.md"]
    assert shop.read(README) == "newer work\n"
    assert [row["id"] for row in shop.call("saved", "list", "--json").json["saved"]] == [saved_id]


def test_lines_that_a_commit_changed_meanwhile_are_a_conflict(shop: World) -> None:
    saved_id = put_away(shop)
    shop.commit("repos/app", {"README.md": "theirs\n"})

    ran = shop.call("saved", "restore", saved_id, "--json")

    assert ran.codes == ["restore_conflict"]
    assert ran.json["issues"][0]["hint"].startswith(f"gr2 saved restore {saved_id} --to DIRECTORY")
    assert shop.git("repos/app", "status", "--porcelain") == ""


def test_a_file_that_became_a_directory_is_named_as_it_was(shop: World) -> None:
    saved_id = put_away(shop)
    os.unlink(shop.path(README))
    shop.write(f"{README}/part", "part\n")
    shop.git("repos/app", "add", "--all")
    shop.git("repos/app", "commit", "--quiet", "-m", "a directory")

    [issue] = shop.call("saved", "restore", saved_id, "--json").json["issues"]

    assert (issue["code"], issue["details"]["conflicting_files"]) == ("restore_conflict", ["README.md"])
    assert shop.git("repos/app", "status", "--porcelain") == ""


def test_an_ignored_file_in_the_way_is_a_conflict(shop: World) -> None:
    shop.write("repos/app/.git/info/exclude", "")
    shop.write("repos/app/local.env", "saved\n")
    saved_id = put_away(shop)
    shop.write("repos/app/.git/info/exclude", "local.env\n")
    shop.write("repos/app/local.env", "precious\n")

    assert shop.call("saved", "restore", saved_id, "--json").codes == ["restore_conflict"]

    assert shop.read("repos/app/local.env") == "precious\n"


def test_a_merge_in_progress_is_not_disturbed(shop: World) -> None:
    saved_id = put_away(shop)
    shop.git("repos/app", "switch", "--quiet", "--create", "other", "HEAD~1")
    shop.commit("repos/app", {"README.md": "other\n"})
    shop.git("repos/app", "merge", "main", check=False)
    shop.write("repos/app/.git/MERGE_HEAD", shop.git("repos/app", "rev-parse", "main") + "\n")

    ran = shop.call("saved", "restore", saved_id, "--json")

    assert (ran.exit_code, ran.codes) == (3, ["operation_in_progress"])


def test_work_can_be_written_to_a_new_place(shop: World, tmp_path: Path) -> None:
    saved_id = put_away(shop)
    target = tmp_path / "out"

    ran = shop.call("saved", "restore", saved_id, "--to", str(target), "--json")
    again = shop.call("saved", "restore", saved_id, "--to", str(target))

    assert (ran.exit_code, again.exit_code) == (0, 0)
    assert [path.name for path in target.iterdir()] == ["README.md"]
    assert (target / "README.md").read_text() == "mine\n"
    assert shop.git("repos/app", "status", "--porcelain") == ""
    assert len(shop.call("saved", "list", "--json").json["saved"]) == 1


def test_a_place_that_holds_something_else_is_left_alone(shop: World, tmp_path: Path) -> None:
    saved_id = put_away(shop)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/README.md").write_text("other\n")

    ran = shop.call("saved", "restore", saved_id, "--to", str(tmp_path / "out"), "--json")

    assert (ran.exit_code, ran.codes) == (3, ["path_conflict"])
    assert (tmp_path / "out/README.md").read_text() == "other\n"
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]


@pytest.mark.parametrize("kind", ["stash", "discard"])
def test_dropped_work_is_gone_and_dropping_again_is_fine(shop: World, kind: Literal["stash", "discard"]) -> None:
    saved_id = put_away(shop, kind)

    first = shop.call("saved", "drop", saved_id)
    again = shop.call("saved", "drop", saved_id)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert shop.git("repos/app", "for-each-ref", "refs/gr2", "refs/stash") == ""
    assert shop.call("saved", "restore", saved_id, "--json").codes == ["unknown_saved"]


@pytest.mark.parametrize("verb", ["show", "restore", "drop"])
@pytest.mark.parametrize("saved_id", ["sv_000000000000", "../../../etc/passwd", "sv_", "\x1b[31m"])
def test_an_unknown_id_is_invalid(shop: World, verb: str, saved_id: str) -> None:
    ran = shop.call("saved", verb, saved_id, "--json")

    assert (ran.exit_code, ran.json["status"], ran.codes) == (2, "invalid", ["unknown_saved"])
    assert ran.json["issues"][0]["hint"] == "gr2 saved list"


def test_a_damaged_record_hides_no_other(shop: World) -> None:
    saved_id = put_away(shop)
    shop.write(".grip/state/saved/stash/sv_ffffffffffff.json", "{")

    ran = shop.call("saved", "list", "--json")

    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["state_unreadable"])
    assert [row["id"] for row in ran.json["saved"]] == [saved_id]


def test_an_overwritten_file_comes_back_while_it_is_as_gr2_left_it(shop: World) -> None:
    shop.write("notes.txt", b"mine\r\n")
    os.chmod(shop.path("notes.txt"), 0o755)
    saved = keep_overwritten(shop.session(), "notes.txt", repo="app", by=b"projected\n")
    assert saved is not None
    shop.write("notes.txt", "projected\n")

    assert shop.call("saved", "restore", saved.id).exit_code == 0

    assert Path(shop.path("notes.txt")).read_bytes() == b"mine\r\n"
    assert os.stat(shop.path("notes.txt")).st_mode & 0o111


def test_an_overwritten_file_that_was_changed_since_stays(shop: World) -> None:
    shop.write("notes.txt", "mine\n")
    saved = keep_overwritten(shop.session(), "notes.txt", by=b"projected\n")
    assert saved is not None
    shop.write("notes.txt", "projected and edited\n")

    ran = shop.call("saved", "restore", saved.id, "--json")

    assert ran.codes == ["restore_conflict"]
    assert shop.read("notes.txt") == "projected and edited\n"


def test_a_file_that_was_kept_and_not_yet_overwritten_is_not_kept_twice(shop: World) -> None:
    shop.write("notes.txt", "mine\n")
    first = keep_overwritten(shop.session(), "notes.txt", by=b"projected\n")
    again = keep_overwritten(shop.session(), "notes.txt", by=b"projected\n")
    shop.write("notes.txt", "changed\n")
    other = keep_overwritten(shop.session(), "notes.txt", by=b"projected\n")

    assert first is not None
    assert again is not None
    assert other is not None
    assert again.id == first.id != other.id
    assert {row["id"] for row in shop.call("saved", "list", "--json").json["saved"]} == {first.id, other.id}


def test_an_overwritten_link_comes_back_as_a_link(shop: World) -> None:
    os.symlink("no/where", shop.path("notes.txt"))
    saved = keep_overwritten(shop.session(), "notes.txt")
    assert saved is not None
    os.unlink(shop.path("notes.txt"))

    assert shop.call("saved", "restore", saved.id).exit_code == 0

    assert os.readlink(shop.path("notes.txt")) == "no/where"


def test_an_archived_checkout_comes_back_with_its_ignored_files(shop: World) -> None:
    shop.write("repos/app/.git/info/exclude", "*.env\n")
    shop.write("repos/app/local.env", "secret\n")
    saved = archive_tree(shop.session(), ["repos/app"], path="repos/app", repo="app")
    assert not os.path.exists(shop.path("repos/app"))

    assert "1 repo " in shop.call("saved", "list").stdout

    assert shop.call("saved", "restore", saved.id).exit_code == 0

    assert shop.read("repos/app/local.env") == "secret\n"
    assert shop.git("repos/app", "status", "--porcelain") == ""


def test_an_archive_does_not_replace_what_took_its_place(shop: World) -> None:
    saved = archive_tree(shop.session(), ["repos/app"], path="repos/app", repo="app")
    shop.write("repos/app/new.txt", "new\n")

    ran = shop.call("saved", "restore", saved.id, "--json")

    assert ran.codes == ["restore_conflict"]
    assert shop.read("repos/app/new.txt") == "new\n"


def test_show_names_every_file_and_what_to_type(shop: World) -> None:
    saved_id = put_away(shop)

    ran = shop.call("saved", "show", saved_id)

    assert ran.exit_code == 0
    assert "README.md" in ran.stdout
    assert f"gr2 saved restore {saved_id}" in ran.stdout
