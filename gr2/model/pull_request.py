"""Single pull requests as every platform tells them. Groups of them are gr2's own (contract, page 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from gr2.model.records import dataclass

PullState = Literal["open", "closed", "merged"]
Mergeable = Literal["yes", "no", "unknown"]
MergeMethod = Literal["merge", "squash", "rebase"]
CheckState = Literal["passing", "failing", "pending", "neutral", "skipped"]
Verdict = Literal["approved", "changes_requested", "commented", "dismissed"]


@dataclass(frozen=True, kw_only=True)
class PullRef:
    """One pull request: the repository's URL as the spec has it, and the number."""

    url: str
    number: int


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """A pull request as it stands. `title` and `body` are the person's bytes as text; SHAs are 40 hex.

    web_url: for people; "" where there is none. head_url: the repository the head is in when it is a fork, else "".
    queued: it waits in a merge queue. auto_merge: the platform will merge it when it may. updated_at: RFC 3339 or "".
    base_sha: where the base branch is now; "" when the platform does not say.
    """

    ref: PullRef
    title: str
    body: str
    base: str
    head: str
    head_sha: str
    state: PullState
    author: str = ""
    draft: bool = False
    mergeable: Mergeable = "unknown"
    merge_sha: str | None = None
    queued: bool = False
    auto_merge: bool = False
    web_url: str = ""
    head_url: str = ""
    updated_at: str = ""
    base_sha: str = ""


@dataclass(frozen=True, kw_only=True)
class NewPullRequest:
    """What a new pull request should be. `head` is a branch of the same repository."""

    url: str
    title: str
    body: str
    base: str
    head: str
    draft: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check run or commit status on the current head. `required`: the platform will not merge without it."""

    name: str
    state: CheckState
    url: str = ""
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Review:
    """One review, as given: what counts is decided by gr2. `commit` is the SHA it was given on."""

    reviewer: str
    verdict: Verdict
    commit: str
    submitted_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What the platform itself demands before a merge into a base branch.

    checks: names of required checks, also those nobody has reported yet. blocked_by: reasons of its own, as sentences.
    met: the platform says that nothing of it is missing, by its own way of counting. methods: the ways to merge that
    the base branch allows, None for all that the repository does.
    """

    approvals: int = 0
    checks: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    met: bool = False
    methods: tuple[MergeMethod, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything about one pull request, from one moment."""

    pull: PullRequest
    checks: tuple[Check, ...] = ()
    reviews: tuple[Review, ...] = ()
    demands: Demands = Demands()


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The answer to a merge: done (`merge_sha`), or put in a queue (`queued`, and no SHA yet)."""

    merge_sha: str | None
    queued: bool = False


@dataclass(frozen=True, kw_only=True)
class AuthStatus:
    """Whether the platform knows who asks. `user` is the login, `message` why not; never a token."""

    signed_in: bool
    user: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a platform can do for one repository.

    overview, heads: it has the batch form. body_limit: characters of a body, None for no limit.
    """

    draft: bool = True
    auto_merge: bool = False
    merge_queue: bool = False
    overview: bool = False
    heads: bool = False
    merge_methods: tuple[MergeMethod, ...] = ("merge",)
    body_limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The branches of one repository: name to SHA. `default_branch` is "" when the platform does not say."""

    url: str
    branches: Mapping[str, str] = field(default_factory=dict)
    default_branch: str = ""
