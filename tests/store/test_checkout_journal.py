"""A checkout that a killed gr2 left half changed is made whole, and a person's own things are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from gr2.edges.locks import is_held
from gr2.errors import Blocked, Failed, Interrupted
from gr2.plugin.protocols import DirtyCheckout
from gr2.store.journal import checkout_change, journal_path, lock_path, needs_recovery
from gr2.store.saved import SavedState, all_saved, set_state
from gr2.store.saved_files import archive_tree, finish_archives
from gr2.store.saved_work import SavedWork
from gr2.testing import World

APP = "repos/app"


class Killed(BaseException):
    """Stands for SIGKILL: nothing is undone when it passes."""


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=("app",))
    world.git("", "clone", "--quiet", world.remote("app"), APP)
    return world


def place_of(world: World) -> DirtyCheckout:
    return DirtyCheckout(path=world.path(APP), scope="shared", repo="app", message="m")


def die_in_change(world: World, body: Callable[[], object], **facts: object) -> None:
    """Begin a change of the checkout, note `facts`, do `body`, and die."""
    with pytest.raises(Killed), checkout_change(world.session(), APP, what="test", operation_id="op_1") as change:
        if facts:
            change.note(**facts)
        body()
        raise Killed


def recover(world: World) -> list[str]:
    return [issue.code for issue in SavedWork(world.session()).recover(APP)]


def head(world: World) -> str:
    return world.git(APP, "rev-parse", "HEAD")


def status(world: World) -> str:
    return world.git(APP, "status", "--porcelain")


def test_nothing_is_left_of_a_change_that_ended_well(shop: World) -> None:
    session = shop.session()

    with checkout_change(session, APP, what="test"):
        assert needs_recovery(session.layout, APP)
        assert is_held(lock_path(session.layout, APP))

    assert not needs_recovery(session.layout, APP)
    assert not is_held(lock_path(session.layout, APP))


def test_a_lock_of_the_killed_git_is_removed(shop: World) -> None:
    die_in_change(shop, lambda: [shop.write(f"{APP}/.git/{name}", "") for name in ("index.lock", "refs/heads/x.lock")])

    recover(shop)

    assert not os.path.exists(shop.path(f"{APP}/.git/index.lock"))
    assert not os.path.exists(shop.path(f"{APP}/.git/refs/heads/x.lock"))


def test_a_lock_older_than_the_journal_stays(shop: World) -> None:
    lock = shop.write(f"{APP}/.git/index.lock", "")
    os.utime(lock, (1, 1))
    die_in_change(shop, lambda: None)

    recover(shop)

    assert os.path.exists(lock)


def test_a_lock_that_a_live_process_holds_stays(shop: World) -> None:
    lock = shop.path(f"{APP}/.git/index.lock")
    die_in_change(shop, lambda: None)
    script = "import sys; f = open(sys.argv[1], 'w'); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()

        recover(shop)

        assert os.path.exists(lock)
    finally:
        holder.communicate()


def test_another_gr2_waits_for_the_children_of_a_killed_one(shop: World) -> None:
    session = shop.session(wait_seconds=0.1)
    with checkout_change(session, APP, what="test") as change:
        child = subprocess.Popen(["sleep", "60"], pass_fds=change.git.inherit)
    try:
        with pytest.raises(Blocked, match="workspace_locked") as refusal, checkout_change(session, APP, what="test"):
            pass
    finally:
        child.kill()
        child.wait()

    assert refusal.value.details["actor"] == "agent:alpha"
    with checkout_change(session, APP, what="test"):
        pass


def test_two_threads_take_turns(shop: World) -> None:
    inside: list[str] = []

    def work(name: str) -> None:
        with checkout_change(shop.session(wait_seconds=30), APP, what=name):
            inside.append(name)
            assert len(inside) == 1
            inside.remove(name)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not os.path.exists(journal_path(shop.session().layout, APP))


def test_a_change_inside_a_change_of_the_same_checkout_joins_it(shop: World) -> None:
    session = shop.session(wait_seconds=0)

    with checkout_change(session, APP, what="outer") as outer, checkout_change(session, APP, what="inner") as inner:
        assert inner is outer


def test_putting_away_that_was_cut_short_is_undone(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    shop.write(f"{APP}/new.txt", "new\n")
    saved = SavedWork(shop.session()).put_away(place_of(shop), "stash")
    assert saved is not None
    set_state(shop.session(), saved, SavedState.SAVING)
    # As if gr2 had died while git was writing README.md back: it is there in part.
    shop.write(f"{APP}/README.md", shop.read(f"{APP}/README.md")[:1])
    die_in_change(shop, lambda: None, saved=saved.id)

    assert recover(shop) == []

    assert shop.read(f"{APP}/README.md") == "mine\n"
    assert shop.read(f"{APP}/new.txt") == "new\n"
    assert shop.git(APP, "stash", "list") == ""
    assert all_saved(shop.session().layout)[0] == []
    assert shop.git(APP, "for-each-ref", "refs/gr2") == ""


def test_what_a_person_wrote_after_the_kill_stays_and_so_does_the_saved_work(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    shop.write(f"{APP}/run.sh", "mine\n")
    saved = SavedWork(shop.session()).put_away(place_of(shop), "stash")
    assert saved is not None
    set_state(shop.session(), saved, SavedState.SAVING)
    die_in_change(shop, lambda: None, saved=saved.id)
    shop.write(f"{APP}/README.md", "written after the kill\n")

    assert recover(shop) == ["stash_kept"]

    assert shop.read(f"{APP}/README.md") == "written after the kill\n"
    assert shop.read(f"{APP}/run.sh") == "mine\n"
    assert [(found.id, found.state) for found in all_saved(shop.session().layout)[0]] == [(saved.id, "kept")]
    assert len(shop.git(APP, "stash", "list").splitlines()) == 1


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("half", ["stored", "dropped"])
def test_a_stash_entry_that_git_had_half_stored_or_dropped_is_none(shop: World, half: str, others: int) -> None:
    for number in range(others):
        shop.write(f"{APP}/README.md", f"a person's {number}\n")
        shop.git(APP, "stash", "push", "--quiet", "--message", "by hand")
    before = shop.git(APP, "for-each-ref", "refs/stash")
    shop.write(f"{APP}/README.md", "mine\n")
    saved = SavedWork(shop.session()).put_away(place_of(shop), "stash")
    assert saved is not None
    ref, log = shop.path(f"{APP}/.git/refs/stash"), shop.path(f"{APP}/.git/logs/refs/stash")
    if half == "stored":
        os.unlink(ref)
        if before:
            shop.write(ref, before.split()[0] + "\n")
    else:
        shop.write(log, "".join(shop.read(log).splitlines(keepends=True)[:-1]))
    set_state(shop.session(), saved, SavedState.SAVING)
    die_in_change(shop, lambda: None, saved=saved.id)

    assert recover(shop) == []

    assert shop.git(APP, "for-each-ref", "refs/stash") == before
    assert len(shop.git(APP, "stash", "list").splitlines()) == others
    again = SavedWork(shop.session()).put_away(place_of(shop), "stash")
    assert again is not None
    assert len(shop.git(APP, "stash", "list").splitlines()) == others + 1
    assert shop.git(APP, "rev-parse", "refs/stash") == again.stash


def test_an_update_that_was_cut_short_is_undone(shop: World) -> None:
    old = head(shop)
    new = shop.commit(APP, {"README.md": "new\n" * 100, "added.txt": "added\n", "src/app.txt": None})
    shop.git(APP, "reset", "--quiet", "--hard", old)

    def half() -> None:
        shop.write(f"{APP}/README.md", "new\n" * 7)
        shop.write(f"{APP}/added.txt", "added\n")
        os.unlink(shop.path(f"{APP}/src/app.txt"))

    die_in_change(shop, half, update={"kind": "fast-forward", "from": old, "to": new})

    assert recover(shop) == []

    assert (head(shop), status(shop)) == (old, "")


@pytest.mark.parametrize(("kind", "left"), [("stash", "?? mine.txt"), ("discard", "")])
def test_an_update_that_was_finished_stays(shop: World, kind: Literal["stash", "discard"], left: str) -> None:
    old = head(shop)
    shop.write(f"{APP}/mine.txt", "mine\n")
    saved = SavedWork(shop.session()).put_away(place_of(shop), kind)
    assert saved is not None
    new = shop.commit(APP, {"README.md": "new\n"})
    die_in_change(shop, lambda: None, saved=saved.id, update={"kind": "fast-forward", "from": old, "to": new})

    assert recover(shop) == []

    assert (head(shop), status(shop)) == (new, left)
    assert shop.git(APP, "stash", "list") == ""
    [found] = all_saved(shop.session().layout)[0]
    assert found.state == ("kept" if kind == "discard" else "restored")


def test_a_file_that_a_person_changed_in_the_middle_of_an_update_stays(shop: World) -> None:
    old = head(shop)
    new = shop.commit(APP, {"README.md": "new\n"})
    shop.git(APP, "reset", "--quiet", "--hard", old)
    change = lambda: shop.write(f"{APP}/README.md", "a person's\n")  # noqa: E731
    die_in_change(shop, change, update={"kind": "fast-forward", "from": old, "to": new})

    assert recover(shop) == ["update_unfinished"]

    assert shop.read(f"{APP}/README.md") == "a person's\n"


def test_gr2s_own_unfinished_rebase_is_undone(shop: World) -> None:
    old, new = _diverged(shop)
    rebase = lambda: shop.git(APP, "rebase", new, check=False)  # noqa: E731
    die_in_change(shop, rebase, update={"kind": "rebase", "from": old, "to": new})

    assert recover(shop) == []

    assert (head(shop), status(shop), shop.git(APP, "branch", "--show-current")) == (old, "", "main")


def test_gr2s_own_unfinished_merge_is_undone(shop: World) -> None:
    old, new = _diverged(shop)
    merge = lambda: shop.git(APP, "merge", new, check=False)  # noqa: E731
    die_in_change(shop, merge, update={"kind": "merge", "from": old, "to": new})

    assert recover(shop) == []

    assert (head(shop), status(shop)) == (old, "")


@pytest.mark.parametrize(("what", "saved"), [("merge", ["README.md"]), ("rebase", ["README.md", "src/app.txt"])])
def test_what_a_person_did_in_gr2s_own_unfinished_merge_or_rebase_is_saved(
    shop: World, what: str, saved: list[str]
) -> None:
    old, new = _diverged(shop)
    stop = lambda: shop.git(APP, what, new, check=False)  # noqa: E731
    die_in_change(shop, stop, update={"kind": what, "from": old, "to": new})
    shop.write(f"{APP}/README.md", "resolved by hand\n")
    shop.write(f"{APP}/src/app.txt", "and another\n")

    assert recover(shop) == ["saved_work"] * len(saved)

    assert head(shop) == old
    found = all_saved(shop.session().layout)[0]
    assert sorted(each.path for each in found) == [f"{APP}/{name}" for name in saved]
    for each in found:
        assert shop.call("saved", "restore", each.id).exit_code == 0
    assert shop.read(f"{APP}/README.md") == "resolved by hand\n"
    assert shop.read(f"{APP}/src/app.txt") == "and another\n"


def test_what_a_person_did_between_two_steps_of_a_killed_rebase_is_saved(shop: World) -> None:
    base = head(shop)
    new = shop.commit(APP, {"README.md": "theirs\n"})
    shop.git(APP, "reset", "--quiet", "--hard", base)
    shop.commit(APP, {"one.txt": "one\n"})
    old = shop.commit(APP, {"two.txt": "two\n"})
    stop = lambda: shop.git(APP, "-c", "sequence.editor=sed -i 1s/^/break\\\\n/", "rebase", "-i", new)  # noqa: E731
    die_in_change(shop, stop, update={"kind": "rebase", "from": old, "to": new})
    shop.write(f"{APP}/README.md", "worked on\n")

    assert recover(shop) == ["saved_work"]

    assert (head(shop), status(shop)) == (old, "")
    [saved] = all_saved(shop.session().layout)[0]
    assert shop.call("saved", "restore", saved.id).exit_code == 0
    assert shop.read(f"{APP}/README.md") == "worked on\n"


def test_a_persons_own_rebase_is_left_alone(shop: World) -> None:
    old, new = _diverged(shop)
    die_in_change(shop, lambda: None, update={"kind": "merge", "from": old, "to": new})
    shop.git(APP, "rebase", new, check=False)
    before = status(shop)

    recover(shop)

    assert status(shop) == before
    assert os.path.isdir(shop.path(f"{APP}/.git/rebase-merge"))


def _diverged(world: World) -> tuple[str, str]:
    base = head(world)
    new = world.commit(APP, {"README.md": "theirs\n"})
    world.git(APP, "reset", "--quiet", "--hard", base)
    return world.commit(APP, {"README.md": "ours\n"}), new


def test_an_error_in_the_middle_is_undone_at_once(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    work = SavedWork(shop.session())

    with pytest.raises(Failed, match="disk_full"), checkout_change(shop.session(), APP, what="sync"):
        assert work.put_away(place_of(shop), "stash") is not None
        assert status(shop) == ""
        raise Failed("disk_full", "no space left")

    assert shop.read(f"{APP}/README.md") == "mine\n"
    assert not needs_recovery(shop.session().layout, APP)


def test_ctrl_c_in_the_middle_is_undone_at_once(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    session = shop.session()

    def press(argv: Sequence[str]) -> None:
        if "checkout-index" in argv:
            session.runner.cancellation.trip(2)

    session.runner._trace = press
    with pytest.raises(Interrupted):
        SavedWork(session).put_away(place_of(shop), "stash")

    assert shop.read(f"{APP}/README.md") == "mine\n"
    assert shop.git(APP, "stash", "list") == ""
    assert not needs_recovery(session.layout, APP)


def test_a_file_that_changes_while_it_is_put_away_stays(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    shop.write(f"{APP}/new.txt", "new\n")
    session = shop.session()

    def type_on(argv: Sequence[str]) -> None:
        if "stash" in argv:
            shop.write(f"{APP}/new.txt", "new and newer\n")

    session.runner._trace = type_on
    with pytest.raises(Failed, match="work_changed"):
        SavedWork(session).put_away(place_of(shop), "stash")

    assert shop.read(f"{APP}/new.txt") == "new and newer\n"
    assert shop.read(f"{APP}/README.md") == "mine\n"
    assert [found.files for found in all_saved(session.layout)[0]] == [("README.md", "new.txt")]


def test_work_in_an_archived_checkout_says_how_to_have_that_back(shop: World) -> None:
    shop.write(f"{APP}/README.md", "mine\n")
    saved = SavedWork(shop.session()).put_away(place_of(shop), "stash")
    assert saved is not None
    archive = archive_tree(shop.session(), [APP], path=APP)

    with pytest.raises(Blocked, match="path_conflict") as refusal:
        SavedWork(shop.session()).restore(saved.id)

    assert refusal.value.hint == f"gr2 saved restore {archive.id}"


def test_an_archiving_that_was_cut_short_is_finished(shop: World) -> None:
    shop.git("", "clone", "--quiet", shop.remote("api"), "repos/api")
    saved = archive_tree(shop.session(), [APP, "repos/api"], path="repos")
    set_state(shop.session(), saved, SavedState.SAVING)
    os.rename(shop.path(f".grip/trash/{saved.id}/1-api"), shop.path("repos/api"))

    finished = finish_archives(shop.session())

    assert [(found.id, found.state) for found in finished] == [(saved.id, "kept")]
    assert os.listdir(shop.path("repos")) == []


def test_an_archiving_that_moved_nothing_yet_is_forgotten(shop: World) -> None:
    saved = archive_tree(shop.session(), [APP], path=APP)
    set_state(shop.session(), saved, SavedState.SAVING)
    os.rename(shop.path(f".grip/trash/{saved.id}/0-app"), shop.path(APP))

    assert finish_archives(shop.session()) == []

    assert all_saved(shop.session().layout)[0] == []
    assert status(shop) == ""


def test_a_journal_of_a_checkout_that_is_gone_is_forgotten(shop: World) -> None:
    die_in_change(shop, lambda: None)
    os.rename(shop.path(APP), shop.path("elsewhere"))

    assert recover(shop) == []

    assert not needs_recovery(shop.session().layout, APP)
