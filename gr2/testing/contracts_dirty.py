"""What every dirty strategy promises, as tests. Derive a class, set `strategy`, and let pytest run it:

class TestStash(DirtyStrategyContract):
    strategy = "gr2_example.strategies:Stash"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from gr2.api import Blocked, DirtyCheckout, DirtyStrategy, PluginContext, SavedWork
from gr2.plugin.isolation import import_object
from gr2.testing.dirt import DIRT, make_checkout, state_of_checkout
from gr2.testing.world import World

# How a checkout may be set up: name to (.gitattributes, configuration).
SETUPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "plain": ("", {}),
    "autocrlf": ("", {"core.autocrlf": "true", "core.safecrlf": "true"}),
    "autocrlf input": ("", {"core.autocrlf": "input"}),
    "eol=crlf": ("* text=auto eol=crlf\n*.bin -text\n", {}),
    "text and ident": ("*.txt text\n*.md ident text eol=lf\n", {"core.eol": "crlf"}),
}
_CONVERTED = ("unstaged", "staged and changed again", "untracked", "end of lines", "end of lines, staged", "names")
_PAIRS = [
    *((dirt, "plain") for dirt in DIRT),
    *((dirt, setup) for dirt in _CONVERTED for setup in SETUPS if setup != "plain"),
    ("attributes changed", "eol=crlf"),
]


class DirtyStrategyContract:
    """A strategy that passes loses nothing, and puts back what it says it will, byte by byte."""

    strategy: ClassVar[str] = ""
    """`package.module:Class`, as its provider names it."""

    settings: ClassVar[Any] = None
    """What `PluginContext.settings` holds for it."""

    refuses: ClassVar[bool] = False
    """Whether it refuses uncommitted work instead of putting it away."""

    def make(self, world: World) -> DirtyStrategy:
        """The strategy, made as gr2 makes it."""
        name = self.strategy.rpartition(":")[2].lower()
        context = PluginContext(name=name, session=world.session(), load_settings=lambda: self.settings)
        found: DirtyStrategy = import_object(self.strategy)(context)
        return found

    def checkout(self, path: str, **facts: Any) -> DirtyCheckout:
        """What the strategy is told of the checkout at `path`."""
        told = {"scope": "shared", "repo": "app", "message": "gr2 auto-stash: contract", "confirmed": True, **facts}
        return DirtyCheckout(path=path, operation_id="op_0123456789ab", **told)

    @pytest.mark.parametrize(("dirt", "setup"), _PAIRS)
    def test_work_is_put_away_and_comes_back_byte_by_byte(self, world: World, dirt: str, setup: str) -> None:
        attributes, config = SETUPS[setup]
        path = make_checkout(world, attributes=attributes, config=config)
        clean = state_of_checkout(world, path)
        DIRT[dirt](world, path)
        dirty = state_of_checkout(world, path)

        self._there_and_back(world, path, clean, dirty)

    def test_all_kinds_of_work_at_once_come_back(self, world: World) -> None:
        path = make_checkout(world)
        clean = state_of_checkout(world, path)
        for dirt in ("names", "executable bit taken", "link changed", "binary", "end of lines, staged", "renamed"):
            DIRT[dirt](world, path)

        self._there_and_back(world, path, clean, state_of_checkout(world, path))

    def _there_and_back(self, world: World, path: str, clean: dict[str, str], dirty: dict[str, str]) -> None:
        strategy, checkout = self.make(world), self.checkout(path)
        issues = strategy.plan(checkout)
        assert state_of_checkout(world, path) == dirty, "plan changed something"
        if self.refuses:
            assert [issue.code for issue in issues] == ["dirty_shared_repo"]
            with pytest.raises(Blocked, match="dirty_shared_repo"):
                strategy.put_away(checkout)
            assert state_of_checkout(world, path) == dirty
            return
        assert issues == ()

        put_away = strategy.put_away(checkout)

        assert _visible(state_of_checkout(world, path), put_away.files) == _visible(clean, put_away.files)
        assert world.git(path, "status", "--porcelain", "--untracked-files=all") == ""
        assert put_away.files
        assert put_away.saved_id
        if strategy.restores:
            assert strategy.restore(checkout, put_away.saved_id) == ()
        else:
            assert strategy.restore(checkout, put_away.saved_id)[0].code == "unsupported"
            assert SavedWork(world.session()).restore(put_away.saved_id) == ()
        assert state_of_checkout(world, path) == dirty

    def test_a_clean_checkout_is_left_alone(self, world: World) -> None:
        path = make_checkout(world)
        before = state_of_checkout(world, path)

        assert self.make(world).plan(self.checkout(path)) == ()
        put_away = self.make(world).put_away(self.checkout(path))

        assert (put_away.files, put_away.saved_id) == ((), "")
        assert state_of_checkout(world, path) == before
        assert world.git(path, "stash", "list") == ""

    @pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "bisect"])
    def test_an_operation_in_progress_is_refused(self, world: World, what: str) -> None:
        path = make_checkout(world)
        _begin(world, path, what)
        before = state_of_checkout(world, path)

        issues = self.make(world).plan(self.checkout(path))
        with pytest.raises(Blocked, match="operation_in_progress"):
            self.make(world).put_away(self.checkout(path))

        assert [issue.code for issue in issues] == ["operation_in_progress"]
        assert issues[0].blocking
        assert state_of_checkout(world, path) == before

    @pytest.mark.parametrize(
        "what", ["intent to add", "nested repository", "conflict", "no commit", "ignored in the way"]
    )
    def test_work_that_cannot_be_kept_exactly_is_refused(self, world: World, what: str) -> None:
        path = make_checkout(world)
        _make_unkeepable(world, path, what)
        before = state_of_checkout(world, path)
        code = "dirty_shared_repo" if self.refuses else "dirty_not_savable"

        assert [issue.code for issue in self.make(world).plan(self.checkout(path))] == [code]
        with pytest.raises(Blocked, match=code):
            self.make(world).put_away(self.checkout(path))

        assert state_of_checkout(world, path) == before
        assert world.git(path, "stash", "list") == ""

    def test_ignored_files_stay(self, world: World) -> None:
        path = make_checkout(world)
        DIRT["untracked"](world, path)
        world.write(os.path.join(path, "new/deep/y.ignored"), "ignored\n")
        if self.refuses:
            return

        self.make(world).put_away(self.checkout(path))

        assert world.read(os.path.join(path, "new/deep/y.ignored")) == "ignored\n"
        assert world.read(os.path.join(path, "ignored-dir/deep/x")) == "ignored\n"
        assert not os.path.exists(os.path.join(path, "new/deep/file.txt"))

    def test_a_restore_that_conflicts_leaves_everything_as_it_was(self, world: World) -> None:
        path = make_checkout(world)
        world.write(os.path.join(path, "README.md"), "mine\n")
        if self.refuses:
            return
        saved_id = self.make(world).put_away(self.checkout(path)).saved_id
        world.write(os.path.join(path, "README.md"), "other work\n")
        before = state_of_checkout(world, path)
        stashes = world.git(path, "stash", "list")

        issues = self._restore(world, path, saved_id)

        assert [issue.code for issue in issues] == ["restore_conflict"]
        assert issues[0].details["conflicting_files"] == ["README.md"]
        assert state_of_checkout(world, path) == before
        assert world.git(path, "stash", "list") == stashes

    def test_work_is_merged_onto_commits_that_came_meanwhile(self, world: World) -> None:
        path = make_checkout(world)
        world.write(os.path.join(path, "README.md"), "one\ntwo\nthree\nfour\n")
        world.write(os.path.join(path, "new.txt"), b"new\r\n")
        if self.refuses:
            return
        saved_id = self.make(world).put_away(self.checkout(path)).saved_id
        world.commit(path, {"README.md": "zero\none\ntwo\nthree\n", "dir/a.txt": "A\n"})

        assert self._restore(world, path, saved_id) == ()

        assert world.read(os.path.join(path, "README.md")) == "zero\none\ntwo\nthree\nfour\n"
        assert world.read(os.path.join(path, "dir/a.txt")) == "A\n"
        assert world.git(path, "status", "--porcelain") == " M README.md\n?? new.txt"

    def _restore(self, world: World, path: str, saved_id: str) -> Any:
        strategy = self.make(world)
        if strategy.restores:
            return strategy.restore(self.checkout(path), saved_id)
        return SavedWork(world.session()).restore(saved_id)


def _visible(state: dict[str, str], files: tuple[str, ...]) -> dict[str, str]:
    # A file that is put away may have been checked out anew: its line ends are then as git's settings say.
    names = {f"file {name!r}" for name in files}
    return {key: value for key, value in state.items() if key not in names}


def _begin(world: World, path: str, what: str) -> None:
    world.git(path, "switch", "--quiet", "--create", "other", "HEAD~1")
    world.commit(path, {"README.md": "other\n"})
    world.git(path, "switch", "--quiet", "main")
    if what == "bisect":
        world.git(path, "bisect", "start", "HEAD", "HEAD~2")
        world.write(os.path.join(path, "README.md"), "while bisecting\n")
    else:
        world.git(path, what, "other", check=False)


def _make_unkeepable(world: World, path: str, what: str) -> None:
    world.write(os.path.join(path, "README.md"), "changed\n")
    if what == "intent to add":
        world.write(os.path.join(path, "new.txt"), "new\n")
        world.git(path, "add", "--intent-to-add", "new.txt")
    elif what == "nested repository":
        world.git(path, "init", "--quiet", "nested")
        world.write(os.path.join(path, "nested/file"), "x\n")
    elif what == "conflict":
        blob = world.git(path, "rev-parse", "HEAD:README.md")
        lines = "".join(f"100644 {blob} {stage}\tREADME.md\n" for stage in (1, 2, 3))
        world.git(path, "update-index", "--index-info", stdin=f"0 {'0' * 40}\tREADME.md\n{lines}")
    elif what == "no commit":
        world.git(path, "switch", "--quiet", "--orphan", "fresh", check=False)
        world.git(path, "checkout", "--quiet", "--orphan", "fresher", check=False)
        world.write(os.path.join(path, "README.md"), "changed\n")
    else:
        os.unlink(os.path.join(path, "dir/deep/c.txt"))
        os.rmdir(os.path.join(path, "dir/deep"))
        world.write(os.path.join(path, "dir/deep/c.txt/kept.ignored"), "ignored\n")
