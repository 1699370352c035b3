"""How review requirements look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.review import Requirement, ReviewRequirementsResult


@text_for(ReviewRequirementsResult)
def show_requirements(result: ReviewRequirementsResult, screen: Screen) -> None:
    """One line a pull request."""
    if not result.requirements:
        screen.line("No open pull requests.")
        return
    rows = []
    for row in result.requirements:
        name = f"{row.repo}#{row.pr_number}" if row.pr_number is not None else row.repo
        rows.append((name, f"{row.approvals} of {row.required}", _verdict(row)))
    screen.table(("PR", "APPROVALS", ""), rows)


def _verdict(row: Requirement) -> tuple[str, str]:
    if row.satisfied:
        return ("satisfied", "good")
    return ("changes requested", "bad") if row.changes_requested else ("needs approval", "warn")
