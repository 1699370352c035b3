"""How the doctor's answers look."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.doctor import DoctorResult

_MARKS = {"ok": ("ok", "good"), "warn": ("warn", "warn"), "fail": ("FAIL", "bad"), "skip": ("-", "dim")}


@text_for(DoctorResult)
def show_doctor(result: DoctorResult, screen: Screen) -> None:
    """One line a check, and what to type for each that needs something."""
    rows = [
        (("fixed", "good") if line.fixed else _MARKS.get(line.result, (line.result, "")), line.id, line.message)
        for line in result.checks
    ]
    screen.table(("", "", ""), rows)
    hints = dict.fromkeys(line.hint for line in result.checks if line.hint and line.result in {"warn", "fail"})
    if hints:
        screen.line()
        for hint in hints:
            screen.command(hint)
