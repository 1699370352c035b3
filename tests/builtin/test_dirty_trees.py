"""Whatever a person does to a small tree, putting the work away and back gives every byte back."""

from __future__ import annotations

import os
import shutil
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gr2.plugin.protocols import DirtyCheckout
from gr2.store.saved_work import SavedWork
from gr2.testing import World
from gr2.testing.dirt import state_of_checkout

NAMES = ["a", "b", "a/a", "a/b", "b/a", "d e", "l\nf", "\u00e9", ".gitattributes"]
BYTES = [b"", b"one\n", b"one\r\ntwo\n", b"\x00\xff\r", b"* text=auto eol=crlf\n"]
STEP = st.tuples(
    st.sampled_from(["write", "executable", "link", "remove", "stage", "unstage", "forget"]),
    st.sampled_from(NAMES),
    st.sampled_from(BYTES),
)


def take(world: World, path: str, steps: list[tuple[str, str, bytes]]) -> None:
    for what, name, content in steps:
        full = os.path.join(path, name)
        if what in {"write", "executable", "link"}:
            clear(path, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if what == "link":
                os.symlink(os.fsencode(name) + b"\n" + content[:1].replace(b"\0", b""), os.fsencode(full))
            else:
                world.write(full, content)
                os.chmod(full, 0o755 if what == "executable" else 0o644)
        elif what == "remove" and os.path.lexists(full):
            clear(path, name)
        elif what == "stage":
            world.git(path, "add", "--all", "--", name, check=False)
        elif what == "unstage":
            world.git(path, "reset", "--quiet", "--", name, check=False)
        elif what == "forget":
            world.git(path, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "--", name)


def clear(path: str, name: str) -> None:
    """Make room for `name`: what stands there, and files where its directories belong, go."""
    parts = name.split("/")
    for count in range(1, len(parts) + 1):
        full = os.path.join(path, *parts[:count])
        if os.path.islink(full) or os.path.isfile(full):
            os.unlink(full)
        elif os.path.isdir(full) and count == len(parts):
            shutil.rmtree(full)


@pytest.mark.parametrize("kind", ["stash", "discard"])
@given(committed=st.lists(STEP, max_size=6), steps=st.lists(STEP, min_size=1, max_size=8))
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_work_comes_back(
    world: World,
    kind: Literal["stash", "discard"],
    committed: list[tuple[str, str, bytes]],
    steps: list[tuple[str, str, bytes]],
) -> None:
    path = world.path(f"t{world.ids.hex(8)}")
    world.git("", "init", "--quiet", path)
    world.write(os.path.join(path, "b"), "committed\n")
    take(world, path, committed)
    world.git(path, "add", "--all")
    world.git(path, "commit", "--quiet", "--allow-empty", "--message", "first")
    world.git(path, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", ".")
    world.git(path, "reset", "--quiet", "--hard")
    take(world, path, steps)
    before = state_of_checkout(world, path)
    work = SavedWork(world.session())
    checkout = DirtyCheckout(path=path, scope="shared", repo="app", message="m")

    saved = work.put_away(checkout, kind)

    assert world.git(path, "status", "--porcelain", "--untracked-files=all") == ""
    if saved is not None:
        assert work.restore(saved.id) == ()
    assert state_of_checkout(world, path) == before
