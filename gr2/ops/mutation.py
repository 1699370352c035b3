"""The frame of every mutating command: who may run it, one at a time, and what a killed one left is put right first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any

from gr2.edges.clock import timestamp
from gr2.edges.files import read_regular
from gr2.edges.git.refs import refs_digest
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Gr2Error, Invalid
from gr2.model.event import Context, Event
from gr2.model.event.workspace import MaterializedRepo, WorkspaceMaterialized
from gr2.model.spec import SPEC_VERSION
from gr2.session import Session
from gr2.store.operations import FREE, DeadOperation, LiveOperation, dead_operations, refuse_linked_directories
from gr2.store.outbox import Outbox

if TYPE_CHECKING:
    from gr2.plugin.gates import GatesRun

SURVIVORS_SECONDS = 5.0


class Mutation:
    """One mutating command at work, about `unit` and `lane` ("" when about none). Its `session` has a git door whose
    children keep the operation alive."""

    def __init__(
        self, session: Session, command: str, live: LiveOperation, outbox: Outbox, *, unit: str = "", lane: str = ""
    ) -> None:
        self.operation_id = live.operation_id
        self.command = command
        self.unit = unit
        self.lane = lane
        self.temporary = live.path
        self.session = session.with_git(session.git.inheriting(live.descriptor))
        self.outbox = outbox
        self._live = live
        self.made_event_id = session.ids.event()
        self._announced: list[tuple[str, Event, Context]] = []
        self.untold = False
        self._owed: dict[str, tuple[str, str]] = {}
        self._made: list[str] = []

    def context(self, unit: str = "") -> Context:
        """Who and where, for an event about `unit`."""
        return Context(
            workspace=self.session.spec.workspace_name,
            actor=self.session.actor,
            agent_id=self.session.agent_id(unit),
            owner_unit=unit,
            operation_id=self.operation_id,
        )

    def emit(self, event: Event, *, unit: str = "") -> str:
        """Write an event now, and return its id. Raises Blocked `outbox_unwritable`, Failed `disk_full`."""
        return self.outbox.emit(event, self.context(unit)).event_id

    def announce(self, event: Event, *, unit: str = "", path: str, text: str) -> None:
        """Promise `event`: it is written by `settle`, or, should gr2 die first, by the next mutating command, if by
        then the file `path` (absolute) holds `text`. Call it before the change that it tells of."""
        event_id = self.session.ids.event()
        self._announced.append((event_id, event, self.context(unit)))
        self.promise(event, event_id, unit=unit, path=path, text=text)

    def promise(self, event: Event, event_id: str, *, unit: str = "", path: str, text: str) -> None:
        """The same for an event that the caller writes itself, with `tell`. A later promise of one id replaces an
        earlier one, and its place in the order."""
        self._owed[event_id] = (path, text)
        self._live.record({**self._entry(event, event_id, unit), "path": path, "text": text})

    def promise_of_mirror(self, event: Event, event_id: str, *, path: str, refs: str) -> None:
        """The same for what happens to the mirror `path` (absolute): it has, if its references are no longer those of
        the digest `refs`. Take it back with `withdraw` when nothing happened."""
        self._live.record({**self._entry(event, event_id, ""), "path": path, "refs": refs})

    def withdraw(self, event_id: str) -> None:
        """Take a promise back: what it tells of has not happened, and this operation will not do it any more."""
        self._owed.pop(event_id, None)
        with suppress(Gr2Error):  # on a full disk it stays, and is weighed should gr2 be killed
            self._live.record({"withdrawn": event_id})

    def _entry(self, event: Event, event_id: str, unit: str) -> dict[str, Any]:
        context = vars(self.context(unit))
        return {"event_id": event_id, "type": event.TYPE, "payload": event.payload(), "context": context}

    def settle(self) -> None:
        """Write the announced events: what they tell of has happened."""
        for event_id, event, context in self._announced:
            self._tell(event, context, event_id)
        self._announced.clear()

    def tell(self, event: Event, event_id: str, *, unit: str = "") -> None:
        """Write a promised event. Should that fail, what it tells of stands, and the next command writes it."""
        self._tell(event, self.context(unit), event_id)

    def emit_once(self, event: WorkspaceMaterialized) -> None:
        """Write the event that tells of everything the journal says was made."""
        self._made.clear()
        self._tell(event, self.context(), self.made_event_id)

    def withhold(self, key: str) -> None:
        """Keep the announced events back under `key`: a blocking hook failed. See `release`."""
        from gr2.store.withheld import withhold

        entries = [
            {"event_id": event_id, "type": event.TYPE, "payload": event.payload(), "unit": context.owner_unit}
            for event_id, event, context in self._announced
        ]
        withhold(self.session.layout, key, entries)
        for event_id, _, _ in self._announced:
            self._owed.pop(event_id, None)
        self._announced.clear()

    def release(self, key: str) -> None:
        """Write the events kept back under `key`: what failed then has now succeeded."""
        from gr2.model.event.catalog import event_class
        from gr2.store.withheld import forget_withheld, withheld

        for entry in withheld(self.session.layout, key):
            kind = event_class(entry["type"])
            if kind is not None and not self.outbox.contains(entry["event_id"]):
                self.outbox.emit(kind(**entry["payload"]), self.context(entry["unit"]), event_id=entry["event_id"])
        forget_withheld(self.session.layout, key)

    def _tell(self, event: Event, context: Context, event_id: str) -> None:
        # What it tells of is done and stands: the journal stays, for the next mutating command to write the event.
        self._owed.pop(event_id, None)
        try:
            self.outbox.emit(event, context, event_id=event_id)
        except Gr2Error as error:
            self.untold = True
            self.session.progress.note(f"done, but {event.TYPE} could not be recorded yet: {error.message}")

    def owes(self) -> bool:
        """Whether something promised has happened and was not told: a full disk came between the two, say."""
        return any(map(os.path.isdir, self._made)) or any(_holds(path, text) for path, text in self._owed.values())

    def record(self, entry: Mapping[str, Any]) -> None:
        """Note something in the journal for whoever clears up after this operation (see `recover`)."""
        self._live.record(entry)

    def made(self, repo: str, path: str, *, first: bool) -> None:
        """Note that the checkout of `repo` is about to appear at the absolute `path`, the `first` the repo has. Should
        gr2 die before it says so, the next mutating command does."""
        self._made.append(path)
        context = {**vars(self.context()), "owner_unit": ""}
        entry = {"made": repo, "path": path, "first": first, "event_id": self.made_event_id, "context": context}
        self._live.record(entry)

    def run_gates(self, **how: Any) -> GatesRun:
        """Run the gates of the lane that this is about; see `gr2.ops.gates.run_gates`. For commands of plugins."""
        from gr2.ops.gates import run_gates

        return run_gates(self, **how)

    def scratch(self, name: str) -> str:
        """An unused path in the operation's directory of temporaries, on the workspace's file system."""
        return os.path.join(self.temporary, f"{name.replace('/', '_')[:60]}-{self.session.ids.hex(6)}")


@contextmanager
def mutation(
    session: Session,
    command: str,
    *,
    unit: str = "",
    lane: str = "",
    repos: tuple[str, ...] = (),
    lock: str | None = "workspace",
    wait: float | None = None,
    markers: bool = True,
    constraints: bool = True,
) -> Iterator[Mutation]:
    """Run the body as the mutating command `command` (for example "lane.create") about `unit`, `lane` and `repos`.

    Takes the lock called `lock` (none for commands that several actors run at once), clears up what killed operations
    left, and makes the events of this one durable at its end. Errors raised by the body carry its `operation_id`;
    Invalid does not, as it says that nothing was tried.
    wait: seconds to wait for the lock, as long as the session waits for everything else when None.
    markers, constraints: whether failure markers and plugins may refuse it.
    Raises Invalid `newer_version`; Blocked `workspace_locked`, `unresolved_failure`, or what a plugin says.
    """
    refuse_newer_spec(session)
    refuse_linked_directories(session.layout)
    operation_id = session.ids.operation()
    with ExitStack() as stack:
        outbox = stack.enter_context(open_outbox(session))
        if lock is not None:
            stack.enter_context(_locked(session, lock, operation_id, session.wait_seconds if wait is None else wait))
        if constraints:
            _check_plugins(session, command, unit, lane, repos)
        if markers:
            _check_markers(session, command, unit, lane)
        _recover(session, outbox, lock)
        _settle_leases(session, outbox)
        if lock == "workspace":
            _refresh_spec(session)
        live = LiveOperation(session.layout, operation_id, under=lock or FREE, holder=holder_of(session, operation_id))
        run = Mutation(session, command, live, outbox, unit=unit, lane=lane)
        stack.callback(lambda: live.close(keep=run.untold))
        try:
            yield run
        except BaseException as error:
            run.untold = run.untold or run.owes()
            if isinstance(error, Gr2Error) and not isinstance(error, Invalid):
                error.__dict__.setdefault("operation_id", operation_id)
            raise
        finally:
            outbox.sync()


def open_outbox(session: Session) -> Outbox:
    """The workspace's outbox."""
    return Outbox(session.layout, clock=session.clock, ids=session.ids, max_bytes=session.settings.outbox_max_bytes)


def holder_of(session: Session, operation_id: str) -> dict[str, Any]:
    """What a lock file says of its holder. The pid is for people to read."""
    return {
        "pid": os.getpid(),
        "actor": session.actor,
        "operation_id": operation_id,
        "since": timestamp(session.clock.now().astimezone(UTC)),
    }


def refuse_newer_spec(session: Session) -> None:
    """Raise Invalid `newer_version` for a spec that a newer gr2 wrote."""
    if session.spec.version > SPEC_VERSION:
        raise Invalid(
            "newer_version",
            f"the spec has version {session.spec.version}, this gr2 knows version {SPEC_VERSION}",
            hint="use a newer gr2",
        )


def locked_error(timeout: LockTimeout, waited: float) -> Blocked:
    """The refusal for a lock that another process kept."""
    holder = timeout.holder
    who = f" by {holder['actor']}" if holder.get("actor") else ""
    return Blocked(
        "workspace_locked",
        f"the workspace is in use{who}, and was not free within {waited:g} s",
        hint="run the same command again, with --wait SECONDS to wait longer",
        details=holder,
    )


@contextmanager
def _locked(session: Session, name: str, operation_id: str, wait: float) -> Iterator[None]:
    def lock_within(seconds: float) -> FileLock:
        path, holder = session.layout.lock(name), holder_of(session, operation_id)
        lock = FileLock(path, wait=seconds, holder=holder, pause=_pause(session))
        lock.acquire()
        return lock

    try:
        lock = lock_within(wait)
    except LockTimeout as error:
        if wait >= SURVIVORS_SECONDS or not _is_dead(error.holder):
            raise locked_error(error, wait) from error
        try:
            lock = lock_within(SURVIVORS_SECONDS)
        except LockTimeout as again:
            raise locked_error(again, SURVIVORS_SECONDS) from again
    try:
        yield
    finally:
        lock.release()


def _is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether a lock is kept only by what a killed gr2 was just starting."""
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (KeyError, ValueError, TypeError, OverflowError, PermissionError):
        return False
    return False


def _pause(session: Session) -> Any:
    def pause(seconds: float) -> None:
        session.runner.cancellation.check()
        session.clock.sleep(seconds)

    return pause


def _check_plugins(session: Session, command: str, unit: str, lane: str, repos: tuple[str, ...]) -> None:
    if session.plugins is not None:
        session.plugins.check_operation(session, command=command, unit=unit, lane=lane, repos=repos)


def _check_markers(session: Session, command: str, unit: str, lane: str) -> None:
    if not os.path.isdir(session.layout.failures):
        return
    from gr2.store.failures import blocking_marker

    marker = blocking_marker(session.layout, command=command, unit=unit, lane=lane)
    if marker is not None:
        raise marker


def _refresh_spec(session: Session) -> None:
    from gr2.store.spec_file import refresh_compiled

    refresh_compiled(session.layout)


def _recover(session: Session, outbox: Outbox, lock: str | None) -> None:
    """Tell what killed operations did and did not live to tell, and remove their temporaries."""
    # What a killed gr2 had started is nobody else at work, and soon over: who waits for nobody waits for that.
    wait = max(session.wait_seconds, SURVIVORS_SECONDS)
    try:
        for dead in dead_operations(session.layout, under=lock, wait=wait):
            tell(session, outbox, dead)
    except LockTimeout as error:
        raise locked_error(error, wait) from error


def _settle_leases(session: Session, outbox: Outbox) -> None:
    """The same for changes of leases, which have locks of their own."""
    try:
        unsettled = os.listdir(os.path.join(session.layout.leases, ".unsettled"))
    except FileNotFoundError:
        return
    if unsettled:
        from gr2.store.leases import settle_leases

        settle_leases(session.layout, outbox)


def tell(session: Session, outbox: Outbox, dead: DeadOperation) -> None:
    """Write the events that `dead` announced, whose change happened, and that are not in the outbox yet."""
    from gr2.model.event.catalog import event_class

    kept_back = _withheld(session)
    _tell_made(outbox, [entry for entry in dead.entries if "made" in entry and entry["event_id"] not in kept_back])
    promised: dict[str, dict[str, Any]] = {}
    for entry in dead.entries:
        promised.pop(entry.get("withdrawn", entry.get("event_id", "")), None)
        if "type" in entry and entry["event_id"] not in kept_back:
            promised[entry["event_id"]] = entry
    # Mirrors come before what is done with them, and before the end of it all.
    for entry in sorted(promised.values(), key=lambda entry: "refs" not in entry):
        if not _has_happened(entry) or outbox.contains(entry["event_id"]):
            continue
        kind = event_class(entry["type"])
        if kind is not None:
            outbox.emit(kind(**entry["payload"]), Context(**entry["context"]), event_id=entry["event_id"])


def _withheld(session: Session) -> frozenset[str]:
    from gr2.store.withheld import withheld_ids

    return withheld_ids(session.layout)


def _tell_made(outbox: Outbox, entries: list[dict[str, Any]]) -> None:
    made: dict[str, bool] = {}
    for entry in entries:
        if os.path.isdir(entry["path"]):
            made[entry["made"]] = made.get(entry["made"], False) or entry["first"]
    if made and not outbox.contains(entries[0]["event_id"]):
        event = WorkspaceMaterialized(
            repos=tuple(MaterializedRepo(repo=name, first_materialize=first) for name, first in made.items())
        )
        outbox.emit(event, Context(**entries[0]["context"]), event_id=entries[0]["event_id"])


def _has_happened(entry: Mapping[str, Any]) -> bool:
    if "refs" in entry:
        return os.path.isdir(entry["path"]) and refs_digest(entry["path"]) != entry["refs"]
    return _holds(entry["path"], entry["text"])


def _holds(path: str, text: str) -> bool:
    try:
        data = read_regular(path, limit=64 << 20)
    except OSError:
        return False
    return data is not None and text.encode() in data
