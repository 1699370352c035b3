"""How plans and applies look."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.cli.screen import Screen, text_for
from gr2.model.outcome import Operation, Status
from gr2.ops.apply import ApplyResult, PlanResult

_DOING = {
    "cache.seed": "fetch mirror of",
    "cache.refresh": "move to its new URL:",
    "checkout.clone": "clone",
    "unit.create": "make unit",
    "file.project": "project a file of",
    "hooks.run": "run hook {hook_name} of",
}
_THINGS = {
    "cache.seed": "mirrors",
    "cache.refresh": "mirrors moved",
    "checkout.clone": "checkouts",
    "unit.create": "units",
    "file.project": "projected files",
    "hooks.run": "hooks",
}
# More lines than this would push what matters off the screen.
MANY = 40


@text_for(PlanResult)
def show_plan(result: PlanResult, screen: Screen) -> None:
    """What would be done, one line an operation."""
    if not result.operations and result.status is not Status.BLOCKED:
        screen.line("Nothing to do: everything in the spec is there.")
        return
    if result.operations:
        screen.heading(f"To do ({len(result.operations)})")
        _operations(screen, result.operations)
        if result.status is not Status.BLOCKED:
            screen.line()
            screen.command("gr2 apply")


@text_for(ApplyResult)
def show_apply(result: ApplyResult, screen: Screen) -> None:
    """What was done, what was not, and what to type."""
    nothing = not (result.completed or result.failed or result.blocked or result.unaffected)
    if nothing and result.status in {Status.SUCCESS, Status.ATTENTION}:
        screen.line("Nothing to do: everything in the spec is there.", "good")
        return
    for title, style, operations in (
        ("Done", "good", result.completed),
        ("Failed", "bad", result.failed),
        ("Blocked", "bad", result.blocked),
        ("Not tried", "dim", result.unaffected),
    ):
        if operations:
            screen.line(f"{title} ({len(operations)})", style)
            _operations(screen, operations)
    if result.failed or result.status is Status.INTERRUPTED:
        screen.line()
        screen.line("The same command again continues:")
        screen.command("gr2 apply")


def _operations(screen: Screen, operations: Sequence[Operation]) -> None:
    if len(operations) > MANY:
        counts: dict[str, int] = {}
        for item in operations:
            counts[item.kind] = counts.get(item.kind, 0) + 1
        totals = [(str(number), _THINGS.get(kind, kind)) for kind, number in counts.items()]
        screen.table(("", ""), totals, indent=2)
        return
    rows = [(_doing(item), item.repo or item.unit, (item.path, "dim")) for item in operations]
    screen.table(("", "", ""), rows, indent=2)


def _doing(operation: Operation) -> str:
    return _DOING.get(operation.kind, operation.kind).format_map(operation.details)
