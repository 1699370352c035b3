"""`plan` and `apply`: the workspace converges to its spec, and nothing that was there is touched."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from gr2.testing import Ran, World


def kinds(operations: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(operation["kind"], operation["path"]) for operation in operations]


def event_types(world: World) -> list[str]:
    return [event["type"] for event in world.call("events", "list", "--json").json["events"]]


def test_plan_tells_what_is_missing_and_writes_nothing(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    ran = world.call("plan", "--json")
    assert ran.exit_code == 0
    assert ran.json["status"] == "ready"
    assert kinds(ran.json["operations"]) == [
        ("unit.create", "agents/alpha"),
        ("cache.seed", ".grip/cache/repos/app.git"),
        ("checkout.clone", "repos/app"),
        ("checkout.clone", "agents/alpha/repos/app"),
    ]
    assert sorted(os.listdir(world.path(".grip"))) == ["workspace_spec.toml"]


def test_apply_makes_what_plan_told_and_then_has_nothing_to_do(world: World) -> None:
    world.write_spec()
    planned = world.call("plan", "--json").json["operations"]
    first = world.call("apply", "--json")
    assert first.json["status"] == "success"
    assert sorted(kinds(first.json["completed"])) == sorted(kinds(planned))
    before = event_types(world)
    second = world.call("apply", "--json")
    assert (second.json["status"], second.json["completed"]) == ("success", [])
    assert world.call("plan", "--json").json["operations"] == []
    assert event_types(world) == before
    assert before.count("workspace.materialized") == 1


def test_a_checkout_is_an_independent_clone_that_borrows_from_the_mirror(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    world.call("apply")
    for path in ("repos/app", "agents/alpha/repos/app"):
        assert world.git(path, "config", "remote.origin.url") == world.remote("app")
        assert world.git(path, "rev-parse", "--abbrev-ref", "@{upstream}") == "origin/main"
        assert world.read(f"{path}/.git/objects/info/alternates").strip() == world.path(
            ".grip/cache/repos/app.git/objects"
        )
        assert world.git(path, "status", "--porcelain") == ""
        assert world.git(path, "tag") == "v1"
        assert world.git(path, "fsck", "--connectivity-only") == ""


def test_a_mirror_never_loses_an_object(world: World) -> None:
    world.write_spec(repos=["app"])
    world.call("apply")
    mirror = ".grip/cache/repos/app.git"
    assert world.git(mirror, "config", "extensions.preciousObjects") == "true"
    assert world.git(mirror, "config", "gc.auto") == "0"
    orphan = world.git(mirror, "hash-object", "-w", "--stdin", stdin="nobody refers to me")
    world.git(mirror, "prune", "--expire=now", check=False)
    world.git(mirror, "gc", "--prune=now", check=False)
    world.git(mirror, "fetch", "--prune", "origin")
    assert world.git(mirror, "cat-file", "-t", orphan) == "blob"


def test_a_branch_deleted_on_the_remote_is_deleted_in_the_mirror_by_a_fetch(world: World) -> None:
    world.write_spec(repos=["app"])
    world.call("apply")
    world.git(world.remote("app"), "branch", "-D", "topic")
    world.git(".grip/cache/repos/app.git", "fetch", "--prune", "origin")
    assert (
        world.git(".grip/cache/repos/app.git", "for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main"
    )


def test_a_repo_that_fails_does_not_stop_the_others(world: World) -> None:
    world.write_spec(repos={"app": {}, "gone": {"url": world.path("../remotes/nowhere.git")}}, units=["alpha"])
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.json["status"]) == (4, "partial_failure")
    assert ran.codes == ["remote_unreachable"]
    assert kinds(ran.json["failed"]) == [("cache.seed", ".grip/cache/repos/gone.git")]
    assert kinds(ran.json["unaffected"]) == [
        ("checkout.clone", "repos/gone"),
        ("checkout.clone", "agents/alpha/repos/gone"),
    ]
    assert os.path.isdir(world.path("agents/alpha/repos/app/.git"))
    assert not os.path.exists(world.path("repos/gone"))
    assert os.listdir(world.path(".grip/tmp")) == []


def test_when_every_repo_fails_the_apply_failed(world: World) -> None:
    world.write_spec(repos={"gone": {"url": world.path("../remotes/nowhere.git")}}, units=[])
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.json["status"]) == (1, "failed")


def test_a_remote_without_branches_gets_a_mirror_and_no_checkout(world: World) -> None:
    world.git("..", "init", "--quiet", "--bare", "empty.git")
    world.write_spec(repos={"empty": {"url": "../empty.git"}}, units=[])
    world.call("apply")
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.codes) == (0, ["remote_empty"])
    assert not ran.json["issues"][0]["blocking"]
    assert os.path.isdir(world.path(".grip/cache/repos/empty.git"))
    assert not os.path.exists(world.path("repos/empty"))


def test_the_first_apply_of_an_empty_remote_needs_attention_only(world: World) -> None:
    world.git("..", "init", "--quiet", "--bare", "empty.git")
    world.write_spec(repos={"empty": {"url": "../empty.git"}}, units=[])
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["remote_empty"])


@pytest.mark.parametrize("what", ["a file", "a directory with files", "a link"])
def test_something_else_where_a_checkout_should_be_is_left_alone(world: World, what: str) -> None:
    world.write_spec(repos=["app", "api"], units=[])
    if what == "a file":
        world.write("repos/app", "mine")
    elif what == "a directory with files":
        world.write("repos/app/notes.txt", "mine")
    else:
        os.makedirs(world.path("repos"))
        os.makedirs(world.path("elsewhere"))
    world.call("spec", "validate")
    if what == "a link":
        os.symlink(world.path("elsewhere"), world.path("repos/app"))
    ran = world.call("apply", "--json")
    if what == "a link":
        assert ran.codes == ["invalid_spec"]
        assert os.listdir(world.path("elsewhere")) == []
        return
    assert (ran.exit_code, ran.codes) == (4, ["path_conflict"])
    assert kinds(ran.json["blocked"]) == [("checkout.clone", "repos/app")]
    assert os.path.isdir(world.path("repos/api/.git"))
    assert world.read("repos/app" if what == "a file" else "repos/app/notes.txt") == "mine"


@pytest.mark.parametrize("what", ["not bare", "foreign bare", "corrupt", "a file"])
def test_a_mirror_path_that_is_no_usable_mirror_is_left_alone(world: World, what: str) -> None:
    world.write_spec(repos=["app", "api"], units=[])
    mirror = world.path(".grip/cache/repos/app.git")
    os.makedirs(os.path.dirname(mirror))
    if what == "a file":
        world.write(mirror, "x")
    elif what == "not bare":
        world.git("..", "init", "--quiet", mirror)
    elif what == "foreign bare":
        world.git("..", "clone", "--quiet", "--bare", world.remote("api"), mirror)
    else:
        world.call("apply", "--repo", "app")
        os.unlink(os.path.join(mirror, "HEAD"))
    ran = world.call("apply", "--json")
    assert ran.exit_code == 4
    assert "cache_path_conflict" in ran.codes
    assert kinds(ran.json["blocked"]) == [("cache.seed", ".grip/cache/repos/app.git")]
    assert os.path.isdir(world.path("repos/api/.git"))
    assert what != "a file" or world.read(mirror) == "x"


def test_a_mirror_that_moved_with_its_url_is_told_of_once(world: World) -> None:
    world.write_spec(repos=["app"], units=[])
    world.call("apply")
    moved = f"{world.base}/moved.git"
    world.git(".", "clone", "--quiet", "--bare", world.remote("app"), moved)
    world.git(moved, "update-ref", "refs/heads/later", "main")
    text = world.read(".grip/workspace_spec.toml")
    world.write(".grip/workspace_spec.toml", text.replace(world.remote("app"), moved))

    assert [world.call("apply", "--accept-url", "app").exit_code for _ in range(2)] == [0, 0]

    told = world.call("events", "list", "--json", "--type", "sync.cache_refreshed").json["events"]
    assert [event["repo"] for event in told] == ["app"]


def test_a_url_that_changed_in_the_spec_blocks_that_repo_until_it_is_accepted(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    world.call("apply")
    moved = os.path.join(world.base, "moved.git")
    world.git("..", "clone", "--quiet", "--bare", world.remote("app"), moved)
    world.write_spec(repos={"app": {"url": moved}, "api": {}}, units=["alpha"])
    blocked = world.call("apply", "--json")
    assert blocked.codes == ["repo_url_changed"]
    said = world.call("apply")
    assert (said.exit_code, said.stdout) == (3, "")
    assert said.stderr.startswith("error[repo_url_changed]")
    assert world.git("repos/app", "config", "remote.origin.url") == world.remote("app")
    accepted = world.call("apply", "--accept-url", "app", "--json")
    assert accepted.json["status"] == "success"
    for path in ("repos/app", "agents/alpha/repos/app", ".grip/cache/repos/app.git"):
        assert world.git(path, "config", "remote.origin.url") == moved
    assert world.call("apply", "--json").json["completed"] == []


def test_the_text_of_plan_and_apply_tells_hooks_apart(world: World) -> None:
    hooks = {"warm-up": "true", "build": "false", "tidy": "true"}
    tables = [
        f'[[lifecycle.on_materialize]]\nname = "{name}"\ncommand = "{command}"\n' for name, command in hooks.items()
    ]
    world.commit("app", {".gr2/hooks.toml": "".join(tables)})
    world.write_spec(repos=["app"], units=[])
    world.call("apply")
    planned, applied = world.call("plan"), world.call("apply", "--trust-hooks")
    lines = [f"run hook {name} of app repos/app" for name in hooks]
    assert [" ".join(line.split()) for line in planned.stdout.splitlines()][1:4] == lines
    said = [" ".join(line.split()) for line in applied.stdout.splitlines()]
    assert said[:6] == ["Done (1)", lines[0], "Failed (1)", lines[1], "Not tried (1)", lines[2]]


def test_a_pinned_repo_is_detached_at_its_pin_in_the_shared_checkout_only(world: World) -> None:
    world.write_spec(repos={"app": {"revision": "v1"}}, units=["alpha"])
    world.call("apply")
    assert world.git("repos/app", "rev-parse", "HEAD") == world.git("repos/app", "rev-parse", "v1^{commit}")
    assert world.git("repos/app", "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert world.git("agents/alpha/repos/app", "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_an_unknown_pin_is_said(world: World) -> None:
    world.write_spec(repos={"app": {"revision": "v99"}}, units=[])
    ran = world.call("apply", "--json")
    assert ran.codes == ["unknown_revision"]
    assert not os.path.exists(world.path("repos/app"))


def test_a_default_branch_that_the_remote_lacks_is_said(world: World) -> None:
    world.write_spec(repos={"app": {"default_branch": "trunk"}}, units=[])
    world.call("apply")
    ran = world.call("apply", "--json")
    assert ran.codes == ["unknown_revision"]


def test_a_partial_clone_takes_missing_files_from_the_remote(world: World) -> None:
    world.git(world.remote("app"), "config", "uploadpack.allowFilter", "true")
    url = f"file://{world.remote('app')}"
    world.write_spec(repos={"app": {"url": url, "filter": "blob:none"}}, units=[])
    ran = world.call("apply", "--json")
    assert ran.json["status"] == "success"
    assert "app" in world.read("repos/app/src/app.txt")
    assert world.git("repos/app", "status", "--porcelain") == ""


def test_existing_branches_and_work_are_never_changed(world: World) -> None:
    world.write_spec(repos=["app"], units=["alpha"])
    world.call("apply")
    world.git("repos/app", "checkout", "--quiet", "-b", "mine")
    world.write("repos/app/README.md", "changed")
    world.commit("app", {"new.txt": "new"})
    ran = world.call("apply", "--json")
    assert ran.json["completed"] == []
    assert world.git("repos/app", "branch", "--show-current") == "mine"
    assert world.read("repos/app/README.md") == "changed"


def test_what_the_spec_no_longer_names_is_reported_and_left_alone(world: World) -> None:
    world.write_spec(repos=["app", "api"], units=["alpha"])
    world.call("apply")
    world.write_spec(repos=["app"], units=["alpha"])
    ran = world.call("plan", "--json")
    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert {issue["details"]["path"] for issue in ran.json["issues"]} == {
        ".grip/cache/repos/api.git",
        "repos/api",
        "agents/alpha/repos/api",
    }
    assert os.path.isdir(world.path("agents/alpha/repos/api/.git"))


def test_groups_and_repos_narrow_it_down(world: World) -> None:
    world.write_spec(repos={"app": {"groups": ["front"]}, "api": {}, "web": {"groups": ["front"]}}, units=[])
    planned = world.call("plan", "--group", "front", "--json").json["operations"]
    assert {operation["repo"] for operation in planned} == {"app", "web"}
    assert world.call("plan", "--repo", "nope", "--json").codes == ["unknown_repo"]
    assert world.call("plan", "--group", "frnt", "--json").json["issues"][0]["details"] == {"suggestion": "front"}


def test_a_unit_option_makes_that_units_checkouts_only(world: World) -> None:
    world.write_spec(repos=["app", "api"], units={"alpha": {}, "beta": {"repos": ["app"]}})
    paths = [item["path"] for item in world.call("plan", "--unit", "beta", "--json").json["operations"]]
    assert paths == ["agents/beta", ".grip/cache/repos/app.git", "agents/beta/repos/app"]
    ran = world.call("apply", "--unit", "beta", "--json").json
    assert [item["path"] for item in ran["completed"]] == paths
    assert not os.path.exists(world.path("repos")) and not os.path.exists(world.path("agents/alpha"))
    assert world.call("apply", "--unit", "beta", "--json").json["completed"] == []


def test_two_applies_at_once_both_end_well(world: World) -> None:
    world.write_spec(repos=["app", "api", "web"])
    rans: list[Ran] = []

    def apply_once() -> None:
        rans.append(world.gr2("apply", "--json"))

    threads = [threading.Thread(target=apply_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ran.exit_code for ran in rans] == [0, 0, 0]
    assert sorted(len(ran.json["completed"]) > 0 for ran in rans) == [False, False, True]


def test_an_apply_that_cannot_wait_is_blocked_and_says_who_is_at_it(world: World) -> None:
    from gr2.edges.locks import FileLock

    world.write_spec(repos=["app"])
    holder = {"pid": 1, "actor": "agent:other", "operation_id": "op_0", "since": "now"}
    with FileLock(world.path(".grip/state/locks/workspace.lock"), holder=holder):
        ran = world.call("apply", "--wait", "0", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["workspace_locked"])
    assert ran.json["issues"][0]["details"] == holder
    assert ran.json["operation_id"] is None


def test_a_remote_that_sends_nothing_is_given_up(world: World) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/app.git"
        world.write_spec(repos={"app": {"url": url}}, units=[])
        ran = world.call("apply", "--json", env={"GR2_GIT_STALL_SECONDS": "0.5"})
    assert (ran.exit_code, ran.codes) == (1, ["remote_unreachable"])
    assert "sent nothing" in ran.json["issues"][0]["message"]


def test_a_remote_that_hangs_up_is_unreachable(world: World) -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen(8)
        thread = threading.Thread(target=lambda: rude.accept()[0].close())  # noqa: PLW0108 - waits in the thread
        thread.start()
        world.write_spec(repos={"app": {"url": f"git://127.0.0.1:{rude.getsockname()[1]}/app.git"}}, units=[])
        ran = world.call("apply", "--json")
        thread.join()
    assert ran.codes == ["remote_unreachable"]


def test_an_old_git_is_refused_before_anything_is_made(world: World, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho git version 2.30.1\n")
    program.chmod(0o755)
    world.write_spec(repos=["app"])
    ran = world.call("apply", "--json", env={"PATH": f"{program.parent}:{world.env['PATH']}"})
    assert (ran.exit_code, ran.codes) == (3, ["git_too_old"])
    assert not os.path.exists(world.path("repos"))


def test_no_git_at_all_is_said(world: World, tmp_path: Path) -> None:
    world.write_spec(repos=["app"])
    ran = world.call("apply", "--json", env={"PATH": str(tmp_path)})
    assert (ran.exit_code, ran.codes) == (3, ["git_missing"])


def test_no_operation_needs_the_network_when_everything_is_there(world: World) -> None:
    world.write_spec(repos=["app"])
    world.call("apply")
    os.rename(world.remote("app"), world.remote("app") + ".away")
    assert world.call("apply", "--json").json["status"] == "success"


def test_a_spec_of_a_newer_version_is_not_acted_on(world: World) -> None:
    world.write(".grip/workspace_spec.toml", 'version = 2\nworkspace_name = "shop"\n')
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.codes) == (2, ["newer_version"])
    assert world.call("spec", "show", "--json").exit_code == 0
