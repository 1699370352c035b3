"""`doctor`: looks for problems, and repairs what is safe. Works with a broken spec and with broken plugins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gr2.errors import Gr2Error
from gr2.model.outcome import MutationResult, Status
from gr2.model.records import dataclass
from gr2.ops.doctor_checks import Check, own_checks
from gr2.ops.mutation import mutation
from gr2.plugin.protocols import CheckRow
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One answer. `fixed`: `--fix` put it right just now."""

    id: str
    result: str
    message: str
    hint: str = ""
    fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class DoctorResult(MutationResult):
    """What was asked and answered, in the order of asking."""

    checks: tuple[CheckLine, ...]


def doctor(session: Session, *, fix: bool = False) -> DoctorResult:
    """Ask every check; with `fix`, put right what a check knows how to.

    Status: `failed` when a check fails, `attention` when one warns. Raises only what a mutating command raises before
    it starts, and that with `fix` alone.
    """
    if not fix or not _is_usable(session):
        lines = [line for name, check in _checks(session) for line in _ask(name, check, fix=False)]
        return DoctorResult(status=_status(lines), checks=tuple(lines))
    with mutation(session, "doctor", markers=False, constraints=False) as run:
        lines = [line for name, check in _checks(run.session) for line in _ask(name, check, fix=True)]
        return DoctorResult(status=_status(lines), checks=tuple(lines), operation_id=run.operation_id)


def _is_usable(session: Session) -> bool:
    try:
        return bool(session.spec.workspace_name)
    except Gr2Error:
        return False


def _checks(session: Session) -> Iterator[tuple[str, Check]]:
    yield from own_checks(session)
    if session.plugins is None:
        return
    for offer in session.plugins.offers("doctor"):
        try:
            yield offer.name, session.plugins.made(offer, session)
        except Gr2Error as error:
            yield offer.name, _Broken(offer.name, error)


class _Broken:
    """Stands for a plugin's check that could not be made."""

    def __init__(self, name: str, error: Gr2Error) -> None:
        self._row = CheckRow(id=name, result="fail", message=error.message, hint=error.hint)

    def run(self) -> Sequence[CheckRow]:
        return [self._row]

    def fix(self, row: CheckRow) -> CheckRow:
        return row


def _ask(name: str, check: Check, *, fix: bool) -> list[CheckLine]:
    try:
        rows = list(check.run())
    except Gr2Error as error:
        # What needs the spec cannot be asked without one; the spec's own check has said so.
        skipped = error.code in {"invalid_spec", "missing_spec", "newer_version"}
        message = "the spec cannot be used" if skipped else error.message
        hint = "" if skipped else error.hint
        return [CheckLine(id=name, result="skip" if skipped else "fail", message=message, hint=hint)]
    except (OSError, ValueError) as error:
        return [CheckLine(id=name, result="fail", message=str(error))]
    return [_line(row, check, fix=fix) for row in rows]


def _line(row: CheckRow, check: Check, *, fix: bool) -> CheckLine:
    if not (fix and row.fixable and row.result in {"warn", "fail"}):
        return CheckLine(id=row.id, result=row.result, message=row.message, hint=row.hint)
    try:
        after = check.fix(row)
    except Gr2Error as error:
        return CheckLine(id=row.id, result=row.result, message=f"{row.message}; {error.message}", hint=error.hint)
    except OSError as error:
        return CheckLine(id=row.id, result=row.result, message=f"{row.message}; {error}")
    fixed = after.result == "ok"
    return CheckLine(id=after.id, result=after.result, message=after.message, hint=after.hint, fixed=fixed)


def _status(lines: Sequence[CheckLine]) -> Status:
    results = {line.result for line in lines}
    if "fail" in results:
        return Status.FAILED
    return Status.ATTENTION if "warn" in results else Status.OK
