"""The `world` fixture keeps what its documentation promises."""

from __future__ import annotations

import os
import tomllib

from gr2.testing import World


def test_a_remote_has_the_history_that_is_promised(world: World) -> None:
    remote = world.remote("app")

    assert world.git(remote, "rev-list", "--count", "main") == "3"
    assert world.git(remote, "rev-list", "--count", "main..topic") == "1"
    assert world.git(remote, "rev-parse", "v1") == world.git(remote, "rev-parse", "main~1")
    assert world.git(remote, "ls-tree", "main", "run.sh").startswith("100755")
    assert world.git(remote, "fsck", "--strict") == ""


def test_two_remotes_share_no_commit(world: World) -> None:
    app, api = world.remote("app"), world.remote("api")

    assert not set(world.git(app, "rev-list", "--all").split()) & set(world.git(api, "rev-list", "--all").split())


def test_a_change_to_a_remote_stays_in_its_world(world: World, gr2_templates: str) -> None:
    before = world.git(world.remote("app"), "rev-parse", "main")

    new = world.commit("app", {"new.txt": "new\n", "README.md": None})

    assert world.git(world.remote("app"), "rev-parse", f"{new}^") == before
    assert world.git(world.remote("app"), "ls-tree", "--name-only", "main").split() == ["new.txt", "run.sh", "src"]
    assert world.git(os.path.join(gr2_templates, "app.git"), "rev-parse", "main") == before


def test_a_commit_can_begin_a_branch_of_a_remote(world: World) -> None:
    world.commit("app", {"a.txt": "a"}, branch="feat/a")

    assert world.git(world.remote("app"), "rev-list", "--count", "main..feat/a") == "1"


def test_a_checkout_gets_a_commit_on_its_branch(world: World) -> None:
    world.git("", "clone", "--quiet", world.remote("app"), "here")

    sha = world.commit("here", {"deep/new.txt": b"\0bytes", "README.md": None})

    assert world.git("here", "rev-parse", "main") == sha
    assert world.git("here", "status", "--porcelain") == ""
    assert world.git("here", "log", "-1", "--format=%an <%ae>") == "Robin Tester <robin@example.org>"


def test_the_default_spec_names_this_worlds_remotes_and_units(world: World) -> None:
    with open(world.write_spec(extra="[workspace_constraints]\nrequires = []\n"), "rb") as file:
        spec = tomllib.load(file)

    assert [(repo["name"], repo["url"]) for repo in spec["repos"]] == list(world.remotes.items())
    assert [unit["name"] for unit in spec["units"]] == [world.unit, world.other_unit]
    assert spec["units"][0]["repos"] == ["app", "api"]
    assert spec["workspace_constraints"] == {"requires": []}


def test_keys_of_a_repo_or_unit_can_be_set_and_replaced(world: World) -> None:
    path = world.write_spec(
        repos={"app": {"reference": True}, "far": {"url": "https://example.org/far.git"}},
        units={"solo": {"repos": ["app"], "constraints": {"lane_limit": 2}}},
    )

    with open(path, "rb") as file:
        spec = tomllib.load(file)
    assert spec["repos"][0]["reference"] is True
    assert spec["repos"][1]["url"] == "https://example.org/far.git"
    assert list(world.remotes) == ["app"]
    assert spec["units"][0]["constraints"]["lane_limit"] == 2


def test_the_process_has_moved_into_the_world(world: World) -> None:
    assert os.getcwd() == world.root
    assert os.environ["HOME"] == world.home
    assert not [name for name in os.environ if name.startswith("GIT_CONFIG")]


def test_gr2_runs_as_a_process_of_its_own(world: World) -> None:
    ran = world.gr2("--version")

    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("gr2 ")


def test_time_passes_only_when_told(world: World) -> None:
    session = world.session(actor=world.other_actor)
    wall, mono = session.clock.now(), session.clock.monotonic()

    world.clock.advance(90)
    world.clock.jump(-3600)

    assert session.actor == "agent:beta"
    assert session.clock.monotonic() - mono == 90
    assert (session.clock.now() - wall).total_seconds() == 90 - 3600


def test_ids_are_seeded_and_never_repeat(world: World) -> None:
    ids = [world.session().ids.operation() for _ in range(100)]

    assert len(set(ids)) == 100
    assert ids[0] == type(world.ids)().operation()
