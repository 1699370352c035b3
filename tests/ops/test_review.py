"""`review checkout-pr`: somebody's pull request in a lane of its own, and nothing of it is run."""

from __future__ import annotations

import os
import shutil

import pytest

from gr2.testing import Ran, World
from tests.ops.pr_stage import LANE, Stage, codes

NAME = "review-app-1"
CHECKOUT = f"agents/beta/lanes/{NAME}/repos/app"


@pytest.fixture
def stage(world: World) -> Stage:
    stage = Stage(world, repos=["app"])
    assert stage.create().exit_code == 0
    return stage


def _checkout(stage: Stage, number: int = 1) -> Ran:
    return stage.world.call("review", "checkout-pr", "app", str(number), "--unit", "beta", "--json")


def test_a_pull_request_gets_a_review_lane_on_its_head(stage: Stage) -> None:
    ran = _checkout(stage)

    head = stage.child("app")["head_sha"]
    lane, pull = ran.json["lane"], ran.json["pr"]
    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert (lane["lane_name"], lane["owner_unit"], lane["lane_type"]) == (NAME, "beta", "review")
    assert [row["repo"] for row in lane["repos"]] == ["app"]
    assert (pull["repo"], pull["pr_number"], pull["title"], pull["head_sha"]) == ("app", 1, "Title", head)
    assert (ran.json["old_sha"], ran.json["new_sha"]) == (None, head)
    assert stage.world.git(CHECKOUT, "rev-parse", "HEAD") == head
    assert stage.world.read(f"{CHECKOUT}/new.txt") == "new\n"
    created = [event for event in stage.events("lane.") if event["lane_name"] == NAME]
    assert [(event["type"], event["owner_unit"]) for event in created] == [("lane.created", "beta")]


def test_again_it_stays_and_with_new_commits_it_moves(stage: Stage) -> None:
    first = _checkout(stage).json["new_sha"]
    same = _checkout(stage)
    assert (same.exit_code, same.json["old_sha"], same.json["new_sha"]) == (0, first, first)
    stage.commit("app", "more.txt")
    stage.create()

    moved = _checkout(stage)

    assert (moved.json["old_sha"], moved.json["new_sha"]) == (first, stage.child("app")["head_sha"])
    assert stage.world.git(CHECKOUT, "rev-parse", "HEAD") == moved.json["new_sha"] != first
    assert stage.world.git(CHECKOUT, "status", "--porcelain") == ""
    assert len(stage.events("lane.created")) == 2


def test_a_rewritten_pull_request_is_followed(stage: Stage) -> None:
    _checkout(stage)
    checkout = f"{LANE}/repos/app"
    stage.world.git(checkout, "commit", "--quiet", "--amend", "--message", "rewritten")
    stage.world.git(checkout, "push", "--quiet", "--force", "origin", "feat")

    moved = _checkout(stage)

    assert moved.exit_code == 0
    assert stage.world.git(CHECKOUT, "log", "-1", "--format=%s") == "rewritten"


def test_a_pull_request_from_a_fork_is_fetched_by_its_ref(stage: Stage) -> None:
    """The commit is in no branch of the repository, as with a fork."""
    stage.world.git(stage.world.remote("app"), "update-ref", "-d", "refs/heads/feat")

    ran = _checkout(stage)

    assert (ran.exit_code, ran.json["new_sha"]) == (0, stage.child("app")["head_sha"])


@pytest.mark.parametrize("work", ["commit", "file", "change", "branch"])
def test_work_in_the_review_lane_is_never_moved_away(stage: Stage, work: str) -> None:
    _checkout(stage)
    world = stage.world
    if work == "commit":
        world.commit(CHECKOUT, {"mine.txt": "mine\n"})
    elif work == "file":
        world.write(f"{CHECKOUT}/mine.txt", "mine\n")
    elif work == "change":
        world.write(f"{CHECKOUT}/new.txt", "mine\n")
    else:
        world.git(CHECKOUT, "switch", "--quiet", "--create", "mine")
    before = (world.git(CHECKOUT, "rev-parse", "HEAD"), world.git(CHECKOUT, "status", "--porcelain"))
    stage.commit("app", "more.txt")
    stage.create()

    ran = _checkout(stage)

    assert (ran.exit_code, codes(ran)) == (3, [("review_lane_diverged", True)])
    assert (world.git(CHECKOUT, "rev-parse", "HEAD"), world.git(CHECKOUT, "status", "--porcelain")) == before


def test_an_ignored_file_of_the_reviewer_is_not_overwritten(stage: Stage) -> None:
    stage.commit("app", ".gitignore", "local.cfg\n")
    stage.create()
    _checkout(stage)
    stage.world.write(f"{CHECKOUT}/local.cfg", "mine\n")
    checkout = f"{LANE}/repos/app"
    stage.world.write(f"{checkout}/local.cfg", "theirs\n")
    stage.world.git(checkout, "add", "--force", "local.cfg")
    stage.world.git(checkout, "commit", "--quiet", "--message", "take it over")
    stage.create()

    ran = _checkout(stage)

    assert (ran.exit_code, codes(ran)) == (3, [("review_lane_diverged", True)])
    assert stage.world.read(f"{CHECKOUT}/local.cfg") == "mine\n"


def test_nothing_of_the_pull_request_is_run(stage: Stage) -> None:
    world = stage.world
    mark = os.path.join(world.base, "ran")
    world.git(".", "config", "--global", "filter.evil.smudge", f"touch {mark}; cat", check=False)
    world.git(f"{LANE}/repos/app", "config", "--global", "filter.evil.smudge", f"touch {mark}; cat")
    hooks = (
        "version = 1\n[[lifecycle.on_materialize]]\nname = 'evil'\n"
        f"command = 'touch {mark}'\nwhen = 'first_materialize'\n"
    )
    files = {
        ".gitattributes": "* filter=evil\n",
        ".gr2/hooks.toml": hooks,
        ".worktreeinclude": ".env\n",
        ".gitignore": ".env\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {world.remote("app")}\n',
    }
    for name, content in files.items():
        stage.commit("app", name, content)
    world.write("agents/beta/repos/app/.env", "SECRET=1\n")
    stage.create()
    if os.path.exists(mark):
        os.unlink(mark)

    ran = world.call("review", "checkout-pr", "app", "1", "--unit", "beta", "--json", env={"GR2_TRUST_HOOKS": "1"})

    assert ran.exit_code == 0, ran.stdout
    stage.commit("app", "again.txt")
    stage.create()
    if os.path.exists(mark):
        os.unlink(mark)
    assert _checkout(stage).exit_code == 0
    assert not os.path.exists(mark)
    assert not os.path.exists(world.path(f"{CHECKOUT}/.env"))
    assert world.read(f"{CHECKOUT}/again.txt") == "new\n"


def test_what_is_not_there_is_invalid(stage: Stage) -> None:
    missing = _checkout(stage, 77)
    assert (missing.exit_code, codes(missing)) == (2, [("unknown_pr", True)])
    unknown = stage.world.call("review", "checkout-pr", "apq", "1", "--unit", "beta", "--json")
    assert (unknown.exit_code, codes(unknown)) == (2, [("unknown_repo", True)])
    assert stage.world.call("review", "checkout-pr", "app", "x", "--json").exit_code == 2
    assert not os.path.exists(stage.world.path("agents/beta/lanes"))


def test_constraints_apply_to_review_lanes(world: World) -> None:
    units = {"alpha": {}, "beta": {"constraints": {"allowed_lane_kinds": ["feature"]}}}
    stage = Stage(world, repos=["app"])
    stage.create()
    world.write_spec(repos=["app"], units=units)

    ran = _checkout(stage)

    assert (ran.exit_code, codes(ran)) == (3, [("lane_kind_not_allowed", True)])


def test_a_lane_of_that_name_for_something_else_is_left_alone(stage: Stage) -> None:
    assert stage.world.call("lane", "create", f"beta/{NAME}").exit_code == 0
    ran = _checkout(stage)
    assert (ran.exit_code, codes(ran)) == (3, [("lane_exists", True)])


@pytest.mark.parametrize("how", ["review", "apply"])
def test_a_checkout_that_is_gone_is_made_again(stage: Stage, how: str) -> None:
    _checkout(stage)
    shutil.rmtree(stage.world.path(CHECKOUT))
    if how == "apply":
        assert stage.world.call("apply").exit_code == 0

    ran = _checkout(stage)

    assert ran.exit_code == 0, ran.stdout
    assert stage.world.git(CHECKOUT, "rev-parse", "HEAD") == stage.child("app")["head_sha"]
    assert _checkout(stage).json["old_sha"] == ran.json["new_sha"]
