"""The pull requests of one bare repository: `gr2-prs.json` in it, read and written under a lock of its own.

What is about to happen to references is written down first (`doing`), so that whoever takes the lock after a kill can
finish it. A lock outlives its gr2 for as long as a git that it started is at work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from gr2.api import CheckState, Mergeable, MergeMethod, ProtocolError, PullState, Verdict, read_regular, write_whole

FILE = "gr2-prs.json"
LOCK = "gr2-prs.flock"  # no name ending in .lock: those are git's, and may be cleared up
VERSION = 1
BODY_LIMIT = 65_536
_LIMIT = 256 << 20


@dataclass(frozen=True, kw_only=True)
class LocalCheck:
    """A check that somebody reported on the commit `head`."""

    name: str
    state: CheckState
    head: str


@dataclass(frozen=True, kw_only=True)
class LocalReview:
    """A review of the commit `commit`."""

    reviewer: str
    verdict: Verdict
    commit: str
    submitted_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What git said of a head and a base, kept so that it is asked once. contained: the base has the head already."""

    base_sha: str = ""
    head_sha: str = ""
    mergeable: Mergeable = "unknown"
    contained: bool = False


@dataclass(frozen=True, kw_only=True)
class LocalPull:
    """One pull request, as kept in the file. auto_merge: the method to merge by as soon as it may be."""

    number: int
    title: str
    body: str
    base: str
    head: str
    head_sha: str
    state: PullState = "open"
    author: str = ""
    draft: bool = False
    merge_sha: str | None = None
    auto_merge: MergeMethod | None = None
    created_at: str = ""
    updated_at: str = ""
    checks: tuple[LocalCheck, ...] = ()
    reviews: tuple[LocalReview, ...] = ()
    looked: Looked = Looked()

    def current_checks(self) -> tuple[LocalCheck, ...]:
        """The checks on the current head."""
        return tuple(check for check in self.checks if check.head == self.head_sha)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a base branch demands (`rules` in the file, by branch; written by hand). methods: allowed ways to merge."""

    approvals: int = 0
    checks: tuple[str, ...] = ()
    methods: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What a process was about to do to references: on which, and which pull request it merges (0: none)."""

    refs: tuple[str, ...] = ()
    number: int = 0
    merge_sha: str = ""


@dataclass
class Pulls:
    """The content of the file."""

    by_number: dict[int, LocalPull] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)
    doing: Doing | None = None

    def next_number(self) -> int:
        """The number of the next pull request."""
        return max(self.by_number, default=0) + 1

    def rules_of(self, base: str) -> Rules:
        """What the branch `base` demands."""
        return self.rules.get(base, Rules())

    def change(self, number: int, **values: Any) -> LocalPull:
        """Replace values of a pull request, and give it as it is then."""
        self.by_number[number] = replace(self.by_number[number], **values)
        return self.by_number[number]


def read_pulls(repository: str) -> Pulls:
    """The pull requests of the repository at this path. Raises ProtocolError when the file is damaged."""
    path = os.path.join(repository, FILE)
    try:
        data = read_regular(path, limit=_LIMIT)
        found: dict[str, Any] = json.loads(data) if data is not None else {"version": VERSION, "prs": []}
        if found["version"] != VERSION:
            raise ValueError(f"its version is {found['version']}, not {VERSION}")
        pulls = [_pull(record) for record in found["prs"]]
        rules = {str(base): _made(Rules, record) for base, record in found.get("rules", {}).items()}
        doing = found.get("doing")
        return Pulls({pull.number: pull for pull in pulls}, rules, _made(Doing, doing) if doing else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"{FILE} cannot be read: {error}", hint=f"repair {path}") from error


def write_pulls(repository: str, pulls: Pulls) -> None:
    """Write the file whole. Raises Gr2Error `disk_full`, `read_only`, `write_failed`."""
    content: dict[str, Any] = {"version": VERSION, "prs": [asdict(pull) for pull in pulls.by_number.values()]}
    if pulls.rules:
        content["rules"] = {base: asdict(rules) for base, rules in pulls.rules.items()}
    if pulls.doing is not None:
        content["doing"] = asdict(pulls.doing)
    write_whole(os.path.join(repository, FILE), json.dumps(content, indent=1).encode() + b"\n")


def _pull(record: Mapping[str, Any]) -> LocalPull:
    made: LocalPull = _made(LocalPull, record)
    return replace(
        made,
        checks=tuple(_made(LocalCheck, check) for check in record.get("checks", ())),
        reviews=tuple(_made(LocalReview, review) for review in record.get("reviews", ())),
        looked=_made(Looked, record.get("looked", {})),
    )


def _made(kind: Any, record: Mapping[str, Any]) -> Any:
    """A value of a dataclass from a JSON object; lists become tuples, keys that it does not know are left out."""
    known = {item.name: item for item in fields(kind)}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items() if key in known}
    for key in ("title", "body", "base", "head", "head_sha"):
        if key in values and not isinstance(values[key], str):
            raise TypeError(f"{key} must be a string")
    if "number" in values and type(values["number"]) is not int:
        raise TypeError("number must be an integer")
    return kind(**values)
