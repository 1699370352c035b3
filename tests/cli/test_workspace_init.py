"""`gr2 workspace init`: a spec where there was none, existing clones named where they are."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

import pytest

from gr2.testing import World


def everything(folder: str) -> dict[str, tuple[int, int, str]]:
    """Every path below `folder` with its mode, modification time and content."""
    found = {}
    for directory, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(directory, name)
            state = os.lstat(path)
            content = ""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, folder)] = (state.st_mode, state.st_mtime_ns, content)
    return found


def spec_repos(world: World) -> dict[str, dict[str, object]]:
    return {repo["name"]: repo for repo in world.call("spec", "show", "--json").json["spec"]["repos"]}


def test_a_spec_is_written_and_can_be_read(world: World) -> None:
    ran = world.call(
        "workspace", "init", "--name", "shop", "--repo", "app=https://example.org/app.git", "--unit", "alpha", "--json"
    )
    assert ran.exit_code == 0
    assert ran.json["schema"] == "gr2.workspace.init/1"
    assert (ran.json["status"], ran.json["workspace"]) == ("success", "shop")
    assert ran.json["operation_id"].startswith("op_")
    assert ran.json["spec_path"] == world.path(".grip/workspace_spec.toml")
    spec = world.call("spec", "show", "--json").json["spec"]
    assert [(repo["name"], repo["path"], repo["url"]) for repo in spec["repos"]] == [
        ("app", "repos/app", "https://example.org/app.git")
    ]
    assert [(unit["name"], unit["path"], unit["repos"]) for unit in spec["units"]] == [
        ("alpha", "agents/alpha", ["app"])
    ]


def test_the_same_command_again_changes_nothing(world: World) -> None:
    args = ("workspace", "init", "--name", "shop", "--unit", "alpha", "--json")
    world.call(*args)
    before = everything(world.root)
    again = world.call(*args)
    assert (again.exit_code, again.json["status"], again.json["created"]) == (0, "success", False)
    assert everything(world.root) == before


def test_comments_added_by_hand_are_no_difference(world: World) -> None:
    world.call("workspace", "init", "--name", "shop")
    path = ".grip/workspace_spec.toml"
    world.write(path, "# mine\n" + world.read(path))
    assert world.call("workspace", "init", "--name", "shop").exit_code == 0
    assert world.read(path).startswith("# mine\n")


@pytest.mark.parametrize("text", ['workspace_name = "other"\n', "broken", ""])
def test_another_spec_there_is_left_alone(text: str, world: World) -> None:
    world.write(".grip/workspace_spec.toml", text)
    ran = world.call("workspace", "init", "--name", "shop", "--json")
    assert (ran.exit_code, ran.json["status"], ran.codes) == (3, "blocked", ["spec_exists"])
    assert world.read(".grip/workspace_spec.toml") == text
    assert os.listdir(world.path(".grip")) == ["workspace_spec.toml"]


def test_only_the_spec_is_for_committing(world: World) -> None:
    world.git(world.root, "init", "--quiet")
    world.call("workspace", "init", "--name", "shop")
    shown = world.git(world.root, "status", "--porcelain", "--untracked-files=all")
    assert shown.split() == ["??", ".grip/.gitignore", "??", ".grip/workspace_spec.toml"]


def test_state_is_private_whatever_the_umask(world: World) -> None:
    before = os.umask(0)
    try:
        world.call("workspace", "init", "--name", "shop")
    finally:
        os.umask(before)
    for name in os.listdir(world.path(".grip")):
        path = world.path(f".grip/{name}")
        if os.path.isdir(path):
            assert os.stat(path).st_mode & 0o777 == 0o700


def test_a_new_directory_is_made_and_names_the_workspace(world: World) -> None:
    ran = world.call("workspace", "init", "new/place", "--json")
    assert ran.json["workspace"] == "place"
    assert os.path.isfile(world.path("new/place/.grip/workspace_spec.toml"))


def test_a_relative_url_is_taken_from_where_it_was_typed(world: World) -> None:
    remote = world.remote("app")
    os.mkdir(world.path("sub"))
    typed = os.path.relpath(remote, world.root)
    world.call("workspace", "init", "sub", "--repo", f"app={typed}")
    url = world.call("-C", "sub", "spec", "show", "--json").json["spec"]["repos"][0]["url"]
    assert os.path.normpath(os.path.join(world.path("sub"), url)) == remote


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--repo", "app"), "usage"),
    (("--repo", "=x"), "usage"),
    (("--repo", "app="), "usage"),
    (("--repo", "-app=/srv/a"), "invalid_spec"),
    (("--repo", "a/b=/srv/a"), "invalid_spec"),
    (("--repo", "app=ext::sh -c true"), "invalid_spec"),
    (("--repo", "app=--upload-pack=x"), "invalid_spec"),
    (("--repo", "app=https://u:sekrit@example.org/a"), "credentials_in_url"),
    (("--repo", "app=/srv/a", "--repo", "App=/srv/b"), "invalid_spec"),
    (("--unit", "../x"), "invalid_spec"),
    (("--unit", "a", "--unit", "A"), "invalid_spec"),
    (("--name", "a\x1b[31m"), "invalid_spec"),
    (("--name", "a\udcff"), "invalid_spec"),
    (("--from-dirs", "nowhere"), "not_a_directory"),
    (("--from-dirs", "/"), "unsafe_path"),
    (("--from-dirs", ".."), "unsafe_path"),
    (("bad\nplace",), "unsafe_path"),
]


@pytest.mark.parametrize(("args", "code"), BAD)
def test_bad_input_is_refused_and_nothing_is_written(args: tuple[str, ...], code: str, world: World) -> None:
    ran = world.call("workspace", "init", *args, "--json")
    assert (ran.exit_code, ran.json["status"]) == (2, "invalid")
    assert code in ran.codes
    assert "sekrit" not in ran.stdout + ran.stderr
    assert os.listdir(world.root) == []


@pytest.mark.parametrize("prepare", [
    lambda world: world.write("place", "a file"),
    lambda world: world.write("place/.grip", "a file"),
    lambda world: os.symlink(world.home, world.path("place")) or world.write(os.path.join(world.home, ".grip"), "x"),
    lambda world: (os.mkdir(world.path("place")), os.symlink(world.home, world.path("place/.grip"))),
])  # fmt: skip
def test_something_else_in_the_way_is_left_alone(prepare: Callable[[World], object], world: World) -> None:
    prepare(world)
    before = everything(world.base)
    ran = world.call("workspace", "init", "place", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["path_conflict"])
    assert everything(world.base) == before


def test_a_file_above_is_a_clear_error(world: World) -> None:
    world.write("file", "x")
    ran = world.call("workspace", "init", "file/place", "--json")
    assert ran.exit_code in {1, 3}
    assert ran.codes in (["path_conflict"], ["write_failed"])


def test_a_workspace_inside_a_checkout_is_refused(world: World) -> None:
    world.write_spec(repos=("app",))
    os.makedirs(world.path("repos/app/sub"))
    ran = world.call("workspace", "init", "repos/app/sub", "--json")
    assert (ran.exit_code, ran.codes) == (3, ["nested_workspace"])
    assert os.listdir(world.path("repos/app/sub")) == []


def test_a_workspace_inside_another_is_made_with_a_warning(world: World) -> None:
    world.write_spec(repos=("app",))
    ran = world.call("workspace", "init", "sub", "--json")
    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["nested_workspace"])
    assert world.call("spec", "show", "--json", cwd="sub").json["spec"]["workspace_name"] == "sub"


def test_two_inits_at_once_make_one_workspace(world: World) -> None:
    codes: list[int] = []

    def run() -> None:
        codes.append(world.gr2("workspace", "init", "--name", "shop").exit_code)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert world.call("spec", "validate").exit_code == 0


def test_what_a_killed_init_left_is_cleared_up_by_the_same_command(world: World) -> None:
    world.write(".grip/tmp/op_0123456789ab.workspace/.workspace_spec.toml.abc.tmp", "half")
    world.write(".grip/tmp/op_0123456789ab.workspace/lock", "")
    assert world.call("workspace", "init", "--name", "shop").exit_code == 0
    assert os.listdir(world.path(".grip/tmp")) == []


def test_an_init_killed_after_its_spec_finishes(world: World) -> None:
    args = ("workspace", "init", "--name", "shop")
    world.call(*args)
    os.unlink(world.path(".grip/state/spec.json"))
    assert world.call(*args).exit_code == 0
    assert os.path.isfile(world.path(".grip/state/spec.json"))


@pytest.mark.parametrize("color", ["1", ""])
def test_the_text_says_what_to_type_next(color: str, world: World) -> None:
    ran = world.call("workspace", "init", "--name", "shop", "--repo", "app=/srv/app", env={"NO_COLOR": color})
    assert ran.stdout.endswith("\nnext:\n  gr2 plan\n  gr2 apply\n")
    assert ran.stderr == ""


def test_a_workspace_elsewhere_is_gone_to_first(world: World) -> None:
    ran = world.call("workspace", "init", "other/a shop", "--repo", "app=/srv/app")
    assert ran.stdout.endswith("\nnext:\n  cd 'other/a shop'\n  gr2 plan\n  gr2 apply\n")


# --from-dirs


def clone(world: World, name: str, folder: str, *args: str) -> str:
    world.git(world.base, "clone", "--quiet", *args, world.remote(name), world.path(folder))
    return world.path(folder)


def test_clones_are_adopted_where_they_are_and_not_touched(world: World) -> None:
    app = clone(world, "app", "src/app")
    clone(world, "api", "src/api")
    world.git(app, "checkout", "--quiet", "-b", "work")
    world.write("src/app/README.md", "changed\n")
    world.write("src/app/new.txt", "untracked\n")
    before = everything(world.path("src"))
    ran = world.call("workspace", "init", "--name", "shop", "--from-dirs", "src", "--unit", "alpha", "--json")
    assert (ran.exit_code, ran.json["status"], ran.json["repos"]) == (0, "success", ["api", "app"])
    assert everything(world.path("src")) == before
    found = spec_repos(world)["app"]
    assert (found["path"], found["url"], found["default_branch"]) == ("src/app", world.remote("app"), "main")


def test_adopting_again_changes_nothing(world: World) -> None:
    clone(world, "app", "src/app")
    args = ("workspace", "init", "--name", "shop", "--from-dirs", "src", "--json")
    world.call(*args)
    before = everything(world.root)
    assert world.call(*args).json["created"] is False
    assert everything(world.root) == before


def test_apply_finds_adopted_clones_as_they_are(world: World) -> None:
    app = clone(world, "app", "src/app")
    world.write("src/app/new.txt", "untracked\n")
    world.call("workspace", "init", "--name", "shop", "--from-dirs", "src")
    head = world.git(app, "rev-parse", "HEAD")
    ran = world.call("apply", "--json")
    assert (ran.exit_code, ran.codes) == (0, [])
    assert world.git(app, "rev-parse", "HEAD") == head
    assert world.read("src/app/new.txt") == "untracked\n"
    assert not any(operation["kind"] == "checkout.clone" for operation in ran.json["completed"])


def test_clones_directly_in_the_workspace_are_adopted(world: World) -> None:
    clone(world, "app", "app")
    ran = world.call("workspace", "init", "--from-dirs", ".", "--json")
    assert (ran.exit_code, ran.json["repos"]) == (0, ["app"])
    assert spec_repos(world)["app"]["path"] == "app"


def test_a_relative_origin_is_taken_from_the_clone(world: World) -> None:
    app = clone(world, "app", "src/app")
    world.git(app, "remote", "set-url", "origin", os.path.relpath(world.remote("app"), app))
    world.call("workspace", "init", "--from-dirs", "src")
    url = str(spec_repos(world)["app"]["url"])
    assert os.path.normpath(os.path.join(world.root, url)) == world.remote("app")


def test_what_is_no_clone_to_adopt_is_passed_over_with_a_reason(world: World) -> None:
    app = clone(world, "app", "src/app")
    clone(world, "app", "src/-dash")
    clone(world, "app", "src/App")
    clone(world, "app", "src/bare.git", "--bare")
    clone(world, "app", "src/nowhere")
    world.git("src/nowhere", "remote", "remove", "origin")
    clone(world, "app", "src/ext")
    world.git("src/ext", "remote", "set-url", "origin", "ext::sh -c true")
    clone(world, "app", "src/secret")
    world.git("src/secret", "remote", "set-url", "origin", "https://u:sekrit@example.org/app")
    world.git(app, "worktree", "add", "--quiet", world.path("src/worktree"), "-b", "other")
    world.write("src/plain/readme", "x")
    world.write("src/.cache/x", "x")
    world.write("src/file", "x")
    os.makedirs(world.path("src/broken/.git"))
    os.symlink(app, world.path("src/link"))
    ran = world.call("workspace", "init", "--name", "shop", "--from-dirs", "src", "--json")
    assert (ran.exit_code, ran.json["status"], ran.json["repos"]) == (0, "attention", ["App"])
    found = {issue["subject"]: issue["code"] for issue in ran.json["issues"]}
    passed_over = ["-dash", "app", "bare.git", "broken", "ext", "link", "nowhere", "plain", "worktree"]
    assert found == {**{f"src/{name}": "not_adopted" for name in passed_over}, "src/secret": "credentials_in_url"}
    assert not any(issue["blocking"] for issue in ran.json["issues"])
    assert "sekrit" not in ran.stdout + ran.stderr + world.read(".grip/workspace_spec.toml")


def test_a_submodule_is_not_taken_for_a_clone(world: World) -> None:
    outer = clone(world, "app", "outer")
    world.git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", world.remote("api"), "api")
    ran = world.call("workspace", "init", "--from-dirs", "outer", "--json")
    assert [(issue["code"], issue["subject"]) for issue in ran.json["issues"] if "outer/api" in issue["subject"]] == [
        ("not_adopted", "outer/api")
    ]


def test_a_clone_on_a_detached_head_without_a_remote_head_names_no_branch(world: World) -> None:
    app = clone(world, "app", "src/app")
    world.git(app, "remote", "set-head", "origin", "--delete")
    world.git(app, "checkout", "--quiet", "--detach")
    world.call("workspace", "init", "--from-dirs", "src")
    assert spec_repos(world)["app"]["default_branch"] is None


def test_a_hostile_configuration_in_a_clone_runs_nothing(world: World) -> None:
    app = clone(world, "app", "src/app")
    world.git(app, "config", "core.fsmonitor", f"touch {world.path('ran')}; false")
    world.git(app, "config", "core.sshCommand", f"touch {world.path('ran')}; false")
    assert world.call("workspace", "init", "--from-dirs", "src").exit_code == 0
    assert not os.path.exists(world.path("ran"))


@pytest.mark.parametrize("when", ["config", "symbolic-ref"])
def test_a_git_that_is_killed_gives_no_half_answer(when: str, world: World) -> None:
    clone(world, "app", "src/app")
    world.write("bin/git", f'#!/bin/sh\ncase " $* " in *" {when} "*) kill -9 $$;; esac\nPATH="$REAL" exec git "$@"\n')
    os.chmod(world.path("bin/git"), 0o755)
    path = world.env["PATH"]
    env = {"PATH": world.path("bin") + os.pathsep + path, "REAL": path}
    ran = world.call("workspace", "init", "--from-dirs", "src", "--json", env=env)
    assert (ran.exit_code, ran.json["status"]) == (1, "failed")
    assert not os.path.exists(world.path(".grip"))


def test_materialize_is_apply(world: World) -> None:
    world.write_spec(repos=("app",), units=())
    ran = world.call("workspace", "materialize", "--json")
    assert (ran.exit_code, ran.json["schema"]) == (0, "gr2.workspace.materialize/1")
    assert os.path.isfile(world.path("repos/app/README.md"))


def test_a_workspace_named_outright_is_where_it_is_made(world: World) -> None:
    assert world.call("-C", "there", "workspace", "init", "--json").json["spec_path"] == world.path(
        "there/.grip/workspace_spec.toml"
    )
