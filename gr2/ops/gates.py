"""Runs the gates of a lane's repos: the commands that say whether the work in it is good (contract, page 4)."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace

from gr2.errors import Blocked, Failed, Gr2Error, Invalid
from gr2.model.event.gate import GateFailed, GatePassed
from gr2.model.hints import quoted
from gr2.model.hooks import Gate, Hook, HooksFile
from gr2.model.lane import REVIEW_KIND, Lane
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.ops.context import find_repo, lane_of, unknown
from gr2.ops.hook_places import HookPlace, HooksReader, hook_directory, lane_places
from gr2.ops.hook_run import how_it_ended, keep_output, output_path, run_command, tail_of
from gr2.ops.hook_trust import Trust
from gr2.ops.hooks_run import text_tail
from gr2.ops.lane_frozen import refuse_frozen
from gr2.ops.lease import held
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Outcome, Step, run_steps
from gr2.plugin.gates import GateRun, GatesRun
from gr2.plugin.protocols import HookOutcome


def run_gates(
    run: Mutation,
    *,
    repos: Sequence[str] = (),
    gates: Sequence[str] = (),
    jobs: int = 1,
    fail_fast: bool = False,
    trust_hooks: bool = False,
) -> GatesRun:
    """Run the gates of the lane that `run` is about, in its checkouts, under an exec lease.

    repos, gates: names; all when empty. jobs: repos at once; the gates of one run in the order of its hooks file.
    fail_fast: start none after one failed. A repo whose hooks file nobody approved, or that is broken, keeps no other
    from being verified. Writes `gate.passed` and `gate.failed`, and never a failure marker.
    Raises Invalid `unknown_repo`, `unknown_gate`; Blocked `lane_frozen`, `review_lane`, `lease_conflict`, `lease_lost`.
    """
    if not run.lane:
        raise ValueError("gates are run by commands about a lane")
    unit, lane = lane_of(run.session, f"{run.unit}/{run.lane}")
    _refuse(lane)
    work = _Work(run, lane, trust_hooks=trust_hooks)
    work.look(_chosen(run, lane_places(run.session, unit, lane), lane, repos), gates)
    if not work.chains:
        return work.result(Outcome())
    cancellation = run.session.runner.cancellation
    with held(run.session, run, unit.name, lane.name, on_lost=lambda: cancellation.trip(signal.SIGTERM)) as lease:
        outcome = run_steps(run, work.chains, label="gates", jobs=jobs, stop_at_failure=fail_fast)
    return work.result(outcome, lost=lease.lost)


def _refuse(lane: Lane) -> None:
    refuse_frozen(lane)
    if lane.kind == REVIEW_KIND:
        raise Blocked("review_lane", "gates never run in the lane of a review", scope="lane", subject=lane.id)


def _chosen(run: Mutation, places: Sequence[HookPlace], lane: Lane, names: Sequence[str]) -> list[HookPlace]:
    for name in names:
        find_repo(run.session, name)
        if name not in lane.repos:
            raise unknown("repo", name, lane.repos, hint=f"gr2 lane show {quoted(lane.id)}")
    return [place for place in places if not names or place.repo.name in names]


class GateFailure(Failed):
    """A gate did not pass. The gates after it run all the same, unless the caller wants to stop."""


class _Work:
    """The gates of some checkouts: those that can run, as steps, and what is known of the others."""

    def __init__(self, run: Mutation, lane: Lane, *, trust_hooks: bool) -> None:
        self._run = run
        self._lane = lane
        self._reader = HooksReader(run.session)
        self._trust = Trust(run.session, all_hooks=trust_hooks)
        self._missing: list[Issue] = []
        self._rows: list[GateRun | RunGate] = []
        self.chains: list[list[Step]] = []

    def look(self, places: Iterable[HookPlace], names: Sequence[str]) -> None:
        """Find the gates called `names`, or all. Raises Invalid `unknown_gate`."""
        known: set[str] = set()
        for place in places:
            if not os.path.isdir(self._run.session.layout.at(place.path)):
                self._missing.append(_missing(place))
                continue
            file = self._reader.read(place)
            if file is not None:
                known.update(gate.name for gate in file.gates)
                self._take(place, file, [gate for gate in file.gates if not names or gate.name in names])
        for name in names:
            # What cannot be read may have it.
            if name not in known and not self._missing and not self._reader.issues:
                raise _unknown_gate(name, known, self._lane)

    def _take(self, place: HookPlace, file: HooksFile, gates: Sequence[Gate]) -> None:
        if not gates:
            return
        if self._trust.allows(place, file):
            steps = [RunGate(place=place, gate=gate, reader=self._reader) for gate in gates]
            self._rows += steps
            self.chains.append(list(steps))
        else:
            self._trust.refuse(place)
            self._rows += [_skipped(place, gate, "untrusted") for gate in gates]

    def result(self, outcome: Outcome, *, lost: Gr2Error | None = None) -> GatesRun:
        """What is known after the steps ended; `lost` is how the lease did before that."""
        why = "lease_lost" if lost else "interrupted" if outcome.signum else "not_started"
        untrusted = [replace(issue, blocking=True) for issue in self._trust.issues]
        own = [Issue.from_error(lost)] if lost else []
        return GatesRun(
            lane=self._lane.id,
            gates=tuple(row.row(why) if isinstance(row, RunGate) else row for row in self._rows),
            issues=(*own, *self._missing, *self._reader.issues, *untrusted, *outcome.issues),
            signum=None if lost else outcome.signum,
        )


def _missing(place: HookPlace) -> Issue:
    return Issue(
        code="not_materialized",
        scope="repo",
        subject=place.repo.name,
        message=f"{place.path} is not there yet",
        hint="gr2 apply",
    )


def _unknown_gate(name: str, known: Collection[str], lane: Lane) -> Invalid:
    hint = "gr2 repo hooks" if known else "add [[gates]] to .gr2/hooks.toml"
    error = unknown("gate", name, sorted(known), hint=hint)
    error.details = {**error.details, "lane": lane.id, "gates": sorted(known)}
    return error


def _skipped(place: HookPlace, gate: Gate, reason: str) -> GateRun:
    return GateRun(repo=place.repo.name, gate=gate.name, command=gate.command, reason=reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunGate:
    """Run one gate in one checkout."""

    place: HookPlace
    gate: Gate
    reader: HooksReader
    needs: Step | None = None
    _ended: list[GateRun] = field(default_factory=list)
    doing = "running a gate"

    @property
    def operation(self) -> Operation:
        place = self.place
        return Operation(
            kind="gates.run",
            scope="lane",
            repo=place.repo.name,
            unit=place.unit_name,
            lane=place.lane_name,
            path=place.path,
            details={"gate": self.gate.name, "command": self.gate.command},
        )

    def row(self, why: str) -> GateRun:
        """How it ended; or, when it did not, that it was skipped for the reason `why`."""
        return self._ended[0] if self._ended else _skipped(self.place, self.gate, why)

    def run(self, run: Mutation) -> Mapping[str, object]:
        place, gate = self.place, self.gate
        hook = Hook(stage="gates", name=gate.name, command=gate.command, when="manual", on_failure="skip")
        outcome = run_command(run, self.reader, place, hook, hook_directory(run.session, place, hook))
        passed = outcome.exit_code == 0
        event_id = run.session.ids.event()
        row = GateRun(
            repo=place.repo.name,
            gate=gate.name,
            command=gate.command,
            exit_code=outcome.exit_code,
            duration_ms=outcome.duration_ms,
            result="passed" if passed else "failed",
            reason="" if passed else how_it_ended(hook, outcome),
            output_path=output_path(event_id),
            stdout_tail=text_tail(outcome.stdout),
            stderr_tail=text_tail(outcome.stderr),
        )
        self._ended.append(row)
        if not self._tell(run, row, outcome, event_id):
            self._ended[0] = row = replace(row, output_path="")
        if not passed:
            raise _failure(place, row, outcome)
        return {"exit_code": outcome.exit_code, "duration_ms": outcome.duration_ms}

    def _tell(self, run: Mutation, row: GateRun, outcome: HookOutcome, event_id: str) -> bool:
        """Keep the output and write the event; whether the output could be kept. Killed between the two, the next
        command writes the event: the output is there."""
        event = (GatePassed if row.result == "passed" else GateFailed)(
            lane_name=self.place.lane_name,
            repo=row.repo,
            gate=row.gate,
            command=row.command,
            exit_code=outcome.exit_code,
            duration_ms=outcome.duration_ms,
        )
        unit = self.place.unit_name
        output = run.session.layout.at(f"{row.output_path}.stderr")
        run.promise(event, event_id, unit=unit, path=output, text="")
        kept = keep_output(run, event_id, outcome)
        run.tell(event, event_id, unit=unit)
        return kept


def _failure(place: HookPlace, row: GateRun, outcome: HookOutcome) -> GateFailure:
    return GateFailure(
        "gate_failed",
        f"gate {row.gate} of {place.label} {row.reason}",
        scope="gate",
        subject=f"{row.repo}/{row.gate}",
        details={
            "repo": row.repo,
            "unit": place.unit_name,
            "lane": place.lane_name,
            "gate": row.gate,
            "command": row.command,
            "exit_code": outcome.exit_code,
            "stderr_tail": tail_of(outcome.stderr),
            "output": row.output_path,
        },
    )
