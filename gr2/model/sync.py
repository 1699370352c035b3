"""What a sync does with a checkout: rules over what was seen of it, and nothing else (contract, page 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gr2.model.checkout import Checkout
from gr2.model.hints import git_at, place_at, quoted
from gr2.model.outcome import Issue
from gr2.model.records import dataclass

STRATEGIES = ("ff-only", "rebase", "merge")
DEFAULT_STRATEGY = "ff-only"
DEFAULT_DIRTY = "stash"
DEFAULT_JOBS = 8
HOST_LIMIT = 10
"""Connections to one host at a time."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A checkout as its files tell it, beside what its mirror has.

    root: the absolute path of the workspace. link: the symbolic link on the way to it, if any. occupied: something that
    is no checkout is in its place. busy: a merge, rebase and the like that waits for a person.
    expected: the branch it should be on, "" for any. pin: the commit it should be at, "" when it follows a branch.
    target: the commit it should move to, None when the remote has no such branch. tracking: what the checkout itself
    remembers of that branch. followed: whether the remote is known to have had that branch. is_news: whether this side
    learnt of it after the mirror was fetched. adds_nothing: HEAD is at the end of one of the remote's branches.
    remote_default: the remote's own default branch.
    """

    root: str
    checkout: Checkout
    exists: bool
    link: str | None = None
    occupied: bool = False
    branch: str | None = None
    head: str | None = None
    busy: str | None = None
    expected: str = ""
    pin: str = ""
    target: str | None = None
    tracking: str | None = None
    followed: bool = False
    adds_nothing: bool = False
    is_news: bool = False
    remote_default: str = ""

    @property
    def place(self) -> str:
        """What to call it: "app", "app (alpha)", "app (alpha/feat)"."""
        owner = "/".join(part for part in (self.checkout.unit, self.checkout.lane) if part)
        return f"{self.checkout.repo} ({owner})" if owner else self.checkout.repo

    @property
    def scope(self) -> str:
        """The scope of an issue about it."""
        return "repo" if self.checkout.scope == "shared" else self.checkout.scope

    def git(self, *words: str) -> str:
        """The git command to type for it."""
        return git_at(self.root, self.checkout.path, *words)

    def issue(
        self, code: str, message: str, *, hint: str = "", blocking: bool = False, details: Mapping[str, Any] = {}
    ) -> Issue:
        """An issue about this checkout."""
        about = {"repo": self.checkout.repo, "path": self.checkout.path, **details}
        return Issue(
            code=code,
            scope=self.scope,
            subject=self.place,
            message=message,
            hint=hint,
            blocking=blocking,
            details=about,
        )


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far a checkout is from where it should be.

    ahead, behind: commits on one side only. base: where its own work begins. rewritten: the branch was at a commit
    here that is no part of it any more (a force push). own: commits that were never seen upstream.
    """

    ahead: int
    behind: int
    base: str = ""
    rewritten: bool = False
    own: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to do with a checkout: leave it for the reason `issue`, move it (`kind`: fast-forward, rebase, merge or
    pin), nothing (neither), or look closer (`compare`)."""

    issue: Issue | None = None
    kind: str = ""
    compare: bool = False


UP_TO_DATE = Verdict()


def first_verdict(seen: Seen) -> Verdict:
    """What the files alone decide."""
    checkout = seen.checkout
    if seen.link is not None:
        message = f"{seen.link} is a symbolic link"
        hint = f"move {place_at(seen.root, seen.link)} away"
        return _left(seen, "path_conflict", message, hint=hint, details={"files": [seen.link]})
    if seen.occupied:
        hint = f"move {place_at(seen.root, checkout.path)} away, then gr2 apply"
        message = f"something else is at {checkout.path}"
        return _left(seen, "path_conflict", message, hint=hint, details={"files": [checkout.path]})
    if not seen.exists:
        return _left(seen, "not_materialized", f"{checkout.path} is not there yet", hint="gr2 apply")
    if seen.busy is not None:
        details = {"in_progress": seen.busy}
        hint = f"finish or abort it: {seen.git('status')}"
        return _left(seen, "operation_in_progress", f"a {seen.busy} is in progress", hint=hint, details=details)
    if seen.pin:
        return _pinned(seen)
    if seen.branch is None or (seen.expected and seen.branch != seen.expected):
        return _mismatch(seen)
    if seen.target is None:
        return UP_TO_DATE if seen.is_news else _without_upstream(seen)
    return UP_TO_DATE if seen.head == seen.target else Verdict(compare=True)


def _pinned(seen: Seen) -> Verdict:
    if seen.head == seen.pin:
        return UP_TO_DATE
    return _mismatch(seen) if seen.branch is not None else Verdict(compare=True)


def _mismatch(seen: Seen) -> Verdict:
    details = {"branch": seen.branch, "expected": seen.expected or None, "remote_default": seen.remote_default or None}
    if seen.branch is None:
        message = "HEAD is detached"
        hint = seen.git("switch", seen.expected or seen.remote_default or "BRANCH")
    elif seen.pin:
        message, hint = f"it is on {seen.branch}, and the spec pins it", seen.git("switch", "--detach", seen.pin)
    else:
        which = "the remote's default branch" if seen.expected == seen.remote_default else "its branch"
        message = f"it is on {seen.branch}, and {which} is {seen.expected}"
        hint = seen.git("switch", seen.expected)
    return _left(seen, "branch_mismatch", message, hint=hint, details=details)


def _without_upstream(seen: Seen) -> Verdict:
    deleted = seen.tracking is not None or seen.followed
    message = f"the remote has no branch {seen.branch}" + (" any more" if deleted else " yet")
    hint = "" if seen.adds_nothing else seen.git("push", "-u", "origin", "HEAD")
    if deleted and seen.checkout.lane:
        hint = "gr2 lane archive " + quoted(f"{seen.checkout.unit}/{seen.checkout.lane}")
    elif deleted:
        other = seen.remote_default if seen.remote_default != seen.branch else ""
        hint = seen.git("switch", other) if other else ""
    return _left(seen, "no_upstream", message, hint=hint, details={"branch": seen.branch, "deleted": deleted})


def second_verdict(seen: Seen, distance: Distance, strategy: str) -> Verdict:
    """What is to be done once git has told how far apart checkout and remote are."""
    if seen.pin:
        if distance.own == 0:
            return Verdict(kind="pin")
        message = f"it has {_commits(distance.own)} that are nowhere else"
        hint = seen.git("switch", "-c", "BRANCH")
        return _left(seen, "branch_diverged", message, hint=hint, details=_told(seen, distance))
    if distance.behind == 0:
        # Forward only: what the remote took back is told, and stays here.
        return _diverged(seen, distance) if distance.rewritten else UP_TO_DATE
    if distance.ahead == 0:
        return Verdict(kind="fast-forward")
    if strategy == "ff-only":
        return _diverged(seen, distance)
    return Verdict(kind=strategy)


def _diverged(seen: Seen, distance: Distance) -> Verdict:
    ahead, behind = _commits(distance.ahead), _commits(distance.behind)
    message = f"{seen.branch} and the remote's have diverged: {ahead} here, {behind} there"
    if distance.rewritten:
        message = f"{seen.branch} was rewritten on the remote: {ahead} here, {behind} there"
    hint = "gr2 sync run --strategy rebase" + selector(seen.checkout)
    return _left(seen, "branch_diverged", message, hint=hint, details=_told(seen, distance))


def selector(checkout: Checkout) -> str:
    """The options that select this checkout's lane, or its repo, in its unit if it has one."""
    if checkout.lane:
        return " --lane " + quoted(f"{checkout.unit}/{checkout.lane}")
    unit = f" --unit {checkout.unit}" if checkout.unit else ""
    return f"{unit} --repo {checkout.repo}"


def _told(seen: Seen, distance: Distance) -> dict[str, Any]:
    return {
        "branch": seen.branch,
        "ahead": distance.ahead,
        "behind": distance.behind,
        "rewritten": distance.rewritten,
        "head": seen.head,
        "target": seen.pin or seen.target,
    }


def _left(seen: Seen, code: str, message: str, *, hint: str, details: Mapping[str, Any] = {}) -> Verdict:
    return Verdict(issue=seen.issue(code, message, hint=hint, details=details))


def _commits(number: int) -> str:
    return f"{number} commit" + ("" if number == 1 else "s")


@dataclass
class Tally:
    """Repos by what became of them; each counts once: failed before updated before skipped."""

    updated: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def counts(self) -> tuple[int, int, int]:
        """How many were updated, skipped, failed."""
        updated = self.updated - self.failed
        return len(updated), len(self.skipped - self.failed - updated), len(self.failed)


# Text that git and its transports print for trouble that often goes away by itself.
TRANSIENT = (
    r"Temporary failure in name resolution|Connection (?:reset|timed out|closed by)|Operation timed out"
    r"|Network is unreachable|No route to host|early EOF|unexpected disconnect|The remote end hung up unexpectedly"
    r"|RPC failed|returned error: (?:429|5\d\d)|kex_exchange_identification|SSL_ERROR_SYSCALL|recv error"
    r"|Connection refused|Could not resolve host"
)
