"""`lane enter`, `lane exit`, `lane freeze`: which lane a unit is in, and what becomes of uncommitted work."""

from __future__ import annotations

import os

import pytest

from gr2.testing import Ran, World

FEAT = "agents/alpha/lanes/feat/repos"
FIX = "agents/alpha/lanes/fix/repos"
UNIT = ("--unit", "alpha")


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec(repos=["app", "api"])
    for name in ("feat", "fix"):
        assert world.call("lane", "create", f"alpha/{name}").exit_code == 0
    return world


def run(world: World, *args: str, actor: str = "") -> Ran:
    return world.call("lane", *args, "--json", env={"GR2_ACTOR": actor} if actor else None)


def entered(world: World, name: str = "feat", *args: str) -> Ran:
    ran = run(world, "enter", f"alpha/{name}", *args)
    assert ran.exit_code == 0, ran.stdout
    return ran


def events(world: World) -> list[dict]:
    found = world.call("events", "list", "--json").json["events"]
    return [event for event in found if event["type"].startswith("lane.") and event["type"] != "lane.created"]


def types(world: World) -> list[str]:
    return [event["type"] for event in events(world)]


def current(world: World) -> str | None:
    found: str | None = run(world, "current", *UNIT).json["lane_name"]
    return found


def dirty(world: World, top: str = FEAT, repo: str = "app") -> None:
    world.write(f"{top}/{repo}/notes.txt", "untracked\n")
    world.write(f"{top}/{repo}/run.sh", "changed\n")
    world.write(f"{top}/{repo}/README.md", "staged\n")
    world.git(f"{top}/{repo}", "add", "README.md")


def porcelain(world: World, top: str = FEAT, repo: str = "app") -> list[str]:
    return sorted(world.git(f"{top}/{repo}", "status", "--porcelain").splitlines())


DIRT = [" M run.sh", "?? notes.txt", "M  README.md"]


def test_entering_makes_a_lane_current_and_says_so_once(shop: World) -> None:
    first = entered(shop)
    again = entered(shop)

    assert current(shop) == "feat"
    assert first.json["lane"]["lane_name"] == "feat"
    assert again.json["status"] == "success"
    [event] = events(shop)
    assert (event["type"], event["owner_unit"], event["lane_name"], event["lane_type"], event["repos"]) == (
        "lane.entered",
        "alpha",
        "feat",
        "feature",
        ["app", "api"],
    )
    assert event["operation_id"] == first.json["operation_id"]


def test_leaving_stashes_uncommitted_work_as_an_ordinary_stash_entry(shop: World) -> None:
    entered(shop)
    dirty(shop)

    ran = run(shop, "exit", *UNIT)

    [row] = ran.json["stashed_repos"]
    assert (ran.json["status"], row["repo"], row["files"]) == ("success", "app", ["README.md", "notes.txt", "run.sh"])
    assert row["saved_id"].startswith("sv_")
    assert current(shop) is None
    assert porcelain(shop) == []
    assert "gr2 auto-stash: exiting alpha/feat" in shop.git(f"{FEAT}/app", "stash", "list")
    assert (events(shop)[-1]["type"], events(shop)[-1]["stashed_repos"]) == ("lane.exited", ["app"])


def test_leaving_without_a_current_lane_changes_nothing(shop: World) -> None:
    ran = run(shop, "exit", *UNIT)

    assert (ran.json["status"], ran.json["lane"]) == ("success", None)
    assert events(shop) == []


def test_a_switch_tells_of_leaving_of_entering_and_of_itself(shop: World) -> None:
    entered(shop)
    dirty(shop)

    ran = entered(shop, "fix")

    assert types(shop)[1:] == ["lane.exited", "lane.entered", "lane.switched"]
    switched = events(shop)[-1]
    assert (switched["from_lane"], switched["to_lane"], switched["stashed_repos"]) == ("feat", "fix", ["app"])
    assert (ran.json["from_lane"], [row["repo"] for row in ran.json["stashed_repos"]]) == ("feat", ["app"])
    assert current(shop) == "fix"


def test_entering_a_lane_with_saved_work_only_says_so(shop: World) -> None:
    entered(shop)
    dirty(shop)
    run(shop, "exit", *UNIT)

    ran = entered(shop)

    assert (ran.json["status"], ran.codes) == ("attention", ["saved_work"])
    [issue] = ran.json["issues"]
    assert (issue["blocking"], issue["hint"]) == (False, "gr2 lane enter alpha/feat --restore")
    assert porcelain(shop) == []


@pytest.mark.parametrize("how", [["--restore"], ["--dirty", "restore"]])
def test_restoring_puts_everything_back_as_it_was(shop: World, how: list[str]) -> None:
    entered(shop)
    dirty(shop)
    entered(shop, "fix")

    ran = entered(shop, "feat", *how)

    assert [row["repo"] for row in ran.json["restored_repos"]] == ["app"]
    assert porcelain(shop) == DIRT
    assert shop.git(f"{FEAT}/app", "stash", "list") == ""
    assert ran.json["status"] == "success"


def test_restoring_in_the_current_lane_emits_nothing(shop: World) -> None:
    entered(shop)
    dirty(shop)
    run(shop, "exit", *UNIT)
    entered(shop)
    before = types(shop)

    entered(shop, "feat", "--restore")

    assert porcelain(shop) == DIRT
    assert types(shop) == before


def test_restoring_takes_the_newest_and_says_how_many_remain(shop: World) -> None:
    for content in ("older\n", "newer\n"):
        entered(shop)
        shop.write(f"{FEAT}/app/{content.strip()}.txt", content)
        run(shop, "exit", *UNIT)

    ran = entered(shop, "feat", "--restore")

    assert porcelain(shop) == ["?? newer.txt"]
    assert (ran.codes, ran.json["issues"][0]["details"]["waiting"]) == (["saved_work"], 1)


def test_restoring_again_in_the_same_stay_changes_nothing(shop: World) -> None:
    for content in ("older\n", "newer\n"):
        entered(shop)
        shop.write(f"{FEAT}/app/notes.txt", content)
        run(shop, "exit", *UNIT)
    entered(shop, "feat", "--restore")

    again = entered(shop, "feat", "--restore")

    assert (again.json["restored_repos"], again.codes) == ([], ["saved_work"])
    assert shop.read(f"{FEAT}/app/notes.txt") == "newer\n"


def test_a_restore_that_conflicts_leaves_checkout_and_saved_work_and_the_lane_is_entered(shop: World) -> None:
    entered(shop)
    dirty(shop)
    dirty(shop, repo="api")
    run(shop, "exit", *UNIT)
    shop.write(f"{FEAT}/app/run.sh", "in the way\n")

    ran = run(shop, "enter", "alpha/feat", "--restore")

    assert (ran.exit_code, ran.json["status"]) == (4, "partial_failure")
    assert ran.codes == ["restore_conflict"]
    assert [row["repo"] for row in ran.json["restored_repos"]] == ["api"]
    assert porcelain(shop) == [" M run.sh"]
    assert "gr2 auto-stash" in shop.git(f"{FEAT}/app", "stash", "list")
    assert porcelain(shop, repo="api") == DIRT
    assert current(shop) == "feat"


def test_another_stash_entry_of_the_user_stays_where_it_is(shop: World) -> None:
    entered(shop)
    dirty(shop)
    run(shop, "exit", *UNIT)
    shop.write(f"{FEAT}/app/src/app.txt", "mine\n")
    shop.git(f"{FEAT}/app", "stash", "push", "--message", "my own")

    entered(shop, "feat", "--restore")

    assert porcelain(shop) == DIRT
    assert shop.git(f"{FEAT}/app", "stash", "list", "--format=%gs") == "On feat: my own"


def test_block_refuses_and_changes_nothing(shop: World) -> None:
    entered(shop)
    dirty(shop)
    dirty(shop, repo="api")

    ran = run(shop, "exit", *UNIT, "--dirty", "block")

    assert (ran.exit_code, ran.codes) == (3, ["dirty_lane_repo", "dirty_lane_repo"])
    assert (porcelain(shop), current(shop)) == (DIRT, "feat")


def test_discard_needs_a_word_and_keeps_a_copy(shop: World) -> None:
    shop.write(f"{FEAT}/app/.git/info/exclude", "*.log\n")
    shop.write(f"{FEAT}/app/build.log", "ignored\n")
    entered(shop)
    dirty(shop)

    refused = run(shop, "exit", *UNIT, "--dirty", "discard")
    done = run(shop, "exit", *UNIT, "--dirty", "discard", "--yes")

    assert (refused.exit_code, refused.codes) == (3, ["confirmation_required"])
    assert refused.json["issues"][0]["details"]["path"] == "agents/alpha/lanes/feat/repos/app"
    assert refused.json["issues"][0]["details"]["files"] == ["README.md", "notes.txt", "run.sh"]
    assert [row["repo"] for row in done.json["discarded_repos"]] == ["app"]
    assert porcelain(shop) == []
    assert shop.read(f"{FEAT}/app/build.log") == "ignored\n"
    assert shop.git(f"{FEAT}/app", "stash", "list") == ""
    saved_id = done.json["discarded_repos"][0]["saved_id"]
    assert shop.call("saved", "restore", saved_id).exit_code == 0
    assert porcelain(shop) == DIRT


def test_a_person_is_shown_every_file_that_would_be_discarded(shop: World) -> None:
    entered(shop)
    dirty(shop)

    ran = shop.call("lane", "exit", *UNIT, "--dirty", "discard")

    assert "needs your word\n  README.md\n  notes.txt\n  run.sh\n  help: add --yes" in ran.stderr


@pytest.mark.parametrize("words", [["exit", "--unit", "alpha"], ["enter", "alpha/feat"]])
def test_a_strategy_that_is_none_is_refused_although_there_is_nothing_to_leave(shop: World, words: list[str]) -> None:
    ran = run(shop, *words, "--dirty", "nonsense")

    assert (ran.exit_code, ran.codes) == (2, ["unknown_plugin"])
    assert current(shop) is None


def test_freezing_needs_a_reason_that_says_something(shop: World) -> None:
    ran = run(shop, "freeze", "alpha/feat", "--reason", " ")

    assert (ran.exit_code, ran.codes) == (2, ["reason_required"])


def test_discarding_nothing_needs_no_word(shop: World) -> None:
    entered(shop)

    assert run(shop, "exit", *UNIT, "--dirty", "discard").json["status"] == "success"


def test_a_merge_in_progress_is_never_left(shop: World) -> None:
    entered(shop)
    shop.write(f"{FEAT}/app/.git/MERGE_HEAD", shop.git(f"{FEAT}/app", "rev-parse", "HEAD~1") + "\n")

    for how in ("stash", "block", "discard"):
        ran = run(shop, "exit", *UNIT, "--dirty", how, "--yes")
        assert (ran.exit_code, ran.codes) == (3, ["operation_in_progress"])
    assert current(shop) == "feat"


def test_what_one_repo_refuses_keeps_the_work_of_all(shop: World) -> None:
    entered(shop)
    dirty(shop)
    shop.git("", "clone", "--quiet", shop.remote("app"), f"{FEAT}/api/nested")

    ran = run(shop, "enter", "alpha/fix")

    assert (ran.exit_code, ran.codes) == (3, ["dirty_not_savable"])
    assert (porcelain(shop), current(shop)) == (DIRT, "feat")


def test_an_unknown_strategy_is_refused_with_those_there_are(shop: World) -> None:
    entered(shop)

    ran = run(shop, "exit", *UNIT, "--dirty", "stahs")

    assert (ran.exit_code, ran.codes) == (2, ["unknown_plugin"])
    assert ran.json["issues"][0]["details"]["suggestion"] == "stash"


def test_anothers_lease_keeps_out_of_the_lane(shop: World) -> None:
    run(shop, "lease", "acquire", "alpha/feat", actor="agent:other")

    ran = run(shop, "enter", "alpha/feat")

    assert (ran.exit_code, ran.codes) == (3, ["lease_conflict"])
    assert (current(shop), events(shop)) == (None, [])


def test_anothers_lease_on_the_lane_that_is_left_keeps_everything_as_it_is(shop: World) -> None:
    entered(shop)
    dirty(shop)
    run(shop, "lease", "acquire", "alpha/feat", actor="agent:other")

    for args in (["enter", "alpha/fix"], ["exit", *UNIT]):
        ran = run(shop, *args)
        assert (ran.exit_code, ran.codes) == (3, ["lease_conflict"])
    assert (porcelain(shop), current(shop)) == (DIRT, "feat")


def test_whoever_lost_its_lease_writes_nothing(shop: World) -> None:
    entered(shop)
    dirty(shop)
    run(shop, "lease", "acquire", "alpha/feat")
    run(shop, "lease", "acquire", "alpha/feat", "--force", "--reason", "r", actor="agent:other")
    run(shop, "lease", "release", "alpha/feat", actor="agent:other")

    for args in (["exit", *UNIT], ["freeze", "alpha/feat", "--reason", "r"], ["archive", "alpha/feat", "--force"]):
        ran = run(shop, *args)
        assert (ran.exit_code, ran.codes) == (3, ["lease_lost"]), args
    assert (porcelain(shop), current(shop)) == (DIRT, "feat")


def test_a_frozen_lane_can_be_read_and_left_and_not_entered(shop: World) -> None:
    entered(shop)
    first = run(shop, "freeze", "alpha/feat", "--reason", "released")
    again = run(shop, "freeze", "alpha/feat", "--reason", "released")

    refused = run(shop, "enter", "alpha/feat")

    assert (first.json["lane"]["state"], again.json["status"]) == ("frozen", "success")
    assert (refused.exit_code, refused.codes) == (3, ["lane_frozen"])
    assert "--from alpha/feat" in refused.json["issues"][0]["hint"]
    assert run(shop, "show", "alpha/feat").json["lane"]["state"] == "frozen"
    assert run(shop, "exit", *UNIT).exit_code == 0
    assert run(shop, "unfreeze", "alpha/feat").json["lane"]["state"] == "active"
    assert types(shop) == ["lane.entered", "lane.frozen", "lane.exited", "lane.unfrozen"]
    assert events(shop)[1]["reason"] == "released"


def test_two_units_are_in_lanes_of_their_own(shop: World) -> None:
    run(shop, "create", "beta/feat")
    entered(shop)

    run(shop, "enter", "beta/feat")

    assert current(shop) == "feat"
    assert run(shop, "current", "--unit", "beta").json["lane_name"] == "feat"


def test_a_current_lane_that_somebody_removed_by_hand_can_be_left(shop: World) -> None:
    entered(shop)
    os.rename(shop.path("agents/alpha/lanes/feat"), shop.path("elsewhere"))

    assert run(shop, "exit", *UNIT).exit_code == 0
    assert current(shop) is None


def test_the_shell_function_learns_where_to_go(shop: World) -> None:
    shop.call("lane", "enter", "alpha/feat", env={"GR2_CD_FILE": shop.path("cd")})

    assert shop.read("cd") == shop.path("agents/alpha/lanes/feat")


def test_a_checkout_that_git_cannot_read_keeps_the_lane_current(shop: World) -> None:
    entered(shop)
    shop.write(f"{FEAT}/app/.git/HEAD", "nonsense\n")

    ran = run(shop, "exit", *UNIT)

    assert ran.exit_code == 1
    assert current(shop) == "feat"


def test_people_see_what_was_put_away_and_how_to_have_it_back(shop: World) -> None:
    entered(shop)
    dirty(shop)

    shown = shop.call("lane", "exit", *UNIT).stdout

    assert "Left alpha/feat" in shown
    assert "stashed app  3 files" in shown
    assert "gr2 lane enter alpha/feat --restore" in shown


def test_who_speaks_for_a_unit_is_in_its_lane_wherever_the_shell_stands(world: World) -> None:
    world.write_spec(units=("alpha", "beta"))
    for unit, lane in (("alpha", "one"), ("beta", "two")):
        assert world.call("lane", "create", lane, "--unit", unit).exit_code == 0
        assert world.call("lane", "enter", lane, "--unit", unit).exit_code == 0

    stands = {"cwd": "agents/alpha/lanes/one"}
    path = world.call("lane", "path", **stands, env={"GR2_UNIT": "beta"}).stdout.strip()
    shown = world.call("lane", "show", "--json", **stands, env={"GR2_UNIT": "beta"})

    assert path == world.path("agents/beta/lanes/two")
    assert shown.json["lane"]["owner_unit"] == "beta"
    assert world.call("lane", "path", **stands).stdout.strip() == world.path("agents/alpha/lanes/one")
