"""A lane's PR group at work: found, locked, written before and after every step outside, and told of in events.

The file's rename is the commit. An event that belongs to it stands in its journal (`unsent`) until it is in the outbox,
so that neither exists for long without the other, and none is written twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Failed
from gr2.model.event import Context, Event
from gr2.model.group import Group, Journal
from gr2.model.lane import Lane
from gr2.model.outcome import MutationResult
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.context import lane_of, lane_option
from gr2.ops.mutation import Mutation, holder_of, locked_error, mutation
from gr2.ops.pr_platform import Platforms
from gr2.session import Session
from gr2.store.lanes import read_lane, write_lane
from gr2.store.pr_groups import read_group, read_groups, write_group


@dataclass(frozen=True, kw_only=True)
class GroupResult(MutationResult):
    """What commands on a group have in common. `group` is None when there is none yet."""

    group: Group | None = None


class Work:
    """A lane's group under its lock. `group` is None while the lane has none."""

    def __init__(self, run: Mutation, unit: Unit, lane: Lane, found: tuple[Group, Journal] | None) -> None:
        self.run = run
        self.session = run.session
        self.unit = unit
        self.lane = lane
        self.platforms = Platforms(run.session)
        self.group = found[0] if found else None
        self.journal = found[1] if found else Journal(lane_operation=lane.operation_id)
        self._written = found
        self._finished: tuple[Group, Journal] | None = None

    @property
    def existing(self) -> Group:
        """The group. Raises Blocked `no_pr_group` when there is none."""
        if self.group is None:
            raise no_group(self.session, self.lane)
        return self.group

    @property
    def lane_option(self) -> str:
        """What a command line needs to be about this lane; see `gr2.ops.context.lane_option`."""
        return lane_option(self.session, self.unit.name, self.lane.name)

    def note(self, **values: Any) -> None:
        """Change values of the journal; `save` writes them."""
        self.journal = replace(self.journal, **values)

    def save(self, group: Group | None = None, events: Iterable[Event] = ()) -> None:
        """Write the group and its journal, if they changed, then the events that belong to the change."""
        self.group = group or self.existing
        context = vars(self.run.context(self.unit.name))
        made = [
            {
                "event_id": self.session.ids.event(),
                "type": event.TYPE,
                "payload": event.payload(),
                "context": context,
            }
            for event in events
        ]
        self.note(unsent=(*self.journal.unsent, *made))
        self._write()
        self._send(fresh={str(entry["event_id"]) for entry in made})

    def succeed(self, group: Group) -> None:
        """Go on with the new `group`, written nowhere yet, in place of a finished one; `begin` writes both."""
        if self.group is not None:
            self._finished = (replace(self.group, superseded_by=group.pr_group_id), self.journal)
        self.group = group
        self.journal = Journal(lane_operation=self.lane.operation_id)

    def begin(self) -> None:
        """Write the group before its first step outside, and let the lane name it."""
        if self._finished is not None:
            # First: a successor that was not written is made again, one that nothing points to would be lost.
            write_group(self.session.layout, *self._finished, temporary=self.run.temporary)
            self._finished = None
        self.save()
        self.name_in_lane()

    def settle(self) -> None:
        """Finish what a killed command left: its events, and the lane's note of its group."""
        if self.group is None:
            return
        if self.journal.unsent:
            self._send(fresh=set())
        self.name_in_lane()

    def name_in_lane(self) -> None:
        """Let `lane.toml` name the group."""
        group = self.existing
        if self.lane.pr_group_id == group.pr_group_id:
            return
        session = self.session
        holder = holder_of(session, self.run.operation_id)
        lock = FileLock(session.layout.lock("workspace"), wait=session.wait_seconds, holder=holder)
        try:
            lock.acquire()
        except LockTimeout as error:
            raise locked_error(error, session.wait_seconds) from error
        try:
            lane = read_lane(session.layout, self.unit, self.lane.name)
            if lane is not None and lane.operation_id == self.lane.operation_id:
                self.lane = replace(lane, pr_group_id=group.pr_group_id)
                write_lane(session.layout, self.unit, self.lane)
        finally:
            lock.release()

    def _write(self) -> None:
        now = (self.existing, self.journal)
        if now != self._written:
            write_group(self.session.layout, *now, temporary=self.run.temporary)
            self._written = now

    def _send(self, *, fresh: set[str]) -> None:
        from gr2.model.event.catalog import event_class

        outbox = self.run.outbox
        for entry in self.journal.unsent:
            known: Mapping[str, Any] = entry
            event_id = known["event_id"]
            kind = event_class(known["type"])
            if kind is not None and (event_id in fresh or not outbox.contains(event_id)):
                outbox.emit(kind(**known["payload"]), Context(**known["context"]), event_id=event_id)
        self.note(unsent=())
        self._write()


@contextmanager
def group_work(session: Session, command: str, lane: str = "", *, reads: bool = False) -> Iterator[Work]:
    """Run the body as the command `command` on the group of the lane in context, under the group's lock.

    `reads`: it only brings the group up to date, so neither a failure marker nor a constraint refuses it.
    Raises what `lane_of` does; Blocked `workspace_locked`, Failed `invalid_pr_group`.
    """
    unit, found = lane_of(session, lane)
    with mutation(
        session,
        command,
        unit=unit.name,
        lane=found.name,
        repos=found.repos,
        lock=lock_of(unit.name, found.name),
        markers=not reads,
        constraints=not reads,
    ) as run:
        unit, found = lane_of(run.session, f"{unit.name}/{found.name}")
        work = Work(run, unit, found, find_group(session, found))
        work.settle()
        yield work


def lock_of(unit: str, lane: str) -> str:
    """The name of the lock of a lane's group. Two lanes that share one only wait for each other."""
    return f"pr-{zlib.crc32(f'{unit}/{lane}'.encode(errors='surrogateescape')):08x}"


def find_group(session: Session, lane: Lane) -> tuple[Group, Journal] | None:
    """The group of a lane: the one its `lane.toml` names, else the one a killed command could not name there any more.

    Raises Failed `invalid_pr_group` when the named one is damaged.
    """
    layout = session.layout
    named = read_group(layout, lane.pr_group_id) if lane.pr_group_id else None
    if named is not None and named[0].superseded_by is None:
        return named
    found = [
        each
        for each in read_groups(layout)
        if not isinstance(each, Failed)
        and (each[0].owner_unit, each[0].lane_name) == (lane.unit, lane.name)
        and each[1].lane_operation == lane.operation_id
        and each[0].superseded_by is None
    ]
    return max(found, key=lambda each: each[0].created_at) if found else named


def no_group(session: Session, lane: Lane) -> Blocked:
    """The refusal for a lane without a group."""
    return Blocked(
        "no_pr_group",
        f"the lane {lane.id} has no pull requests yet",
        scope="lane",
        subject=lane.id,
        hint=f"gr2 pr create --title TITLE{lane_option(session, lane.unit, lane.name)}",
    )
