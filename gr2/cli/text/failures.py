"""How failures look."""

from __future__ import annotations

from itertools import groupby

from gr2.cli.screen import Screen, text_for
from gr2.ops.failures import FailuresListResult, FailuresResolveResult
from gr2.store.failures import Marker

_CHOICES = (("retry", "let it be tried again"), ("skip", "go on without it, once"), ("escalate", "leave it to another"))


@text_for(FailuresListResult)
def show_failures(result: FailuresListResult, screen: Screen) -> None:
    """One line a failure, and below those of an operation a line for each way to decide about them."""
    if not result.failures:
        screen.line("No failures wait for a decision.")
        return
    for operation_id, failures in groupby(result.failures, key=lambda marker: marker.operation_id):
        markers = list(failures)
        for marker in markers:
            _show(marker, screen)
        if any(marker.resolved is None for marker in markers):
            command = f"gr2 failures resolve {operation_id} --resolution"
            screen.table(("", ""), [(words, (f"{command} {how}", "command")) for how, words in _CHOICES], indent=2)


@text_for(FailuresResolveResult)
def show_resolved(result: FailuresResolveResult, screen: Screen) -> None:
    """The failures as they are now."""
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
