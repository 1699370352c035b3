"""The built-in dirty strategies keep the contract of all dirty strategies."""

from __future__ import annotations

import pytest

from gr2.testing import DirtyStrategyContract, World


class TestStash(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Stash"


class TestDiscard(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Discard"

    def test_without_a_word_of_consent_nothing_is_discarded(self, world: World) -> None:
        path = world.path("repos/app")
        world.git("", "clone", "--quiet", world.remote("app"), path)
        world.write("repos/app/README.md", "mine\n")
        world.write("repos/app/new.txt", "new\n")

        issues = self.make(world).plan(self.checkout(path, confirmed=False))

        assert [issue.code for issue in issues] == ["confirmation_required"]
        assert issues[0].details["files"] == ["README.md", "new.txt"]
        assert world.read("repos/app/README.md") == "mine\n"


class TestBlock(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Block"
    refuses = True

    # It takes nothing away, so a few kinds of work tell as much as all.
    @pytest.mark.parametrize(("dirt", "setup"), [("staged", "plain"), ("untracked", "plain"), ("deleted", "plain")])
    def test_work_is_put_away_and_comes_back_byte_by_byte(self, world: World, dirt: str, setup: str) -> None:
        super().test_work_is_put_away_and_comes_back_byte_by_byte(world, dirt, setup)

    @pytest.mark.parametrize(
        ("scope", "code"), [("shared", "dirty_shared_repo"), ("unit", "dirty_unit_repo"), ("lane", "dirty_lane_repo")]
    )
    def test_the_code_names_the_kind_of_checkout(self, world: World, scope: str, code: str) -> None:
        path = world.path("repos/app")
        world.git("", "clone", "--quiet", world.remote("app"), path)
        world.write("repos/app/README.md", "mine\n")

        assert [issue.code for issue in self.make(world).plan(self.checkout(path, scope=scope))] == [code]
