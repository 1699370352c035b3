"""A delivery that is killed at any of its state-changing calls, and goes on with the next command."""

from __future__ import annotations

import json
import os
import sys

import pytest

from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.ops.mutation import open_outbox
from gr2.store.cursors import read_cursor
from gr2.testing import World
from tests.faults.harness import Mechanism, run_with_fault

ARGV = [sys.executable, "-m", "gr2", "--no-plugins", "events", "deliver", "--sink", "stdout"]
EVENTS = 450


def seqs(stdout: str) -> list[int]:
    """The seqs of the whole lines."""
    return [json.loads(line)["seq"] for line in stdout.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("kind", ["tree", "enospc"])
def test_a_killed_delivery_loses_nothing_and_keeps_the_order(
    world: World, best_mechanism: Mechanism, kind: str
) -> None:
    world.write_spec()
    with open_outbox(world.session()) as outbox:
        for number in range(EVENTS):
            outbox.emit(LaneArchived(lane_name=str(number), reason=""), Context(workspace="shop", actor="system"))
    cursor = world.path(".grip/events/cursors/stdout.json")
    total = run_with_fault(ARGV, env=world.env, cwd=world.root, mechanism=best_mechanism).total
    assert total >= 4
    step = 1 if os.environ.get("GR2_FAULTS") == "full" else max(1, total // 6)
    for at in range(1, total + 1, step):
        if os.path.exists(cursor):
            os.unlink(cursor)

        struck = run_with_fault(ARGV, env=world.env, cwd=world.root, mechanism=best_mechanism, kind=kind, at=at)

        before = seqs(struck.stdout)
        stands = read_cursor(world.session().layout, "stdout").last_seq
        assert stands <= max(before, default=0), f"call {at}: the cursor is ahead of what was received"
        after = seqs(world.gr2("--no-plugins", "events", "deliver", "--sink", "stdout").stdout)
        assert before == list(range(1, len(before) + 1)), f"call {at}"
        assert after == list(range(stands + 1, EVENTS + 1)), f"call {at}"
