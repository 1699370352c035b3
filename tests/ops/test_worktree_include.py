"""Ignored files that a new lane needs to run."""

from __future__ import annotations

import os

import pytest

from gr2.testing import World

LANE = "agents/alpha/lanes/feat/repos/app"
UNIT = "agents/alpha/repos/app"
INCLUDE = "# local settings\n.env\nconfig/*.local\n!config/secret.local\nlogs/\n"
IGNORE = ".env\n*.local\nlogs/\nnode_modules/\nlink\n"


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app"], units=["alpha"])
    world.commit("app", {".gitignore": IGNORE, ".worktreeinclude": INCLUDE})
    assert world.call("apply").exit_code == 0
    return world


def create(world: World, *args: str) -> None:
    ran = world.call("lane", "create", "feat", *args)
    assert ran.exit_code == 0, ran.stderr


def test_what_the_repo_names_is_copied_from_the_units_checkout(shop: World) -> None:
    shop.write(f"{UNIT}/.env", "TOKEN=1\n")
    os.chmod(shop.path(f"{UNIT}/.env"), 0o640)
    shop.write(f"{UNIT}/config/my.local", "mine\n")
    shop.write(f"{UNIT}/logs/a/b.txt", "deep\n")
    shop.write("repos/app/.env", "of the shared checkout\n")

    create(shop)

    assert shop.read(f"{LANE}/.env") == "TOKEN=1\n"
    assert os.stat(shop.path(f"{LANE}/.env")).st_mode & 0o777 == 0o640
    assert shop.read(f"{LANE}/config/my.local") == "mine\n"
    assert shop.read(f"{LANE}/logs/a/b.txt") == "deep\n"
    assert shop.git(LANE, "status", "--porcelain") == ""
    assert not os.path.samefile(shop.path(f"{LANE}/.env"), shop.path(f"{UNIT}/.env"))


def test_the_shared_checkout_is_used_when_the_unit_has_none(shop: World) -> None:
    shop.write("repos/app/.env", "shared\n")
    os.rename(shop.path(UNIT), shop.path("elsewhere"))

    create(shop)

    assert shop.read(f"{LANE}/.env") == "shared\n"


def test_nothing_else_is_copied(shop: World) -> None:
    for name in ("config/secret.local", "node_modules/x.js", "untracked.txt", "other.local"):
        shop.write(f"{UNIT}/{name}", "no\n")

    create(shop)

    assert sorted(os.listdir(shop.path(LANE))) == [
        ".git",
        ".gitignore",
        ".worktreeinclude",
        "README.md",
        "run.sh",
        "src",
    ]


def test_an_untracked_file_that_is_not_ignored_stays_where_it_is(shop: World) -> None:
    shop.commit("app", {".worktreeinclude": "notes.txt\n.env\n"})
    shop.git(".grip/cache/repos/app.git", "fetch", "--quiet", "origin")
    shop.write(f"{UNIT}/notes.txt", "mine\n")

    create(shop)

    assert not os.path.exists(shop.path(f"{LANE}/notes.txt"))


def test_links_are_not_followed(shop: World) -> None:
    shop.write("secret.txt", "outside\n")
    os.symlink(shop.path("secret.txt"), shop.path(f"{UNIT}/.env"))
    shop.write("outside/my.local", "outside\n")
    os.symlink(shop.path("outside"), shop.path(f"{UNIT}/config"))
    os.mkfifo(shop.path(f"{UNIT}/logs.local"))

    create(shop)

    assert not os.path.lexists(shop.path(f"{LANE}/.env"))
    assert not os.path.lexists(shop.path(f"{LANE}/config"))


def test_a_link_in_the_lanes_commit_is_not_written_through(shop: World) -> None:
    os.makedirs(shop.path("outside"))
    checkout = shop.path("work")
    shop.git("", "clone", "--quiet", shop.remote("app"), checkout)
    os.symlink(shop.path("outside"), os.path.join(checkout, "config"))
    shop.git(checkout, "add", "config")
    shop.git(checkout, "commit", "--quiet", "--message", "a link")
    shop.git(checkout, "push", "--quiet", "origin", "main")
    shop.git(".grip/cache/repos/app.git", "fetch", "--quiet", "origin")
    shop.write(f"{UNIT}/config/my.local", "mine\n")

    create(shop)

    assert os.listdir(shop.path("outside")) == []
    assert os.path.islink(shop.path(f"{LANE}/config"))


def test_a_file_that_cannot_be_read_is_passed_over(shop: World) -> None:
    if os.getuid() == 0:
        os.mkdir(shop.path(f"{UNIT}/.env"))
    else:
        os.chmod(shop.write(f"{UNIT}/.env", "x\n"), 0)
    shop.write(f"{UNIT}/config/my.local", "mine\n")

    create(shop)

    assert shop.read(f"{LANE}/config/my.local") == "mine\n"


def test_a_sparse_lane_stays_empty_outside_its_cone(shop: World) -> None:
    shop.write(f"{UNIT}/.env", "TOKEN=1\n")
    shop.write(f"{UNIT}/config/my.local", "mine\n")

    create(shop, "--sparse", "src")

    assert shop.read(f"{LANE}/.env") == "TOKEN=1\n"
    assert not os.path.exists(shop.path(f"{LANE}/config"))


def test_names_of_any_kind_are_copied(shop: World) -> None:
    shop.write(f"{UNIT}/logs/with space\nand line.txt", b"\x00\xff")

    create(shop)

    with open(shop.path(f"{LANE}/logs/with space\nand line.txt"), "rb") as file:
        assert file.read() == b"\x00\xff"
