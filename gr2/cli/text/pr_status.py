"""How pull requests look: one table with order, checks, reviews, what blocks, and below it what to type."""

from __future__ import annotations

from gr2.cli.screen import Screen, cells_of, text_for
from gr2.model.group import Blocker, Child, Group, GroupState
from gr2.model.names import visible
from gr2.ops.pr_next import GroupView, words_of
from gr2.ops.pr_status import PrChecksResult, PrListResult, PrStatusResult

_STATE_STYLES = {
    GroupState.MERGED: "good",
    GroupState.MERGEABLE: "good",
    GroupState.CHECKS_FAILING: "bad",
    GroupState.PARTIALLY_MERGED: "warn",
    GroupState.CLOSED: "dim",
}
_CHECK_STYLES = {"passing": "good", "failing": "bad", "pending": "warn"}
_STATUS_STYLES = {"merged": "good", "closed": "dim", "draft": "dim", "planned": "dim"}
_STATE_WORDS = {
    GroupState.PARTIALLY_MERGED: "partially merged",
    GroupState.CHECKS_FAILING: "checks failing",
    GroupState.CHECKS_PENDING: "checks pending",
    GroupState.REVIEW_REQUIRED: "review required",
}
Cell = tuple[str, str, str]
"""Text, style, and the address it leads to."""


@text_for(PrStatusResult)
def show_pr_status(result: PrStatusResult, screen: Screen) -> None:
    """The group."""
    show_group(result, screen)


@text_for(PrListResult)
def show_pr_list(result: PrListResult, screen: Screen) -> None:
    """One line a group."""
    if not result.groups:
        screen.line("No pull requests.")
        return
    rows = [
        (
            (group.pr_group_id, "dim"),
            f"{group.owner_unit}/{group.lane_name}",
            (state_in_words(group), _STATE_STYLES.get(GroupState(group.state), "")),
            ", ".join(child.name for child in group.prs),
            group.title,
        )
        for group in result.groups
    ]
    screen.table(("GROUP", "LANE", "STATE", "PULL REQUESTS", "TITLE"), rows)


@text_for(PrChecksResult)
def show_pr_checks(result: PrChecksResult, screen: Screen) -> None:
    """One line a check."""
    if not result.checks:
        screen.line("No checks.")
        return
    rows: list[list[Cell]] = [
        [
            (f"{line.repo}#{line.pr_number}", "", ""),
            (line.name, "", line.url),
            (line.state, _CHECK_STYLES.get(line.state, "dim"), ""),
        ]
        for line in result.checks
    ]
    linked_table(screen, ("PR", "CHECK", "STATE"), rows)


def state_in_words(group: Group) -> str:
    """The group's state for people: of one that is only approved, also what is left."""
    if group.state == GroupState.APPROVED:
        blockers = {blocker for child in group.prs for blocker in child.blockers}
        return "approved, but in conflict" if Blocker.CONFLICT in blockers else "approved, mergeability unknown"
    return _STATE_WORDS.get(GroupState(group.state), str(group.state))


def show_group(result: GroupView, screen: Screen) -> None:
    """The group in one table, in merge order, and what to type next."""
    group = result.group
    if group is None:
        return
    state = (state_in_words(group), _STATE_STYLES.get(GroupState(group.state), "warn"))
    screen.parts((group.title, "bold"), "  ", (group.pr_group_id, "dim"), "  ", state)
    rows: list[list[Cell]] = []
    for place, repo in enumerate(result.order, start=1):
        child = group.child(repo)
        if child is not None:
            rows.append(_row(place, child))
    linked_table(screen, ("", "PR", "STATE", "CHECKS", "REVIEWS", "BLOCKED BY"), rows)
    if result.next:
        screen.line()
        screen.parts("next: ", (screen.typed(result.next), "command"))


def _row(place: int, child: Child) -> list[Cell]:
    reviews = f"{child.approvals}/{child.required}" if child.required else str(child.approvals or "-")
    blockers = ", ".join(words_of(blocker) for blocker in child.blockers)
    failed = f": {', '.join(child.failed_checks)}" if child.failed_checks and child.is_live else ""
    return [
        (str(place), "dim", ""),
        (child.name, "", child.url or ""),
        (child.status, _STATUS_STYLES.get(child.status, ""), ""),
        (f"{child.checks}{failed}", _CHECK_STYLES.get(child.checks, "dim"), ""),
        (reviews, "", ""),
        (blockers or "-", "warn" if blockers else "dim", ""),
    ]


def linked_table(screen: Screen, titles: tuple[str, ...], rows: list[list[Cell]]) -> None:
    """A table whose cells may lead somewhere, clickable where the terminal can."""
    widths = [
        max([cells_of(title), *(cells_of(visible(row[index][0])) for row in rows)])
        for index, title in enumerate(titles)
    ]
    heads = [
        screen.paint(title, "dim") + " " * (width - cells_of(title))
        for title, width in zip(titles, widths, strict=True)
    ]
    screen.verbatim("  ".join(heads).rstrip())
    for row in rows:
        shown = []
        for (text, style, url), width in zip(row, widths, strict=True):
            painted = screen.link(text, url) if url.startswith(("http://", "https://")) else screen.paint(text, style)
            shown.append(painted + " " * (width - cells_of(visible(text))))
        screen.verbatim("  ".join(shown).rstrip())
