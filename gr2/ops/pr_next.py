"""What keeps a PR group from being merged, in words, and what to type about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gr2.model.group import Blocker, Child, Group, GroupState, merge_order
from gr2.model.hints import git_at
from gr2.model.records import dataclass
from gr2.ops.pr_group import GroupResult, Work

_WORDS = {
    Blocker.DRAFT: "it is a draft",
    Blocker.CLOSED: "it is closed",
    Blocker.CHECKS_FAILING: "checks fail",
    Blocker.CHECKS_PENDING: "checks are running",
    Blocker.REVIEW_REQUIRED: "it needs approval",
    Blocker.CHANGES_REQUESTED: "changes are requested",
    Blocker.CONFLICT: "it conflicts with its base",
    Blocker.UNKNOWN: "the platform has not said whether it can be merged",
    Blocker.PROTECTED: "the platform's own rules do not allow it",
}
_COMMANDS = {
    Blocker.DRAFT: "pr ready",
    Blocker.CHECKS_FAILING: "pr checks",
    Blocker.CHECKS_PENDING: "pr checks --watch",
    Blocker.REVIEW_REQUIRED: "review requirements",
    Blocker.UNKNOWN: "pr merge",
}


def words_of(blocker: str) -> str:
    """A blocker in words."""
    return _WORDS[Blocker(blocker)]


@dataclass(frozen=True, kw_only=True)
class GroupView(GroupResult):
    """A group to be shown. order: its repos in the order they are merged; next: what to type, "" for nothing."""

    order: tuple[str, ...] = ()
    next: str = ""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What can be typed about `group`. root: the workspace's; option: what names its lane, "" where that goes without
    saying; checkouts: where those of the lane are in the workspace, by repo; newer: whether some have commits that are
    in no pull request yet."""

    group: Group
    root: str = ""
    option: str = ""
    checkouts: Mapping[str, str] = field(default_factory=dict)
    newer: bool = False

    @property
    def create(self) -> str:
        """Push what is new, and open what is missing, under the group's title."""
        return f"gr2 pr create{self.option}"

    @property
    def next(self) -> str:
        """What to type next, "" when nothing is left to do or only the platform can tell."""
        group = self.group
        if group.state == GroupState.MERGED:
            return ""
        if self.newer or group.state == GroupState.CLOSED or any(child.status == "planned" for child in group.prs):
            return self.create
        blocked = [(child, blocker) for child in group.prs for blocker in child.blockers]
        if not blocked:
            return f"gr2 pr merge{self.option}"
        return next(filter(None, (self.against(child, blocker) for child, blocker in blocked)), "")

    def against(self, child: Child, blocker: str) -> str:
        """What to type against a blocker of `child`, "" for nothing."""
        kind = Blocker(blocker)
        if kind in _COMMANDS:
            return f"gr2 {_COMMANDS[kind]}{self.option}"
        if kind is Blocker.CONFLICT:
            return f"{self._merge_base(child)} && {self.create}"
        return "" if kind is Blocker.PROTECTED else self.create

    def hint(self, child: Child, blocker: str) -> str:
        """What to do about a blocker of `child`."""
        return {
            Blocker.CLOSED: f"open it again, or {self.create} for a new one",
            Blocker.CHANGES_REQUESTED: f"commit the changes, {self.create} to push them, then ask for another review",
            Blocker.CONFLICT: f"{self._merge_base(child)}, resolve and commit, then {self.create}",
            Blocker.UNKNOWN: f"{self.against(child, Blocker.UNKNOWN)} again in a moment",
            Blocker.PROTECTED: "look at the rules of its base branch",
        }.get(Blocker(blocker)) or self.against(child, blocker)

    def _merge_base(self, child: Child) -> str:
        path = self.checkouts.get(child.repo, ".")
        return git_at(self.root, path, "pull", "--no-rebase", "origin", child.base)


def commands_of(work: Work, *, newer: bool = False) -> Commands:
    """What can be typed about the lane's group. newer: see `Commands`."""
    top = f"{work.unit.path}/lanes/{work.lane.name}/repos"
    checkouts = {child.repo: f"{top}/{child.repo}" for child in work.existing.prs}
    root = work.session.root
    return Commands(group=work.existing, root=root, option=work.lane_option, checkouts=checkouts, newer=newer)


def order_of(work: Work) -> tuple[str, ...]:
    """The group's repos in merge order: as fixed at its first merge, else by the spec."""
    spec = work.session.spec
    order = spec.workspace_constraints.merge_order
    names = [child.repo for child in work.existing.prs]
    declared = [repo.name for repo in spec.repos]
    explicit = work.journal.order or (order.order if order.strategy == "explicit" else ())
    return merge_order(names, declared=declared, explicit=explicit)
