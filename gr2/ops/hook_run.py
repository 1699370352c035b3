"""Runs one lifecycle hook: its events, its output, what its failure means, and a record that survives any crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from gr2.edges.clock import timestamp
from gr2.edges.files import write_whole
from gr2.errors import Failed, Gr2Error, Interrupted
from gr2.model.event import Event
from gr2.model.event.hook import HookCompleted, HookFailed, HookSkipped, HookStarted
from gr2.model.hooks import Hook
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.ops.environment import bare_environment, gr2_variables
from gr2.ops.hook_places import HookPlace, HooksReader, hook_directory
from gr2.ops.mutation import Mutation
from gr2.plugin.protocols import HookOutcome, HookRequest
from gr2.store.failures import Marker, PartialState, write_marker
from gr2.store.hook_state import note_completed, note_run, run_note, state_path

TAIL_BYTES = 500
NOT_RUN = 126
_KILLED = 137


class HookFailure(Failed):
    """A hook failed whose failure blocks: no other hook of the operation starts."""

    stops_all = True


def nothing_told(place: HookPlace) -> PartialState:
    """The partial state of an operation over one checkout."""
    return PartialState(repos_failed=(place.repo.name,))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a hook ended, and the id of its hook.started event, by which its output is kept."""

    outcome: HookOutcome
    started_id: str
    tail: str


class HookRunner:
    """Runs hooks for one operation. `issues` are failures that do not block; `last` is how the last one ended.

    partial: how far the operation has come when the hook of a checkout fails.
    """

    def __init__(
        self, run: Mutation, reader: HooksReader, *, partial: Callable[[HookPlace], PartialState] = nothing_told
    ) -> None:
        self.run = run
        self.reader = reader
        self.issues: list[Issue] = []
        self.blocked: Gr2Error | None = None
        self.last: Ran | None = None
        self._partial = partial

    def skip(self, place: HookPlace, hook: Hook, reason: str) -> None:
        """Say that the hook did not run, and why. That nobody can be told is no reason to stop."""
        event = HookSkipped(stage=hook.stage, hook_name=hook.name, repo=place.repo.name, reason=reason)
        try:
            self.run.emit(event, unit=place.unit_name)
        except Gr2Error as error:
            self.run.session.progress.note(f"{event.TYPE} could not be recorded: {error.message}")

    def execute(self, place: HookPlace, hook: Hook) -> Ran:
        """Run the hook to its end. Raises HookFailure when it failed and that blocks, Interrupted, and Blocked
        `outbox_unwritable` before it was started."""
        record = _Record(self.run, place, hook)
        directory = hook_directory(self.run.session, place, hook)
        record.start(directory or self.run.session.layout.at(place.path))
        try:
            outcome = run_command(self.run, self.reader, place, hook, directory)
        except Interrupted as error:
            record.failed(_unrun(128 + error.signum, "gr2 was asked to stop"))
            raise
        ran = Ran(outcome=outcome, started_id=record.started_id, tail=tail_of(outcome.stderr))
        self.last = ran
        keep_output(self.run, ran.started_id, ran.outcome)
        if outcome.exit_code == 0:
            record.completed(outcome)
        else:
            self._fail(place, hook, ran, record)
        return ran

    def _fail(self, place: HookPlace, hook: Hook, ran: Ran, record: _Record) -> None:
        blocks = hook.on_failure == "block"
        if blocks:
            write_marker(self.run.session.layout, self._marker(place, hook, record.end_id))
        record.failed(ran.outcome)
        if hook.on_failure == "skip":
            return
        issue = self._issue(place, hook, ran, blocking=blocks)
        if not blocks:
            self.issues.append(issue)
            return
        error = HookFailure(
            issue.code,
            issue.message,
            scope=issue.scope,
            subject=issue.subject,
            hint=issue.hint,
            details=issue.details,
        )
        self.blocked = self.blocked or error
        raise error

    def _marker(self, place: HookPlace, hook: Hook, event_id: str) -> Marker:
        return Marker(
            operation_id=self.run.operation_id,
            operation=self.run.command,
            stage=hook.stage,
            hook_name=hook.name,
            repo=place.repo.name,
            owner_unit=place.unit_name,
            lane_name=place.lane_name,
            failed_at=timestamp(self.run.session.clock.now()),
            event_id=event_id,
            partial_state=self._partial(place),
        )

    def _issue(self, place: HookPlace, hook: Hook, ran: Ran, *, blocking: bool) -> Issue:
        outcome = ran.outcome
        retry = "run the same command again when it is put right"
        decide = f"gr2 failures resolve {self.run.operation_id} --resolution skip"
        output = f"{output_path(ran.started_id)}.stderr"
        return Issue(
            code="hook_failed",
            scope="hook",
            subject=hook.name,
            message=f"hook {hook.name} of {place.label} {how_it_ended(hook, outcome)}",
            hint=f"{retry}, or {decide}" if blocking else f"its output is in {output}",
            blocking=blocking,
            details={
                "repo": place.repo.name,
                "unit": place.unit_name,
                "lane": place.lane_name,
                "stage": hook.stage,
                "hook_name": hook.name,
                "command": hook.command,
                "exit_code": outcome.exit_code,
                "on_failure": hook.on_failure,
                "stderr_tail": ran.tail,
                "output": output,
            },
        )


def run_command(run: Mutation, reader: HooksReader, place: HookPlace, hook: Hook, directory: str | None) -> HookOutcome:
    """Run a hook's command in `directory` to its end: with its runtime, in the bare environment. Writes nothing.

    That it cannot be run, None as the directory included, is an outcome too. Raises Interrupted.
    """
    session = run.session
    if directory is None:
        return _unrun(NOT_RUN, f"{hook.cwd} is no directory inside the checkout")
    lane = place.lane
    variables = gr2_variables(
        session,
        operation_id=run.operation_id,
        repo=place.repo.name,
        unit=place.unit_name,
        lane=place.lane_name,
        port_base=lane.port_base if lane is not None else 0,
    )
    request = HookRequest(
        command=hook.command,
        cwd=directory,
        env=bare_environment(session, variables),
        variables=place.variables(session),
        timeout_seconds=hook.timeout_seconds,
        repo=place.repo.name,
        checkout=session.layout.at(place.path),
    )
    try:
        found: HookOutcome = reader.runtime(hook.runtime).run(request)
    except Interrupted:
        raise
    except (Gr2Error, ValueError, OSError) as error:
        return _unrun(NOT_RUN, str(error))
    session.runner.cancellation.check()
    return found


def output_path(event_id: str) -> str:
    """Where the output that belongs to an event is, relative to the workspace, without `.stdout` or `.stderr`."""
    return f".grip/events/hook_output/{event_id}"


def keep_output(run: Mutation, event_id: str, outcome: HookOutcome) -> bool:
    """Write what a hook printed below `output_path`. Whether that worked; if not, a person was told why."""
    session = run.session
    path = session.layout.at(output_path(event_id))
    try:
        for name, data in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
            _make_folder(os.path.dirname(path))
            write_whole(f"{path}.{name}", data, private=True, temporary=run.temporary)
    except Gr2Error as error:
        session.progress.note(f"the output of a hook could not be kept: {error.message}")
        return False
    return True


def _make_folder(path: str) -> None:
    from gr2.edges.files import failed_write, make_private_directory

    try:
        make_private_directory(path)
    except OSError as error:
        raise failed_write(error, path) from error


def how_it_ended(hook: Hook, outcome: HookOutcome) -> str:
    """The end of a hook that failed, as the rest of a sentence."""
    if outcome.timed_out:
        return f"did not end within {hook.timeout_seconds:g} s"
    if outcome.exit_code == 127:
        from gr2.model.template import split_command

        return f"could not be started: there is no {split_command(hook.command)[0]}"
    if outcome.exit_code > 128:
        return f"was ended by signal {outcome.exit_code - 128}"
    return f"failed with exit code {outcome.exit_code}"


def _unrun(exit_code: int, reason: str) -> HookOutcome:
    return HookOutcome(exit_code=exit_code, stdout=b"", stderr=f"{reason}\n".encode(errors="replace"), duration_ms=0)


def tail_of(stream: bytes) -> str:
    """The last 500 bytes of a stream as text, begun at a character; UTF-8 takes no more than 500 bytes for it."""
    tail = stream[-TAIL_BYTES:]
    start = 0
    while len(stream) > TAIL_BYTES and start < 3 and start < len(tail) and tail[start] & 0xC0 == 0x80:
        start += 1
    text = tail[start:].decode(errors="replace")
    while len(text.encode()) > TAIL_BYTES:
        text = text[1:]
    return text


class _Record:
    """The events of one run of a hook, promised in the journal so that a crash leaves no hook without an end.

    The state file of the checkout says how the run stands; each promised event names the state it tells of.
    """

    def __init__(self, run: Mutation, place: HookPlace, hook: Hook) -> None:
        ids = run.session.ids
        self._run = run
        self._place = place
        self._hook = hook
        self.started_id = ids.event()
        self.end_id = ids.event()
        self._killed_id = ids.event()

    def start(self, directory: str) -> None:
        """Say that the hook is about to run."""
        layout, hook, place = self._run.session.layout, self._hook, self._place
        cwd = os.path.relpath(os.path.realpath(directory), os.path.realpath(layout.root))
        event = HookStarted(stage=hook.stage, hook_name=hook.name, repo=place.repo.name, command=hook.command, cwd=cwd)
        killed = self._failure(_unrun(_KILLED, "gr2 was killed while the hook ran"))
        self._promise(event, self.started_id, "running")
        self._promise(killed, self._killed_id, "running")
        note_run(layout, place.path, self.started_id, "running")
        self._run.outbox.emit(event, self._run.context(place.unit_name), event_id=self.started_id)

    def completed(self, outcome: HookOutcome) -> None:
        """Say that it ended well, and remember it."""
        layout, hook, place = self._run.session.layout, self._hook, self._place
        event = HookCompleted(
            stage=hook.stage,
            hook_name=hook.name,
            repo=place.repo.name,
            duration_ms=outcome.duration_ms,
            exit_code=outcome.exit_code,
        )
        self._promise(event, self.end_id, "completed")
        try:
            note_completed(layout, place.path, self.started_id, stage=hook.stage, hook_name=hook.name)
        finally:
            self._run.tell(event, self.end_id, unit=place.unit_name)

    def failed(self, outcome: HookOutcome) -> None:
        """Say that it failed."""
        event = self._failure(outcome)
        self._promise(event, self.end_id, "failed")
        try:
            note_run(self._run.session.layout, self._place.path, self.started_id, "failed")
        finally:
            self._run.tell(event, self.end_id, unit=self._place.unit_name)

    def _failure(self, outcome: HookOutcome) -> HookFailed:
        return HookFailed(
            stage=self._hook.stage,
            hook_name=self._hook.name,
            repo=self._place.repo.name,
            duration_ms=outcome.duration_ms,
            exit_code=outcome.exit_code,
            on_failure=self._hook.on_failure,
            stderr_tail=tail_of(outcome.stderr),
        )

    def _promise(self, event: Event, event_id: str, how: str) -> None:
        path = state_path(self._run.session.layout, self._place.path)
        text = run_note(self.started_id, how)
        self._run.promise(event, event_id, unit=self._place.unit_name, path=path, text=text)


def details_of(ran: Ran, hook: Hook) -> Mapping[str, Any]:
    """What an operation's details say of a run."""
    return {"hook_name": hook.name, "exit_code": ran.outcome.exit_code, "duration_ms": ran.outcome.duration_ms}
