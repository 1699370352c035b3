"""Which commands are struck by disasters. A case is one declaration; add yours to CASES."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gr2.testing import World
from tests.faults import oracle
from tests.faults.harness import KINDS, Faulted


def _nothing(world: World) -> None:
    return


def _no_check(world: World, faulted: Faulted) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Case:
    """One command and what is expected of it, beyond what the oracle expects of all.

    arrange: makes the state before it. command: what is run in the workspace; "gr2" and "python" as first word are
    this interpreter's. struck: called after the disaster, with how the run ended. check: called after the plain second
    run. kinds: the disasters to try. ignore: workspace-relative paths that may differ from an undisturbed run.
    same_state: whether the second run must end in the state of an undisturbed run.
    """

    name: str
    arrange: Callable[[World], None]
    command: Sequence[str]
    struck: Callable[[World, Faulted], None] = _no_check
    check: Callable[[World], None] = _nothing
    kinds: Sequence[str] = KINDS
    ignore: Sequence[str] = field(default=())
    same_state: bool = True

    def argv(self) -> list[str]:
        """The command line to run."""
        first, *rest = self.command
        programs = {"gr2": [sys.executable, "-m", "gr2"], "python": [sys.executable]}
        return [*programs[first], *rest]


_EMIT = """
import sys
from gr2.edges.clock import Clock, Ids
from gr2.errors import Gr2Error
from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox
outbox = Outbox(Layout("."), clock=Clock(), ids=Ids(), max_bytes=700)
context = Context(workspace="shop", actor="system")
try:
    for number in range(7):
        emitted = outbox.emit(LaneArchived(lane_name=f"lane-{number}", reason="r" * 40), context)
        sys.stdout.write(f"{emitted.seq}\\n")
        sys.stdout.flush()
    outbox.sync()
except Gr2Error as error:
    sys.exit(f"{error}")
"""


def _every_event_that_was_reported_is_there(world: World, faulted: Faulted) -> None:
    events = oracle.assert_log_is_dense(world, torn_tail=True)
    reported = [int(line) for line in faulted.stdout.split()]
    assert reported == [event["seq"] for event in events][: len(reported)]


def _the_log_was_rotated_and_goes_on(world: World) -> None:
    events = oracle.assert_log_is_dense(world)
    assert len(events) >= 7
    assert len(list(Path(world.path(".grip/events")).glob("outbox.2*.jsonl"))) >= 2
    assert [event["lane_name"] for event in events[-7:]] == [f"lane-{number}" for number in range(7)]


CASES = [
    Case(
        name="emit-and-rotate",
        arrange=lambda world: world.write(".grip/.keep", "") and None,
        command=["python", "-c", _EMIT],
        struck=_every_event_that_was_reported_is_there,
        check=_the_log_was_rotated_and_goes_on,
        kinds=("tree", "enospc"),
    ),
]
