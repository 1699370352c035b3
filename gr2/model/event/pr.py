"""Events about PR groups."""

from __future__ import annotations

from typing import ClassVar

from gr2.model.event.base import Event
from gr2.model.records import dataclass


@dataclass(frozen=True, kw_only=True)
class CreatedPr:
    """One pull request of a new group."""

    repo: str
    pr_number: int
    url: str
    title: str
    base: str
    head: str


@dataclass(frozen=True, kw_only=True)
class MergedPr:
    """One merged pull request of a group."""

    repo: str
    pr_number: int
    merge_sha: str


@dataclass(frozen=True, kw_only=True)
class PrCreated(Event):
    """Pull requests were opened for a lane's repos, and linked."""

    TYPE: ClassVar[str] = "pr.created"
    ITEMS: ClassVar[frozenset[str]] = frozenset({"repos"})

    pr_group_id: str
    repos: tuple[CreatedPr, ...]


@dataclass(frozen=True, kw_only=True)
class PrStatusChanged(Event):
    """The platform says another status of a pull request than before."""

    TYPE: ClassVar[str] = "pr.status_changed"

    pr_group_id: str
    repo: str
    pr_number: int
    old_status: str
    new_status: str


@dataclass(frozen=True, kw_only=True)
class PrChecksPassed(Event):
    """All checks of a pull request pass."""

    TYPE: ClassVar[str] = "pr.checks_passed"

    pr_group_id: str
    repo: str
    pr_number: int


@dataclass(frozen=True, kw_only=True)
class PrChecksFailed(Event):
    """Checks of a pull request failed, by name."""

    TYPE: ClassVar[str] = "pr.checks_failed"

    pr_group_id: str
    repo: str
    pr_number: int
    failed_checks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PrReviewSubmitted(Event):
    """A reviewer gave a verdict."""

    TYPE: ClassVar[str] = "pr.review_submitted"

    pr_group_id: str
    repo: str
    pr_number: int
    reviewer: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class PrMerged(Event):
    """Pull requests of a group were merged."""

    TYPE: ClassVar[str] = "pr.merged"
    ITEMS: ClassVar[frozenset[str]] = frozenset({"repos"})

    pr_group_id: str
    repos: tuple[MergedPr, ...]


@dataclass(frozen=True, kw_only=True)
class PrMergeFailed(Event):
    """A pull request could not be merged, for `reason`."""

    TYPE: ClassVar[str] = "pr.merge_failed"

    pr_group_id: str
    repo: str
    pr_number: int
    reason: str
