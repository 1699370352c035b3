"""How failures look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.failures import FailuresListResult, FailuresResolveResult
from gr2.store.failures import Marker


@text_for(FailuresListResult)
def show_failures(result: FailuresListResult, screen: Screen) -> None:
    """One block a failure, with the commands that decide about it."""
    if not result.failures:
        screen.line("No failures wait for a decision.")
        return
    for marker in result.failures:
        _show(marker, screen)
        if marker.resolved is None:
            screen.command(f"gr2 failures resolve {marker.operation_id} --resolution retry|skip|escalate")


@text_for(FailuresResolveResult)
def show_resolved(result: FailuresResolveResult, screen: Screen) -> None:
    """The failure as it is now."""
    for marker in result.failures:
        _show(marker, screen)


def _show(marker: Marker, screen: Screen) -> None:
    where = f"{marker.owner_unit}/{marker.lane_name}" if marker.lane_name else marker.owner_unit or "shared"
    what = f"hook {marker.hook_name} ({marker.stage})" if marker.hook_name else "unfinished"
    screen.parts(
        (marker.operation_id, "bold"), f"  {marker.operation}  {where}  {marker.repo}  {what}  ", _state(marker)
    )


def _state(marker: Marker) -> tuple[str, str]:
    if marker.resolved is not None:
        return (f"resolved by {marker.resolved.get('by', '')}: {marker.resolved.get('resolution', '')}", "good")
    if marker.escalated is not None:
        return (f"escalated by {marker.escalated.get('by', '')}, still blocking", "warn")
    return ("blocking", "bad")
