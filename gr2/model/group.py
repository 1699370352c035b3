"""PR groups as values: linked pull requests of one lane, and the rules over them (contract, page 7). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from typing import Literal

from gr2.model.pull_request import Check, Demands, Mergeable, Overview, Review, Verdict
from gr2.model.records import dataclass

GROUP_VERSION = 1

PullStatus = Literal["planned", "open", "draft", "queued", "merged", "closed"]
Checks = Literal["none", "pending", "passing", "failing"]
LIVE = frozenset({"open", "draft", "queued"})
"""Statuses of a pull request that the platform still has open."""


class GroupState(StrEnum):
    """What a group as a whole is at."""

    MERGED = "merged"
    PARTIALLY_MERGED = "partially_merged"
    CLOSED = "closed"
    DRAFT = "draft"
    CHECKS_FAILING = "checks_failing"
    CHECKS_PENDING = "checks_pending"
    REVIEW_REQUIRED = "review_required"
    MERGEABLE = "mergeable"
    APPROVED = "approved"
    OPEN = "open"


class Blocker(StrEnum):
    """Why a pull request cannot be merged now."""

    DRAFT = "draft"
    CLOSED = "closed"
    CHECKS_FAILING = "checks_failing"
    CHECKS_PENDING = "checks_pending"
    REVIEW_REQUIRED = "review_required"
    CHANGES_REQUESTED = "changes_requested"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    PROTECTED = "protected"


FORCEABLE = frozenset(
    {Blocker.CHECKS_FAILING, Blocker.CHECKS_PENDING, Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED}
)
"""What `pr merge --force` lifts where the platform does not demand it, too: gr2's own rules on reviews and checks."""


@dataclass(frozen=True, kw_only=True)
class ChildReview:
    """One review of a pull request of a group. `stale`: not of its current head."""

    reviewer: str
    verdict: Verdict
    commit: str
    stale: bool


@dataclass(frozen=True, kw_only=True)
class Child:
    """One pull request of a group: what is recorded of it. `pr_number`, `url`, `merge_sha` are None until known."""

    repo: str
    platform: str
    base: str
    head: str
    head_sha: str
    pr_number: int | None = None
    url: str | None = None
    status: PullStatus = "planned"
    checks: Checks = "none"
    failed_checks: tuple[str, ...] = ()
    reviews: tuple[ChildReview, ...] = ()
    approvals: int = 0
    required: int = 0
    mergeable: Mergeable = "unknown"
    blockers: tuple[str, ...] = ()
    merge_sha: str | None = None

    @property
    def name(self) -> str:
        """How messages call it: `repo#n`."""
        return f"{self.repo}#{self.pr_number}" if self.pr_number is not None else self.repo

    @property
    def is_live(self) -> bool:
        """Whether the platform still has it open."""
        return self.status in LIVE


@dataclass(frozen=True, kw_only=True)
class Group:
    """A PR group: `.grip/pr_groups/<pr_group_id>.json`. `base_branch` is None when the children's differ."""

    pr_group_id: str
    lane_name: str
    owner_unit: str
    title: str
    base_branch: str | None
    head_branch: str
    draft: bool
    created_by: str
    created_at: str
    state: str = GroupState.OPEN
    superseded_by: str | None = None
    prs: tuple[Child, ...] = ()
    version: int = GROUP_VERSION

    def child(self, repo: str) -> Child | None:
        """The pull request of `repo`, None when the group has none."""
        return next((child for child in self.prs if child.repo == repo), None)

    @property
    def is_over(self) -> bool:
        """Whether it is merged or closed, so that its lane may have another."""
        return self.state in {GroupState.MERGED, GroupState.CLOSED}

    def with_children(self, children: Iterable[Child]) -> Group:
        """The same group with these children in place of those of the same repo, new ones after them; its state,
        base and draft follow from them."""
        given = {child.repo: child for child in children}
        kept = [given.pop(child.repo, child) for child in self.prs]
        prs = (*kept, *given.values())
        bases = {child.base for child in prs}
        return replace(
            self,
            prs=prs,
            base_branch=bases.pop() if len(bases) == 1 else None,
            draft=any(child.status == "draft" for child in prs) or (self.draft and not any(c.is_live for c in prs)),
            state=group_state(prs),
        )


def group_state(children: Sequence[Child]) -> GroupState:
    """The state of a group with these children: the first that holds, in the order of the contract."""
    merged = sum(child.status == "merged" for child in children)
    if children and merged == len(children):
        return GroupState.MERGED
    if merged:
        return GroupState.PARTIALLY_MERGED
    if children and all(child.status == "closed" for child in children):
        return GroupState.CLOSED
    live = [child for child in children if child.is_live]
    blockers = {blocker for child in live for blocker in child.blockers}
    for state, signs in (
        (GroupState.DRAFT, {Blocker.DRAFT}),
        (GroupState.CHECKS_FAILING, {Blocker.CHECKS_FAILING}),
        (GroupState.CHECKS_PENDING, {Blocker.CHECKS_PENDING}),
        (GroupState.REVIEW_REQUIRED, {Blocker.REVIEW_REQUIRED, Blocker.CHANGES_REQUESTED}),
    ):
        if blockers & signs:
            return state
    if live and len(live) == len(children):
        if not blockers:
            return GroupState.MERGEABLE
        if blockers <= {Blocker.CONFLICT, Blocker.UNKNOWN}:
            return GroupState.APPROVED
    return GroupState.OPEN


def blockers_of(
    child: Child, *, changes_requested: bool, protected: bool, enough_unknown: bool = False
) -> tuple[str, ...]:
    """Why `child` cannot be merged, from everything else it records. Nothing blocks what is merged. enough_unknown: it
    cannot be told how many approvals are enough."""
    if child.status == "merged":
        return ()
    if child.status == "closed":
        return (Blocker.CLOSED,)
    found = (
        (child.status == "draft", Blocker.DRAFT),
        (child.checks == "failing", Blocker.CHECKS_FAILING),
        (child.checks == "pending", Blocker.CHECKS_PENDING),
        (enough_unknown or child.approvals < child.required, Blocker.REVIEW_REQUIRED),
        (changes_requested, Blocker.CHANGES_REQUESTED),
        (child.mergeable == "no", Blocker.CONFLICT),
        (child.mergeable == "unknown", Blocker.UNKNOWN),
        (protected, Blocker.PROTECTED),
    )
    return tuple(blocker.value for holds, blocker in found if holds)


def demanded(child: Child, overview: Overview) -> frozenset[Blocker]:
    """What is missing that the platform itself demands: no force lifts that."""
    demands = overview.demands
    if demands.met:
        return frozenset()
    states = {check.name: check.state for check in overview.checks}
    required = {states.get(name, "pending") for name in demands.checks}
    found = (
        ("failing" in required, Blocker.CHECKS_FAILING),
        ("pending" in required, Blocker.CHECKS_PENDING),
        (child.approvals < demands.approvals, Blocker.REVIEW_REQUIRED),
        (demands.approvals > 0 and Blocker.CHANGES_REQUESTED in child.blockers, Blocker.CHANGES_REQUESTED),
    )
    return frozenset(blocker for holds, blocker in found if holds)


def checks_of(checks: Sequence[Check], demands: Demands) -> tuple[Checks, tuple[str, ...]]:
    """How the checks on a head stand, and the names of those that failed. Required and absent is pending; neutral and
    skipped pass."""
    failed = tuple(sorted(check.name for check in checks if check.state == "failing"))
    absent = set(demands.checks) - {check.name for check in checks}
    if failed:
        return "failing", failed
    if absent or any(check.state == "pending" for check in checks):
        return "pending", ()
    return ("passing" if checks else "none"), ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the reviews of a pull request come to: how many people approve its head, and who still wants changes."""

    approvals: int
    changes_requested_by: tuple[str, ...] = ()


def standing_of(reviews: Iterable[Review], *, author: str, head: str) -> Standing:
    """The standing of `reviews` (oldest first), those by `author` left out.

    An approval counts on the current head only. A request for changes stands until the same person approves (whatever
    commit), or it is dismissed; a comment changes nothing.
    """
    approves: dict[str, bool] = {}
    objects: dict[str, bool] = {}
    for review in reviews:
        who = review.reviewer
        if who.casefold() == author.casefold() or review.verdict == "commented":
            continue
        objects[who] = review.verdict == "changes_requested"
        approved = review.verdict == "approved"
        approves[who] = approved and (review.commit == head or approves.get(who, False))
    return Standing(
        approvals=sum(approves.values()),
        changes_requested_by=tuple(who for who, does in objects.items() if does),
    )


def observed(child: Child, overview: Overview, *, required: int | None) -> Child:
    """`child` as the platform shows it now. `required`: approvals that the spec or the repo demands, None when that
    cannot be told: then as many as before, and never enough."""
    pull = overview.pull
    status: PullStatus = "open"
    if pull.state != "open":
        status = pull.state
    elif pull.queued:
        status = "queued"
    elif pull.draft:
        status = "draft"
    checks, failed = checks_of(overview.checks, overview.demands)
    standing = standing_of(overview.reviews, author=pull.author, head=pull.head_sha)
    seen = replace(
        child,
        pr_number=pull.ref.number,
        url=pull.web_url or None,
        base=pull.base,
        head_sha=pull.head_sha,
        status=status,
        checks=checks,
        failed_checks=failed,
        reviews=tuple(
            ChildReview(
                reviewer=review.reviewer,
                verdict=review.verdict,
                commit=review.commit,
                stale=review.commit != pull.head_sha,
            )
            for review in overview.reviews
            if review.reviewer.casefold() != pull.author.casefold()
        ),
        approvals=standing.approvals,
        required=max(child.required if required is None else required, overview.demands.approvals),
        mergeable=pull.mergeable,
        merge_sha=pull.merge_sha if status == "merged" else None,
    )
    blockers = blockers_of(
        seen,
        changes_requested=bool(standing.changes_requested_by),
        protected=bool(overview.demands.blocked_by),
        enough_unknown=required is None,
    )
    return replace(seen, blockers=blockers)


def merge_order(children: Sequence[str], *, declared: Sequence[str], explicit: Sequence[str]) -> tuple[str, ...]:
    """The repos of a group in the order they are merged: the explicit ones first, the others as declared."""
    places = {repo: place for place, repo in enumerate(dict.fromkeys((*explicit, *declared)))}
    return tuple(sorted(children, key=lambda repo: places.get(repo, len(places))))


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What a group remembers beside its contract fields: what it is about to do, and what it has told.

    lane_operation: the create that made the lane, so that a later lane of the same name is another. order: the merge
    order, fixed at the first merge. creating, merging: repos whose request may have been sent and not answered, with
    the head it was for. titles: those the platform shows, by repo. told_created: repos whose pull request stands in a
    `pr.created`, with its number. told_checks: repo to "head:outcome" for each that was told. told_merged: `pr.merged`
    was written. unsent: events that belong to this state and may not be in the outbox yet.
    """

    lane_operation: str = ""
    order: tuple[str, ...] = ()
    creating: Mapping[str, str] = field(default_factory=dict)
    merging: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    told_created: Mapping[str, int] = field(default_factory=dict)
    told_checks: Mapping[str, str] = field(default_factory=dict)
    told_merged: bool = False
    unsent: tuple[Mapping[str, object], ...] = ()
