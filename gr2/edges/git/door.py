"""Runs git with an environment of gr2's making, and turns every failure into `GitError`.

A question git cannot answer raises; it never answers "clean".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from gr2.edges.git.guard import Guard, guard_for
from gr2.edges.process import NOT_FOUND, Command, Completed, Listener, Runner
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hints import git_at
from gr2.model.records import dataclass
from gr2.model.url import redact

MINIMUM_VERSION = (2, 38)
LOCAL_TIMEOUT_SECONDS = 900.0
STALL_SECONDS = 60.0

# What of the caller's GIT_* variables reaches git (contract, page 2). Every other one has no effect.
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS")
_CONFIG = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("init.templateDir", ""),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("protocol.ext.allow", "never"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("status.submoduleSummary", "false"),
    ("status.renames", "true"),
    ("core.quotePath", "true"),
    ("advice.detachedHead", "false"),
    ("color.ui", "false"),
)
# Verbs that take the option that names the program of the other side, and verbs that may run diff programs.
_PROGRAM_OPTIONS = {"fetch": ("--upload-pack",), "ls-remote": ("--upload-pack",), "push": ("--receive-pack",)}
_SHOWS_DIFF = frozenset({"diff", "log", "show"})

MIRROR_MISSING = "mirror_missing"
# What git says of a checkout whose mirror, its alternate object directory, is not there (gitrepository-layout(5)).
_LOST_MIRROR = re.compile(r"(?:alternate object path: |object directory )(/.*/\.grip/cache/repos/[^/\n]+\.git)/objects")


class GitError(Failed):
    """git said no. `details` hold the redacted arguments, the exit code and the end of what it printed."""

    def __init__(self, code: str, message: str, *, completed: Completed, hint: str = "", subject: str = "") -> None:
        stderr = redact(completed.stderr.decode(errors="replace"))[-2000:]
        super().__init__(
            code,
            message,
            scope="repo",
            subject=subject,
            hint=hint,
            details={
                "command": [redact(str(part)) for part in completed.argv],
                "exit_code": completed.exit_code,
                "stderr": stderr,
            },
        )
        self.exit_code = completed.exit_code
        self.stderr = stderr
        self.stdout = completed.stdout


@dataclass(frozen=True)
class Place:
    """A repository named outright, so that git never goes looking for one in the directories above."""

    git_dir: str
    work_tree: str | None = None

    @classmethod
    def checkout(cls, path: str) -> Place:
        """The repository whose working tree is the absolute directory `path`."""
        return cls(os.path.join(path, ".git"), path)

    @classmethod
    def bare(cls, path: str) -> Place:
        """The bare repository at the absolute directory `path`."""
        return cls(path, None)


class Git:
    """git, as every part of gr2 uses it.

    environ: the caller's environment. stall_seconds: how long a remote may stay silent. inherit: descriptors (locks)
    that each git keeps open, so that a lock outlives a gr2 that was killed for as long as its git is at work.
    """

    def __init__(
        self,
        runner: Runner,
        environ: Mapping[str, str],
        *,
        stall_seconds: float = STALL_SECONDS,
        inherit: Sequence[int] = (),
    ) -> None:
        self.runner = runner
        self.stall_seconds = stall_seconds
        self.inherit = tuple(inherit)
        self._environ = environ
        self._base = _scrubbed(environ)
        self._configured = {**self._base, **_variables(_CONFIG)}
        self._guards: dict[str, Guard] = {}

    def inheriting(self, *descriptors: int) -> Git:
        """The same door, whose children keep `descriptors` open."""
        return Git(self.runner, self._environ, stall_seconds=self.stall_seconds, inherit=(*self.inherit, *descriptors))

    def with_environment(self, changes: Mapping[str, str]) -> Git:
        """The same door, with these variables of the caller's environment changed."""
        environ = {**self._environ, **changes}
        return Git(self.runner, environ, stall_seconds=self.stall_seconds, inherit=self.inherit)

    def undisturbed(self) -> Git:
        """The same door for undoing what was begun: its children run to their end even when gr2 was told to stop."""
        return Git(Runner(), self._environ, stall_seconds=self.stall_seconds, inherit=self.inherit)

    def command(
        self,
        args: Sequence[str],
        *,
        at: Place | None = None,
        input: bytes | None = None,
        network: bool = False,
        timeout: float | None = None,
        config: Iterable[tuple[str, str]] = (),
        env: Mapping[str, str] | None = None,
        listener: Listener | None = None,
        guarded: bool = True,
    ) -> Command:
        """The command line for `git ARGS` in `at`, for `run_many`. `network`: it talks to a remote, so silence ends it.

        Raises Blocked `unsafe_git_config` when it may talk to a remote and the repository redirects its remotes.
        """
        variables = dict(self._configured)
        overrides: list[tuple[str, str]] = []
        if at is not None:
            variables["GIT_DIR"] = at.git_dir
            if at.work_tree is not None:
                variables["GIT_WORK_TREE"] = at.work_tree
            if guarded:
                guard = self.guard(at)
                overrides += guard.overrides
                args = _with_programs(args, guard, at, network=network)
        overrides += config
        if overrides:
            variables.update(_variables(overrides, first=len(_CONFIG)))
        if env:
            variables.update(env)
        # `-C`, not the child's working directory: that is cheaper to start.
        where = () if at is None else ("-C", at.work_tree or at.git_dir)
        return Command(
            argv=("git", *where, *_own_diff(args)),
            env=variables,
            input=input,
            timeout=timeout if timeout is not None or network else LOCAL_TIMEOUT_SECONDS,
            stall=self.stall_seconds if network else None,
            listener=listener,
            inherit=self.inherit,
        )

    def run(
        self,
        args: Sequence[str],
        *,
        at: Place | None = None,
        ok: Sequence[int] = (0,),
        input: bytes | None = None,
        network: bool = False,
        timeout: float | None = None,
        config: Iterable[tuple[str, str]] = (),
        env: Mapping[str, str] | None = None,
        listener: Listener | None = None,
    ) -> bytes:
        """What `git ARGS` printed. Raises GitError for an exit code not in `ok`."""
        command = self.command(
            args, at=at, input=input, network=network, timeout=timeout, config=config, env=env, listener=listener
        )
        completed = self.runner.run(command)
        if completed.exit_code not in ok:
            raise self.error(completed, network=network)
        return completed.stdout

    def text(self, args: Sequence[str], *, at: Place | None = None, ok: Sequence[int] = (0,)) -> str:
        """What `git ARGS` printed, as text without the final line feed; undecodable bytes as surrogates."""
        return self.run(args, at=at, ok=ok).decode(errors="surrogateescape").rstrip("\n")

    def succeeds(self, args: Sequence[str], *, at: Place) -> bool:
        """Whether `git ARGS` answers yes (exit 0) rather than no (exit 1). Raises GitError for anything else."""
        completed = self.runner.run(self.command(args, at=at))
        if completed.exit_code not in {0, 1}:
            raise self.error(completed)
        return completed.exit_code == 0

    def run_many(self, commands: Iterable[Command | None], *, jobs: int) -> Iterator[tuple[int, Completed]]:
        """Run many commands at once; see Runner.run_many."""
        return self.runner.run_many(commands, jobs=jobs)

    def ask_many(self, commands: Iterable[Command], *, jobs: int) -> Iterator[tuple[int, Completed]]:
        """Run many commands that change nothing, each perhaps twice; see gr2.edges.batch."""
        from gr2.edges.batch import ask_many

        return ask_many(self.runner, commands, jobs=jobs)

    def guard(self, at: Place) -> Guard:
        """What must be put over the configuration of the repository at `at`; looked up once."""
        found = self._guards.get(at.git_dir)
        if found is None:

            def ask() -> bytes:
                args = ("config", "--list", "--show-scope", "--includes", "-z")
                completed = self.runner.run(self.command(args, at=at, guarded=False, timeout=10))
                if completed.exit_code != 0:
                    raise self.error(completed)
                return completed.stdout

            found = self._guards[at.git_dir] = guard_for(at.git_dir, ask)
        return found

    def version(self) -> tuple[int, ...]:
        """git's version. Raises Blocked `git_missing` when there is no git on PATH."""
        completed = self.runner.run(Command(argv=("git", "version"), env=self._base, timeout=30))
        match = re.search(rb"(\d+(?:\.\d+)+)", completed.stdout)
        if completed.exit_code == NOT_FOUND or match is None:
            raise Blocked("git_missing", "git was not found on PATH", hint="install git 2.38 or newer")
        return tuple(int(part) for part in match.group(1).split(b"."))

    def require(self) -> None:
        """Raise Blocked `git_missing` or `git_too_old` unless git is new enough."""
        found = self.version()
        if found < MINIMUM_VERSION:
            shown = ".".join(map(str, found))
            raise Blocked(
                "git_too_old", f"git {shown} is too old", hint="install git 2.38 or newer", details={"found": shown}
            )

    def error(self, completed: Completed, *, network: bool = False, subject: str = "") -> Gr2Error:
        """The error for a git that ended badly."""
        stderr = redact(completed.stderr.decode(errors="replace"))
        from shutil import which

        if completed.exit_code == NOT_FOUND and which("git", path=self._base.get("PATH")) is None:
            return Blocked("git_missing", "git was not found on PATH", hint="install git 2.38 or newer")
        if "No space left on device" in stderr or "Disk quota exceeded" in stderr:
            hint = "free some space and run the same command again"
            return GitError(
                "disk_full", "no space left for git to write", completed=completed, hint=hint, subject=subject
            )
        if "Read-only file system" in stderr:
            return GitError("read_only", "git cannot write there", completed=completed, subject=subject)
        if completed.stalled:
            message = f"the remote sent nothing for {self.stall_seconds:g} s"
            return GitError("remote_unreachable", message, completed=completed, subject=subject)
        mirror = _LOST_MIRROR.search(stderr)
        if mirror is not None:
            message = f"the mirror that it borrows objects from is not there: {mirror[1]}"
            hint = _hint_for_lost(mirror[1], completed.argv)
            return GitError(MIRROR_MISSING, message, completed=completed, hint=hint, subject=subject)
        reason = _reason(stderr) or f"git ended with {completed.exit_code}"
        if network:
            hint = "check the URL and your access to it, then run the same command again"
            return GitError("remote_unreachable", reason, completed=completed, hint=hint, subject=subject)
        if completed.timed_out:
            reason = f"git {completed.argv[3 if completed.argv[1] == '-C' else 1]} took too long"
        return GitError("git_failed", reason, completed=completed, subject=subject)


def _with_programs(args: Sequence[str], guard: Guard, at: Place, *, network: bool) -> Sequence[str]:
    """`args` with the programs of the other side named outright, where the repository names some of its own."""
    keys = guard.refused
    if guard.programs and (guard.partial if not network else args[0] not in _PROGRAM_OPTIONS):
        keys = (*keys, *(f"remote.*.{option.strip('-').replace('-', '')}" for option, _ in guard.programs))
    if keys and (network or guard.partial):
        raise Blocked(
            "unsafe_git_config",
            f"the repository's own configuration redirects its remotes ({', '.join(keys)})",
            scope="repo",
            hint=git_at("/", at.work_tree or at.git_dir, "config", "--unset-all", keys[0]),
            details={"keys": list(keys)},
        )
    options = [f"{name}={value}" for name, value in guard.programs if name in _PROGRAM_OPTIONS.get(args[0], ())]
    return (args[0], *options, *args[1:])


def _own_diff(args: Sequence[str]) -> Sequence[str]:
    """`args` with a difference shown by git itself: what gr2 reads is no place for anyone's diff program."""
    verb = 2 if tuple(args[:2]) == ("stash", "show") else 1
    shows = verb == 2 or args[0] in _SHOWS_DIFF
    return (*args[:verb], "--no-ext-diff", "--no-textconv", *args[verb:]) if shows else args


_NO_ANSWER = "Could not read from remote repository"


def _hint_for_lost(mirror: str, argv: Sequence[str]) -> str:
    """What brings the absolute path `mirror` back, or leads a checkout of a workspace that was moved to the new one."""
    workspace = mirror.partition("/.grip/")[0]
    inside = argv[1] == "-C" and f"{argv[2]}/".startswith(f"{workspace}/")
    return "gr2 apply" if inside else "gr2 doctor --fix"


def _reason(stderr: str) -> str:
    """git's own reason in one line: its first `fatal:` or `error:`, with the names below it, else its last line."""
    lines = [line.rstrip() for line in stderr.replace("\r", "\n").splitlines() if line.strip()]
    for number, line in enumerate(lines):
        match = re.match(r"\s*(?:fatal|error|remote: error): (.*)", line, re.IGNORECASE)
        if match and match.group(1).endswith(":"):
            return f"{match.group(1)} {', '.join(_listed(lines[number + 1 :]))}".rstrip(" :")
        if match and match.group(1).startswith(_NO_ANSWER):
            return ": ".join([_NO_ANSWER, *_last_word(lines[:number])])
        if match:
            return match.group(1).rstrip(".")
    return lines[-1].strip().rstrip(".") if lines else ""


def _last_word(lines: Sequence[str]) -> list[str]:
    """What ssh, or who else was to reach the other side, said last before it gave up; nothing if it was silent."""
    said = [line.strip() for line in lines if not line.startswith(("Cloning into", "Warning:", "** WARNING"))]
    return [said[-1].rstrip(".")] if said else []


def _listed(lines: Sequence[str]) -> list[str]:
    """The first few of the indented lines at the beginning of `lines`."""
    names = list(takewhile(lambda line: line[0] in " \t", lines))
    return [name.strip() for name in names[:3]] + (["..."] if len(names) > 3 else [])


def _variables(config: Sequence[tuple[str, str]], *, first: int = 0) -> dict[str, str]:
    """The environment that sets these keys for one git, after `first` others (git-config(1), GIT_CONFIG_COUNT)."""
    variables = {"GIT_CONFIG_COUNT": str(first + len(config))}
    for number, (key, value) in enumerate(config, first):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


def _scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in environ.items() if not key.startswith("GIT_") or key in _KEPT}
    for key in ("LANGUAGE", "LC_MESSAGES"):
        kept.pop(key, None)
    kept.update(
        LC_ALL="C",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_PAGER="cat",
        GIT_EDITOR=":",
        GIT_SEQUENCE_EDITOR=":",
        GIT_MERGE_AUTOEDIT="no",
        GIT_ADVICE="0",
    )
    return kept
