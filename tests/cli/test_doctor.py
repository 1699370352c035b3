"""`gr2 doctor` and `gr2 gc`."""

from __future__ import annotations

import os
import shutil

import pytest

from gr2.ops.gc import gc
from gr2.plugin.protocols import DirtyCheckout
from gr2.store.cursors import Cursor, write_cursor
from gr2.store.saved import all_saved
from gr2.store.saved_files import archive_tree
from gr2.store.saved_work import SavedWork
from gr2.testing import Ran, World


@pytest.fixture
def shop(world: World) -> World:
    """A materialized workspace."""
    world.write_spec(repos=("app",), units=("alpha",))
    assert world.call("apply").exit_code == 0
    return world


def results(ran: Ran) -> dict[str, str]:
    return {check["id"]: check["result"] for check in ran.json["checks"]}


def put_away(world: World, kind: str, path: str = "repos/app") -> str:
    world.write(f"{path}/README.md", f"{kind}\n")
    place = DirtyCheckout(path=world.path(path), scope="shared", repo="app", message="m")
    saved = SavedWork(world.session()).put_away(place, "stash" if kind == "stash" else "discard")
    assert saved is not None
    return saved.id


def test_a_healthy_workspace_passes_every_check(shop: World) -> None:
    ran = shop.call("doctor", "--json")

    assert (ran.exit_code, ran.json["status"], ran.json["operation_id"]) == (0, "ok", None)
    assert set(results(ran).values()) <= {"ok", "skip"}
    assert set(ran.json["checks"][0]) >= {"id", "result", "message", "hint"}


def test_what_stands_in_the_way_of_apply_is_found(shop: World) -> None:
    assert results(shop.call("doctor", "--json"))["apply"] == "ok"
    shutil.rmtree(shop.path("repos/app"))
    shop.write("repos/app/keep", "mine")
    ran = shop.call("doctor", "--json")
    assert results(ran)["apply.app"] == "fail"
    assert f"move {shop.path('repos/app')} away, then gr2 apply" in [check["hint"] for check in ran.json["checks"]]


def test_a_url_that_changed_in_the_spec_is_found(shop: World) -> None:
    shop.write_spec(repos={"app": {"url": shop.remote("other")}}, units=("alpha",))
    ran = shop.call("doctor", "--json")
    assert (ran.exit_code, results(ran)["apply.app"]) == (1, "fail")
    assert "gr2 apply --accept-url app" in [check["hint"] for check in ran.json["checks"]]


def test_without_fix_nothing_is_written(shop: World) -> None:
    before = {name: os.stat(name).st_mtime_ns for name, _, _ in os.walk(shop.path(".grip"))}

    shop.call("doctor")

    assert {name: os.stat(name).st_mtime_ns for name, _, _ in os.walk(shop.path(".grip"))} == before


def test_a_consumer_that_the_log_no_longer_fits_is_named(shop: World) -> None:
    session = shop.session()
    write_cursor(session.layout, Cursor(consumer="rec", last_seq=99, last_event_id="0" * 16))
    shop.write(".grip/events/cursors/other.json", "broken")

    ran = shop.call("doctor", "--json")

    rows = {check["id"]: check for check in ran.json["checks"]}
    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert (rows["cursor.rec"]["result"], rows["cursor.other"]["result"]) == ("warn", "warn")
    assert "does not fit the event log" in rows["cursor.rec"]["message"]
    assert rows["cursor.rec"]["hint"] == "gr2 events deliver --sink rec --from start"


def test_a_broken_spec_is_one_failed_check_among_others(shop: World) -> None:
    shop.write(".grip/workspace_spec.toml", "workspace_name = [\n")

    ran = shop.call("doctor", "--fix", "--json")

    found = results(ran)
    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert (found["spec"], found["git"], found["outbox"]) == ("fail", "ok", "ok")


def test_a_workspace_that_was_moved_is_put_right(shop: World) -> None:
    moved = f"{shop.root}-moved"
    os.rename(shop.root, moved)
    before = shop.call("-C", moved, "doctor", "--json", cwd=moved)

    fixed = shop.call("-C", moved, "doctor", "--fix", "--json", cwd=moved)

    assert results(before)["checkout.repos/app"] == "fail"
    assert (fixed.exit_code, results(fixed)["checkout.repos/app"]) == (0, "ok")
    assert [check["fixed"] for check in fixed.json["checks"] if check["id"].startswith("checkout.")] == [True, True]
    assert shop.git(os.path.join(moved, "repos/app"), "fsck", "--connectivity-only") == ""
    os.rename(moved, shop.root)


def test_a_mirror_whose_objects_are_not_protected_is_put_right(shop: World) -> None:
    mirror = ".grip/cache/repos/app.git"
    shop.git(mirror, "config", "--unset", "extensions.preciousObjects")

    assert results(shop.call("doctor", "--json"))["mirror.app"] == "warn"
    assert results(shop.call("doctor", "--fix", "--json"))["mirror.app"] == "ok"

    assert shop.git(mirror, "config", "extensions.preciousObjects") == "true"


def test_a_mirror_that_is_gone_bad_is_told_and_left_alone(shop: World) -> None:
    shutil.rmtree(shop.path(".grip/cache/repos/app.git/refs"))

    ran = shop.call("doctor", "--fix", "--json")

    assert (ran.exit_code, results(ran)["mirror.app"]) == (1, "fail")


def test_an_unreadable_line_in_the_log_is_told(shop: World) -> None:
    with open(shop.path(".grip/events/outbox.jsonl"), "a", encoding="utf-8") as file:
        file.write("junk\n")

    assert results(shop.call("doctor", "--json"))["outbox"] == "warn"


def test_directories_that_are_open_to_others_are_closed(shop: World) -> None:
    os.chmod(shop.path(".grip/state"), 0o755)

    assert results(shop.call("doctor", "--json"))["permissions.state"] == "warn"
    assert results(shop.call("doctor", "--fix", "--json"))["permissions.state"] == "ok"

    assert os.stat(shop.path(".grip/state")).st_mode & 0o777 == 0o700


def test_a_clock_that_went_back_is_told(shop: World) -> None:
    log = shop.read(".grip/events/outbox.jsonl")
    year = log.partition('"timestamp":')[2].strip().strip('"')[:4]
    shop.write(".grip/events/outbox.jsonl", log.replace(f'"{year}-', '"2199-'))

    assert results(shop.call("doctor", "--json"))["clock"] == "warn"


def test_a_git_that_is_missing_is_told(shop: World) -> None:
    ran = shop.call("doctor", "--json", env={"PATH": "/nowhere"})

    assert (ran.exit_code, results(ran)["git"]) == (1, "fail")


def test_text_ends_with_what_to_type(shop: World) -> None:
    os.chmod(shop.path(".grip/state"), 0o755)

    assert shop.call("doctor").stdout.splitlines()[-1].strip() == "gr2 doctor --fix"


def test_gc_removes_old_discards_and_archives_and_never_a_stash(shop: World) -> None:
    stash, discard = put_away(shop, "stash"), put_away(shop, "discard")
    archive = archive_tree(shop.session(), ["agents/alpha/repos/app"], path="agents/alpha/repos/app", repo="app").id
    shop.clock.advance(31 * 24 * 3600)
    young = put_away(shop, "discard")

    result = gc(shop.session())

    assert {item.saved_id for item in result.removed} == {discard, archive}
    assert {saved.id for saved in all_saved(shop.session().layout)[0]} == {stash, young}
    assert os.listdir(shop.path(".grip/trash")) == []
    refs = shop.git("repos/app", "for-each-ref", "--format=%(refname)", "refs/gr2").splitlines()
    assert sorted(refs) == sorted(f"refs/gr2/saved/{saved_id}" for saved_id in (stash, young))


def test_gc_keeps_an_archive_that_holds_a_stash(shop: World) -> None:
    shop.write("agents/alpha/repos/app/README.md", "half done")
    shop.git("agents/alpha/repos/app", "stash", "push", "--quiet")
    archive_tree(shop.session(), ["agents/alpha/repos/app"], path="agents/alpha/repos/app", repo="app")
    shop.clock.advance(31 * 24 * 3600)

    assert gc(shop.session()).removed == ()


def test_gc_forgets_what_was_restored_long_ago(shop: World) -> None:
    saved_id = put_away(shop, "stash")
    SavedWork(shop.session()).restore(saved_id)
    shop.clock.advance(31 * 24 * 3600)

    gc(shop.session())

    assert all_saved(shop.session().layout)[0] == []
    assert shop.git("repos/app", "for-each-ref", "refs/gr2") == ""
    assert shop.git("repos/app", "status", "--porcelain") == " M README.md"


def test_gc_lets_go_of_branches_as_they_were_before_an_old_rebase(shop: World) -> None:
    folder = "repos/app/.git/refs/gr2/saved"
    for name in ("op_000000000001", "op_000000000002"):
        shop.git("repos/app", "update-ref", f"refs/gr2/saved/{name}", "HEAD")
    old = shop.session().clock.now().timestamp() - 31 * 24 * 3600
    os.utime(shop.path(f"{folder}/op_000000000001"), (old, old))
    now = shop.session().clock.now().timestamp()
    os.utime(shop.path(f"{folder}/op_000000000002"), (now, now))

    result = gc(shop.session())

    assert [(item.kind, item.path) for item in result.removed] == [("rebased", "repos/app")]
    assert os.listdir(shop.path(folder)) == ["op_000000000002"]


def test_a_dry_run_shows_and_removes_nothing(shop: World) -> None:
    saved_id = put_away(shop, "discard")
    shop.write(".grip/state/logs/gr2-crash-old.log", "old\n")
    os.utime(shop.path(".grip/state/logs/gr2-crash-old.log"), (0, 0))
    shop.clock.advance(31 * 24 * 3600)

    result = gc(shop.session(), dry_run=True)

    assert [(item.kind, item.path) for item in result.removed] == [
        ("saved", "repos/app"),
        ("log", ".grip/state/logs/gr2-crash-old.log"),
    ]
    assert [saved.id for saved in all_saved(shop.session().layout)[0]] == [saved_id]
    assert os.path.exists(shop.path(".grip/state/logs/gr2-crash-old.log"))


def test_gc_removes_what_a_killed_operation_left(shop: World) -> None:
    shop.write(".grip/tmp/stray/file", "x\n")

    shown = shop.call("gc", "--dry-run", "--json")
    ran = shop.call("gc", "--json")

    assert (
        shown.json["removed"]
        == ran.json["removed"]
        == [{"kind": "temporary", "path": ".grip/tmp/stray", "saved_id": ""}]
    )
    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert not os.path.exists(shop.path(".grip/tmp/stray"))
