"""The git door: neither the caller's environment nor a repository's own configuration decides what gr2's git does."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gr2.edges.git import Git, GitError, Place
from gr2.errors import Blocked
from gr2.testing import World

Verb = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Something that runs EVIL, a program that leaves a marker, when plain git works in the checkout.

    config: lines for `.git/config`; url: a new one for `origin`; files: more files, relative to the checkout; EVIL in
    them stands for the program's path. fires: whether plain git falls for it here (else it is tried for the future's
    sake).
    """

    name: str
    config: str = ""
    url: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    fires: bool = True


ATTACKS = [
    Attack(name="fsmonitor", config="[core]\nfsmonitor = EVIL\n"),
    Attack(name="fsmonitor-on-the-header-line", config="[core] fsmonitor = EVIL\n"),
    Attack(name="fsmonitor-in-capitals", config="[CORE]\nFSMonitor = EVIL\n"),
    Attack(name="hooks-path", config="[core]\nhooksPath = .git/evil\n", files={".git/evil/post-checkout": "EVIL"}),
    Attack(name="hooks", files={".git/hooks/post-checkout": "EVIL", ".git/hooks/reference-transaction": "EVIL"}),
    Attack(name="filter", config='[filter "evil"]\nclean = EVIL\nsmudge = EVIL\nrequired = true\n'),
    Attack(name="filter-process", config='[filter "evil"]\nprocess = EVIL\n'),
    Attack(name="diff-external", config="[diff]\nexternal = EVIL\n"),
    Attack(name="diff-command", config='[diff "evil"]\ncommand = EVIL\n'),
    Attack(name="diff-textconv", config='[diff "evil"]\ntextconv = EVIL\ncachetextconv = true\n'),
    Attack(name="merge-driver", config='[merge "evil"]\ndriver = EVIL %A\n'),
    Attack(name="upload-pack", config='[remote "origin"]\nuploadpack = EVIL\n'),
    Attack(name="include", config="[include]\npath = more\n", files={".git/more": "[core]\nfsmonitor = EVIL\n"}),
    Attack(
        name="include-if",
        config='[includeIf "gitdir:**"]\npath = more\n',
        files={".git/more": "[core]\nfsmonitor = EVIL\n"},
    ),
    Attack(
        name="worktree-config",
        config="[extensions]\nworktreeConfig = true\n",
        files={".git/config.worktree": '[filter "evil"]\nclean = EVIL\n'},
    ),
    Attack(name="common-directory"),
    Attack(name="signing", config="[gpg]\nprogram = EVIL\n[commit]\ngpgSign = true\n"),
    Attack(
        name="signing-key-command",
        config='[gpg]\nformat = ssh\n[gpg "ssh"]\ndefaultKeyCommand = EVIL\n[commit]\ngpgSign = true\n',
    ),
    Attack(name="ssh-command", config="[core]\nsshCommand = EVIL\n", url="ssh://git@127.0.0.1/x.git"),
    Attack(name="ext-transport", config='[protocol "ext"]\nallow = always\n', url="ext::EVIL quit"),
    Attack(name="instead-of", config='[protocol "ext"]\nallow = always\n[url "ext::EVIL quit "]\ninsteadOf = /\n'),
    Attack(name="missing-objects", config='[remote "origin"]\npromisor = true\nuploadpack = EVIL\n'),
    Attack(name="editor", config="[core]\neditor = EVIL\n[sequence]\neditor = EVIL\n", fires=False),
    Attack(name="pager", config="[core]\npager = EVIL\n[pager]\nstatus = EVIL\nlog = EVIL\ndiff = EVIL\n", fires=False),
    Attack(name="alias", config="[alias]\nstatus = !EVIL\nfetch = !EVIL\n", fires=False),
]


def run_verbs(verb: Verb) -> None:
    """The verbs that gr2 uses in a checkout with a changed and an untracked file."""
    verb("status", "--porcelain=v2", "--branch", "-z")
    verb("rev-parse", "HEAD")
    verb("fetch", "origin", network=True)
    verb("diff")
    verb("log", "-p", "-1")
    verb("stash", "push", "--include-untracked")
    verb("stash", "pop")
    verb("stash", "push", "--include-untracked")
    verb("checkout", "-q", "-b", "feat", "origin/topic")
    verb("merge", "--no-edit", "main")
    verb("merge", "--abort")
    verb("rebase", "main")
    verb("rebase", "--abort")
    verb("checkout", "-q", "main")
    verb("merge", "--no-ff", "--no-edit", "harmless")
    verb("status", "--porcelain=v2")


@pytest.fixture
def evil(world: World) -> Iterator[Callable[[], bool]]:
    """Makes the program; tells whether it ran since it was last asked."""
    marker = os.path.join(world.base, "marker")
    path = world.write(os.path.join(world.base, "evil"), f"#!/bin/sh\n: >>'{marker}'\n[ $# -gt 0 ] || exec cat\n")
    os.chmod(path, 0o755)
    ssh = world.write(os.path.join(world.base, "bin/ssh"), "#!/bin/sh\nexit 255\n")
    os.chmod(ssh, 0o755)
    world.env["PATH"] = f"{os.path.dirname(ssh)}:{world.env['PATH']}"

    def ran() -> bool:
        found = os.path.exists(marker)
        if found:
            os.unlink(marker)
        return found

    yield ran


@pytest.fixture
def checkout(world: World) -> str:
    """A checkout whose every file has the attributes `evil`, with a change and an untracked file."""
    for branch in ("main", "topic"):
        world.commit("app", {".gitattributes": "*.txt filter=evil diff=evil merge=evil\n"}, branch=branch)
    world.commit("app", {"src/app.txt": "app 3\n"})
    world.commit("app", {"other.txt": "other\n"}, branch="harmless")
    world.git("", "clone", "--quiet", world.remote("app"), "app")
    world.git("app", "branch", "--quiet", "harmless", "origin/harmless")
    world.write("app/src/app.txt", "app 3\nchanged\n")
    world.write("app/new.txt", "new\n")
    return world.path("app")


def arm(attack: Attack, checkout: str, world: World) -> None:
    program = os.path.join(world.base, "evil")
    if attack.name == "common-directory":
        elsewhere, ours = Path(world.base, "elsewhere"), Path(checkout, ".git")
        shutil.copytree(ours, elsewhere)
        with open(elsewhere / "config", "a") as file:
            file.write(f'[filter "evil"]\nclean = {program}\nsmudge = {program}\n')
        (ours / "commondir").write_text(f"{elsewhere}\n")
    if attack.name == "missing-objects":
        commit = world.git(checkout, "rev-parse", "origin/topic")
        Path(checkout, ".git/packed-refs").write_text(f"{commit} refs/remotes/origin/topic\n")
        _remove_object(checkout, commit, world)
    if attack.url:
        world.git(checkout, "remote", "set-url", "origin", attack.url.replace("EVIL", program))
    with open(os.path.join(checkout, ".git/config"), "a") as file:
        file.write(attack.config.replace("EVIL", program))
    for name, content in attack.files.items():
        path = world.write(
            os.path.join(checkout, name),
            content.replace("EVIL", f"#!/bin/sh\n{program}\n" if content == "EVIL" else program),
        )
        os.chmod(path, 0o755)


def _remove_object(checkout: str, name: str, world: World) -> None:
    objects = Path(checkout, ".git/objects")
    for pack in objects.glob("pack/*.pack"):
        data = pack.read_bytes()
        for part in objects.glob("pack/*"):
            part.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=checkout, env=world.env, input=data, check=True)
    (objects / name[:2] / name[2:]).unlink()


def plainly(world: World, checkout: str, env: Mapping[str, str | None]) -> Verb:
    def verb(*args: str, network: bool = False) -> None:
        subprocess.run(
            ["git", *args],
            cwd=checkout,
            env=world.environ(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )

    return verb


def through(git: Git, checkout: str, log: list[str] | None = None) -> Verb:
    def verb(*args: str, network: bool = False) -> None:
        try:
            git.run(args, at=Place.checkout(checkout), network=network, timeout=60)
        except (GitError, Blocked) as error:
            if log is not None:
                log.append(f"{' '.join(args)}: {error}")

    return verb


NO_SSH_OF_OURS = {"GIT_SSH_COMMAND": None}


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.fires], ids=lambda attack: attack.name)
def test_plain_git_falls_for_it(attack: Attack, world: World, checkout: str, evil: Callable[[], bool]) -> None:
    arm(attack, checkout, world)

    run_verbs(plainly(world, checkout, NO_SSH_OF_OURS))

    assert evil(), "this attack proves nothing"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_repositorys_configuration_runs_nothing(
    attack: Attack, world: World, checkout: str, evil: Callable[[], bool]
) -> None:
    arm(attack, checkout, world)

    run_verbs(through(world.session(env=NO_SSH_OF_OURS).git, checkout))

    assert not evil()


# What fails is talking to the remote that the configuration put in place of the real one, nothing else.
REDIRECTED = {"ssh-command", "ext-transport", "instead-of"}


# Here another repository lends its branches, or every verb is refused because it might have to fetch.
NOT_AT_ALL_THE_SAME = {"common-directory", "missing-objects"}


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.name not in NOT_AT_ALL_THE_SAME], ids=lambda attack: attack.name
)
def test_git_works_all_the_same(attack: Attack, world: World, checkout: str, evil: Callable[[], bool]) -> None:
    failed: list[str] = []
    usual: list[str] = []
    run_verbs(through(world.session().git, checkout, usual))
    world.git(checkout, "checkout", "--quiet", "--force", "main")
    world.git(checkout, "branch", "--quiet", "-D", "feat")
    world.git(checkout, "reset", "--quiet", "--hard", "origin/main")
    world.git(checkout, "stash", "pop", "--quiet")
    arm(attack, checkout, world)

    run_verbs(through(world.session(env=NO_SSH_OF_OURS).git, checkout, failed))

    new = [line for line in failed if line.split(":")[0] not in {old.split(":")[0] for old in usual}]
    assert new == [] or (attack.name in REDIRECTED and [line.split(":")[0] for line in new] == ["fetch origin"]), new


def test_the_difference_is_gits_own(world: World, checkout: str, evil: Callable[[], bool]) -> None:
    arm(
        Attack(name="x", config='[diff]\nexternal = EVIL\n[diff "evil"]\ncommand = EVIL\ntextconv = EVIL\n'),
        checkout,
        world,
    )

    shown = world.session().git.run(["diff"], at=Place.checkout(checkout))

    assert b"+changed" in shown


ENVIRONMENTS = {
    "GIT_DIR": {"GIT_DIR": "/nowhere"},
    "GIT_WORK_TREE": {"GIT_WORK_TREE": "/"},
    "GIT_INDEX_FILE": {"GIT_INDEX_FILE": "/dev/full"},
    "GIT_OBJECT_DIRECTORY": {"GIT_OBJECT_DIRECTORY": "/nowhere"},
    "GIT_CONFIG_COUNT": {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "diff.external", "GIT_CONFIG_VALUE_0": "EVIL"},
    "GIT_CONFIG_PARAMETERS": {"GIT_CONFIG_PARAMETERS": "'diff.external=EVIL'"},
    "GIT_CONFIG_GLOBAL": {"GIT_CONFIG_GLOBAL": "BASE/evil.config"},
    "GIT_CONFIG_SYSTEM": {"GIT_CONFIG_SYSTEM": "BASE/evil.config"},
    "GIT_EXTERNAL_DIFF": {"GIT_EXTERNAL_DIFF": "EVIL"},
    "GIT_EDITOR": {"GIT_EDITOR": "EVIL", "GIT_SEQUENCE_EDITOR": "EVIL", "EDITOR": "EVIL", "VISUAL": "EVIL"},
    "GIT_PAGER": {"GIT_PAGER": "EVIL", "PAGER": "EVIL"},
    "GIT_EXEC_PATH": {"GIT_EXEC_PATH": "/nowhere"},
    "GIT_TEMPLATE_DIR": {"GIT_TEMPLATE_DIR": "BASE/template"},
    "GIT_TRACE": {"GIT_TRACE": "BASE/marker"},
    "GIT_NAMESPACE": {"GIT_NAMESPACE": "other"},
}


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_the_callers_git_variables_have_no_effect(
    env: Mapping[str, str], world: World, checkout: str, evil: Callable[[], bool]
) -> None:
    program = os.path.join(world.base, "evil")
    world.write(os.path.join(world.base, "evil.config"), f"[diff]\nexternal = {program}\n")
    hook = world.write(os.path.join(world.base, "template/hooks/post-checkout"), f"#!/bin/sh\n{program}\n")
    os.chmod(hook, 0o755)
    env = {name: value.replace("EVIL", program).replace("BASE", world.base) for name, value in env.items()}
    git = world.session(env=env).git
    failed: list[str] = []

    git.run(["clone", "--quiet", world.remote("app"), world.path("fresh")], network=True)
    run_verbs(through(git, checkout, failed))

    assert not evil()
    assert world.git("fresh", "rev-parse", "HEAD") == world.git(world.remote("app"), "rev-parse", "main")
    assert not os.path.exists(world.path("fresh/.git/hooks"))
    assert {line.split(":")[0].split()[0] for line in failed} <= {"merge", "rebase"}


def test_a_work_tree_named_by_the_configuration_is_not_looked_at(world: World, checkout: str) -> None:
    world.git(checkout, "config", "core.worktree", world.home)

    shown = world.session().git.run(["status", "--porcelain"], at=Place.checkout(checkout))

    assert shown.split(b"\n")[:2] == [b" M src/app.txt", b"?? new.txt"]


@pytest.mark.parametrize("key", ["core.hooksPath", "core.fsmonitor", "init.templateDir"])
def test_hooks_monitors_and_templates_of_the_user_have_no_effect_either(
    key: str, world: World, checkout: str, evil: Callable[[], bool]
) -> None:
    program = os.path.join(world.base, "evil")
    for name in ("hooks", "template/hooks"):
        hook = world.write(os.path.join(world.base, name, "post-checkout"), f"#!/bin/sh\n{program}\n")
        os.chmod(hook, 0o755)
    value = {"core.hooksPath": "hooks", "core.fsmonitor": "evil", "init.templateDir": "template"}[key]
    world.git("", "config", "--global", key, os.path.join(world.base, value))
    world.git(checkout, "config", key, os.path.join(world.base, value))
    git = world.session().git

    git.run(["clone", "--quiet", world.remote("app"), world.path("fresh")], network=True)
    run_verbs(through(git, checkout))

    assert not evil()


def test_the_users_own_filter_is_honoured(world: World) -> None:
    world.commit("app", {".gitattributes": "*.txt filter=up\n"})
    world.git("", "config", "--global", "filter.up.smudge", "tr a-z A-Z")

    world.session().git.run(["clone", "--quiet", world.remote("app"), world.path("fresh")], network=True)

    assert world.read("fresh/src/app.txt") == "APP 2\n"


def test_the_users_own_filter_wins_over_the_repositorys(world: World, checkout: str, evil: Callable[[], bool]) -> None:
    world.git("", "config", "--global", "filter.evil.smudge", "tr a-z A-Z")
    arm(ATTACKS[[attack.name for attack in ATTACKS].index("filter")], checkout, world)

    world.session().git.run(["checkout", "HEAD", "--", "src/app.txt"], at=Place.checkout(checkout))

    assert not evil()
    assert world.read("app/src/app.txt") == "APP 3\n"


def test_the_users_own_redirection_is_honoured(world: World) -> None:
    remote = world.remote("app")
    world.git("", "config", "--global", f"url.{os.path.dirname(remote)}/.insteadOf", "https://example.org/")

    world.session().git.run(["clone", "--quiet", "https://example.org/app.git", world.path("fresh")], network=True)

    assert world.git("fresh", "rev-parse", "HEAD") == world.git(remote, "rev-parse", "main")


def test_a_repositorys_redirection_is_refused_with_its_key(world: World, checkout: str) -> None:
    world.git(checkout, "config", "url./elsewhere/.insteadOf", "https://")

    with pytest.raises(Blocked) as caught:
        world.session().git.run(["fetch", "origin"], at=Place.checkout(checkout), network=True)

    assert caught.value.code == "unsafe_git_config"
    assert caught.value.details["keys"] == ["url./elsewhere/.insteadof"]


def test_submodules_are_not_recursed_even_if_the_user_wishes(world: World) -> None:
    world.git("", "config", "--global", "submodule.recurse", "true")
    world.git("", "config", "--global", "fetch.recurseSubmodules", "true")
    world.git("", "clone", "--quiet", world.remote("app"), "maker")
    world.git("maker", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", world.remote("api"), "sub")
    world.git("maker", "commit", "--quiet", "--message", "add a submodule")
    world.git("maker", "push", "--quiet", "--recurse-submodules=no", "origin", "main")
    git = world.session().git

    git.run(["clone", "--quiet", world.remote("app"), world.path("fresh")], network=True)
    git.run(["fetch", "origin"], at=Place.checkout(world.path("fresh")), network=True)
    git.run(["checkout", "HEAD~1"], at=Place.checkout(world.path("fresh")))
    git.run(["checkout", "main"], at=Place.checkout(world.path("fresh")))

    assert os.listdir(world.path("fresh/sub")) == []
    assert not os.path.exists(world.path("fresh/.git/modules"))


@contextmanager
def asking_for_a_password() -> Iterator[str]:
    """An HTTP server that answers 401 to everything; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_only_the_users_credential_helpers_are_asked(world: World, checkout: str, evil: Callable[[], bool]) -> None:
    asked = os.path.join(world.base, "asked")
    with asking_for_a_password() as address:
        world.git("", "config", "--global", f"credential.http://{address}.helper", f"!f() {{ : >>{asked}; }}; f")
        world.git(checkout, "remote", "set-url", "origin", f"http://{address}/app.git")
        world.git(checkout, "config", "credential.helper", os.path.join(world.base, "evil"))
        world.git(checkout, "config", "core.askPass", os.path.join(world.base, "evil"))

        with pytest.raises(GitError) as caught:
            world.session().git.run(["fetch", "origin"], at=Place.checkout(checkout), network=True)

    assert caught.value.code == "remote_unreachable"
    assert not evil()
    assert os.path.exists(asked)


@pytest.mark.parametrize(
    "url",
    [
        "http://robin:sekret@127.0.0.1:9/app.git",
        "http://sekret@127.0.0.1:9/app.git",
        "http://127.0.0.1:9/app.git?access_token=sekret",
    ],
)
def test_a_secret_in_a_url_reaches_no_error(url: str, world: World) -> None:
    with pytest.raises(GitError) as caught:
        world.session().git.run(["ls-remote", url], network=True)

    assert caught.value.code == "remote_unreachable"
    assert "sekret" not in f"{caught.value} {caught.value.details} {caught.value.stderr}"


def test_a_secret_in_an_existing_clone_reaches_no_output(world: World) -> None:
    world.write_spec()
    assert world.gr2("apply").exit_code == 0
    world.git("repos/app", "remote", "set-url", "origin", "http://robin:sekret@127.0.0.1:9/app.git")

    for args in (["-v", "plan"], ["-v", "apply"], ["-v", "repo", "status"], ["--json", "plan"], ["--json", "apply"]):
        ran = world.gr2(*args)
        assert "sekret" not in ran.stdout + ran.stderr, args


def test_a_secret_on_the_command_line_reaches_no_output(world: World) -> None:
    for more in ([], ["--json"], ["-v"]):
        ran = world.gr2(
            "workspace", "init", "--name", "shop", "--repo", "app=http://robin:sekret@127.0.0.1:9/app.git", *more
        )

        assert ran.exit_code == 2
        assert "sekret" not in ran.stdout + ran.stderr
