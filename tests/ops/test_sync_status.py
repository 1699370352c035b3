"""`sync status`: what it says, and that it writes nothing."""

from __future__ import annotations

import os
import shutil

import pytest

from gr2.testing import World
from gr2.testing.world import Ran
from tests.ops.sync_stage import APP, applied, head, issue, run, with_lane


def status(world: World, *args: str) -> Ran:
    return world.call("sync", "status", "--json", *args)


def everything(world: World) -> dict[str, tuple[int, int, int]]:
    """Size, mode and time of every file and directory of the workspace, git's own included."""
    found = {}
    for folder, names, files in os.walk(world.root):
        for name in (*names, *files):
            path = os.path.join(folder, name)
            there = os.lstat(path)
            found[path] = (there.st_size, there.st_mode, there.st_mtime_ns)
    return found


def behind(world: World) -> str:
    """Let the mirror know of a commit that the checkout does not have."""
    new = world.commit("app", {"new.txt": "new\n"})
    world.git(".grip/cache/repos/app.git", "fetch", "--quiet", "origin")
    return new


def test_status_writes_nothing_at_all_and_contacts_no_remote(world: World) -> None:
    with_lane(world)
    behind(world)
    world.write(f"{APP}/README.md", "mine\n")
    os.utime(world.path(f"{APP}/run.sh"))  # git would like to refresh its index
    shutil.rmtree(world.remote("app"))
    before = everything(world)

    ran = status(world)

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert everything(world) == before


def test_everything_up_to_date_is_ready(world: World) -> None:
    applied(world)

    ran = status(world)

    assert (ran.exit_code, ran.json["status"], ran.json["issues"]) == (0, "ready", [])
    assert [item["kind"] for item in ran.json["operations"]] == ["cache.refresh"]
    assert (ran.json["dirty"], ran.json["strategy"]) == ("stash", "ff-only")


def test_ahead_and_behind_are_against_the_mirrors_last_fetch(world: World) -> None:
    applied(world)
    world.commit(APP, {"mine.txt": "mine\n"})
    behind(world)

    ran = status(world, "--strategy", "merge")

    row = ran.json["repos"][0]
    assert (row["ahead"], row["behind"], row["upstream"]) == (1, 1, "origin/main")
    assert [item["kind"] for item in ran.json["operations"]] == ["cache.refresh", "checkout.update"]
    assert ran.json["status"] == "ready"


def test_each_row_tells_when_its_mirror_was_fetched(world: World) -> None:
    applied(world)
    first = status(world).json["repos"][0]["fetched_at"]

    run(world)

    second = status(world).json["repos"][0]["fetched_at"]
    assert first < second


@pytest.mark.parametrize(
    ("dirty", "moves", "would"),
    [
        ("stash", True, "stash it, update, and put it back"),
        ("stash", False, "leave it alone"),
        ("discard", True, "discard it"),
        ("block", False, "refuse"),
    ],
)
def test_a_dirty_checkout_is_reported_with_what_a_run_would_do(
    world: World, dirty: str, moves: bool, would: str
) -> None:
    applied(world)
    if moves:
        behind(world)
    world.write(f"{APP}/README.md", "mine\n")

    ran = status(world, "--dirty", dirty)

    found = issue(ran, "dirty_shared_repo")
    assert (found["details"]["would"], found["blocking"]) == (would, dirty == "block")
    assert ran.json["status"] == ("blocked" if dirty == "block" else "attention")
    assert not [item for item in ran.json["operations"] if item["kind"].startswith("work.")]


def test_dirt_of_units_and_lanes_has_codes_of_its_own(world: World) -> None:
    lane = with_lane(world)
    for path in (lane, "agents/alpha/repos/app"):
        world.write(f"{path}/README.md", "mine\n")

    assert {"dirty_unit_repo", "dirty_lane_repo"} <= set(status(world).codes)


def test_what_a_run_would_leave_alone_is_told(world: World) -> None:
    applied(world, repos=["app", "api", "web"])
    world.git("repos/app", "switch", "--quiet", "--create", "mine")
    world.commit("repos/api", {"mine.txt": "mine\n"})
    world.commit("api", {"new.txt": "new\n"})
    world.git(".grip/cache/repos/api.git", "fetch", "--quiet", "origin")
    shutil.rmtree(world.path("repos/web"))

    assert status(world).codes == ["branch_mismatch", "branch_diverged", "not_materialized"]


def test_a_missing_mirror_would_be_seeded(world: World) -> None:
    world.write_spec(repos=["app"], units=[])

    ran = status(world)

    assert ran.json["status"] == "attention"
    assert [item["kind"] for item in ran.json["operations"]] == ["cache.seed"]
    assert ran.json["repos"][0]["fetched_at"] is None
    assert os.listdir(world.path(".grip")) == ["workspace_spec.toml"]


def test_a_lane_of_another_is_told_with_its_lease(world: World) -> None:
    with_lane(world)
    beta = {"GR2_ACTOR": world.other_actor}
    assert world.call("lane", "lease", "acquire", "alpha/feat", env=beta).exit_code == 0

    whole, asked = status(world), status(world, "--lane", "alpha/feat")

    assert (whole.json["status"], issue(whole, "lease_conflict")["blocking"]) == ("attention", False)
    assert (asked.exit_code, asked.json["status"]) == (3, "blocked")


def test_the_screen_says_what_to_type(world: World) -> None:
    applied(world)
    behind(world)

    ran = world.call("sync", "status")

    assert "repos/app  main  -1  clean" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "  gr2 sync run"


def test_a_run_says_what_changed_what_did_not_and_what_to_type(world: World) -> None:
    applied(world, repos=["app", "api"])
    world.commit("app", {"new.txt": "new\n"})
    before = head(world, "repos/api")
    shutil.rmtree(world.remote("api"))

    ran = world.call("sync", "run", "--keep-going", "-q")

    assert "Updated 1 checkout\n" in ran.stdout
    assert "Failed: api\n" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "  gr2 sync run --keep-going"
    assert "error[remote_unreachable]" in ran.stderr
    assert head(world, "repos/api") == before


def test_only_checkouts_without_a_warning_are_called_clean(world: World) -> None:
    applied(world, repos=["app", "api", "web"])
    world.git(APP, "checkout", "--quiet", "--detach")

    ran = world.call("sync", "status")

    assert "2 other checkouts are as the remote was at the last fetch, and clean.\n" in ran.stdout


def test_a_branch_that_was_just_pushed_is_not_called_gone(world: World) -> None:
    lane = with_lane(world)
    world.commit(lane, {"new.txt": "new\n"})
    world.git(lane, "push", "--quiet", "origin", "HEAD")

    ran = world.call("sync", "status", "--lane", "alpha/feat", "--json")

    assert (ran.json["status"], ran.json["issues"]) == ("ready", [])
