"""What `.gr2/hooks.toml` says, as values, and the rules that need nothing but them (contract, page 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gr2.model.records import dataclass

HOOKS_FOLDER = ".gr2"
HOOKS_FILE = ".gr2/hooks.toml"
HOOKS_LIMIT = 64 << 10
HOOKS_VERSION = 1

STAGES = ("on_materialize", "on_enter", "on_exit")
WHENS: Mapping[str, tuple[str, ...]] = {
    "on_materialize": ("first_materialize", "always", "manual"),
    "on_enter": ("always", "dirty", "manual"),
    "on_exit": ("always", "dirty", "manual"),
}
ON_FAILURES = ("block", "warn", "skip")
KINDS = ("link", "copy")
COLLISIONS = ("error", "skip", "overwrite", "merge")
DEFAULT_TIMEOUT = 600.0

VARIABLES = (
    "workspace_root",
    "unit_root",
    "lane_root",
    "repo_root",
    "repo_name",
    "lane_owner",
    "lane_subject",
    "lane_name",
)
# The variable a destination begins with, and the kind of checkout that projects there ("" for every kind).
ROOTS: Mapping[str, str] = {"workspace_root": "shared", "unit_root": "unit", "lane_root": "lane", "repo_root": ""}


@dataclass(frozen=True, kw_only=True)
class Hook:
    """One lifecycle hook. `key` is its place in the file: `lifecycle.on_enter[0]`."""

    stage: str
    name: str
    command: str
    cwd: str = "{repo_root}"
    when: str
    on_failure: str
    runtime: str = "command"
    timeout_seconds: float = DEFAULT_TIMEOUT
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A file of the repo that is to be linked or copied to `dest`. `key` is its place: `files.link[0]`."""

    kind: str
    src: str
    dest: str
    if_exists: str = "error"
    key: str = ""

    @property
    def root(self) -> str:
        """The variable that the destination begins with."""
        return self.dest[1 : self.dest.index("}")]

    @property
    def below(self) -> str:
        """The rest of the destination, its variables not put in yet."""
        return self.dest[self.dest.index("}") + 2 :]

    @property
    def scope(self) -> str:
        """The kind of checkout that projects it: shared, unit or lane; "" for every kind."""
        return ROOTS[self.root]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A verification command."""

    name: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a repo asks of its lanes and pull requests; None says nothing."""

    required_reviewers: int | None = None
    allow_lane_kinds: tuple[str, ...] | None = None
    preferred_exec: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HooksFile:
    """A valid hooks file. `digest` is the SHA-256 of its bytes, which is what a person approves."""

    digest: str
    version: int = HOOKS_VERSION
    repo_name: str = ""
    projections: tuple[Projection, ...] = ()
    hooks: tuple[Hook, ...] = ()
    gates: tuple[Gate, ...] = ()
    policy: Policy = field(default_factory=Policy)

    def stage(self, stage: str) -> tuple[Hook, ...]:
        """The hooks of a stage, in the order of the file."""
        return tuple(hook for hook in self.hooks if hook.stage == stage)


def default_when(stage: str) -> str:
    """When a hook of `stage` runs if it does not say."""
    return "first_materialize" if stage == "on_materialize" else "always"


def default_on_failure(stage: str) -> str:
    """What the failure of a hook of `stage` means if it does not say."""
    return "block" if stage == "on_materialize" else "warn"


_FORBIDDEN_FOLDERS = frozenset({".grip", ".git", ".gr2"})
_FORBIDDEN_FILES = frozenset({"lane.toml", "unit.toml"})


def fault_of_below(path: str) -> str | None:
    """Why nothing may be projected to `path` (relative, variables put in or not), or None.

    Names are compared as file systems that ignore case or Unicode form would take them.
    """
    parts = path.split("/")
    folded = [_fold(part) for part in parts]
    faults = (
        (not path, "it names no file"),
        (path.startswith("/"), "it is absolute"),
        ("\0" in path or any(ord(char) < 32 or ord(char) == 127 for char in path), "it holds control characters"),
        (any(part in {"", "."} for part in parts), "it has an empty component"),
        (".." in parts, "it leaves its root"),
        (any(part in _FORBIDDEN_FOLDERS for part in folded), "it is inside .grip, .git or .gr2"),
        (any(part in _FORBIDDEN_FILES for part in folded), "lane.toml and unit.toml are gr2's own"),
        (len(path) > 1024 or any(len(part.encode(errors="replace")) > 255 for part in parts), "it is too long"),
    )
    return next((reason for found, reason in faults if found), None)


def _fold(name: str) -> str:
    if not name.isascii():
        import unicodedata

        # HFS+ passes over these when it compares names, as git's own protection of .git knows.
        ignored = {0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x206A, 0x2070)}
        name = unicodedata.normalize("NFC", "".join(char for char in name if ord(char) not in ignored))
    return name.casefold()


def fold_path(path: str) -> str:
    """One spelling for all paths that some file system takes for the same."""
    return "/".join(_fold(part) for part in path.split("/"))
