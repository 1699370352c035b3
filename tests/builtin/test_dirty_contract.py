"""The built-in dirty strategies keep the contract of all dirty strategies, and promises of their own."""

from __future__ import annotations

from gr2.testing import DirtyStrategyContract


class TestStash(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Stash"


class TestDiscard(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Discard"


class TestBlock(DirtyStrategyContract):
    strategy = "gr2.builtin.dirty:Block"
    refuses = True
