"""What every event sink promises, as tests. Derive a class, give it the sink and a way to see what arrived:

class TestSink(EventSinkContract):
    def make_sink(self, world):
        return MySink(PluginContext(name="mine", session=world.session(), load_settings=lambda: ...))

    def received(self, world):
        return [event_id for ...]
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gr2.model.event.base import Context
from gr2.model.event.catalog import CATALOG
from gr2.model.event.lane import LaneCreated
from gr2.plugin.protocols import Delivery, EventSink
from gr2.store.outbox_read import EventLog
from gr2.testing.world import World

DEADLINE = 20.0


class EventSinkContract:
    """At least once, in order, whatever the events are; what was accepted is safe."""

    exactly_once = False
    """Whether an event that is delivered again (after a crash) is still received once."""

    def make_sink(self, world: World) -> EventSink:
        """A new sink, as after a restart. What it received before stays received."""
        raise NotImplementedError

    def received(self, world: World) -> Sequence[str]:
        """The ids of the events that the receiver holds, in order, among those the sink passes on (see `passed_on`)."""
        raise NotImplementedError

    def passed_on(self, event: dict[str, Any]) -> bool:
        """Whether the sink passes such an event on; one that it leaves out is accepted all the same."""
        return True

    @pytest.fixture
    def sink_world(self, world: World) -> Iterator[World]:
        """A world with a spec; override it to start a receiver."""
        world.write_spec()
        yield world

    def test_what_is_accepted_is_with_the_receiver_in_order(self, sink_world: World) -> None:
        events = written(sink_world, 25)
        sink = self.make_sink(sink_world)

        deliver_all(sink, events)

        # Before it is closed: an accepted event survives the death of gr2.
        assert list(self.received(sink_world)) == self._ids(events)
        sink.close()

    def test_it_goes_on_after_a_restart(self, sink_world: World) -> None:
        events = written(sink_world, 10)
        first = self.make_sink(sink_world)
        deliver_all(first, events[:4])
        first.close()
        second = self.make_sink(sink_world)

        deliver_all(second, events[4:])

        assert list(self.received(sink_world)) == self._ids(events)
        second.close()

    def test_an_event_delivered_again_is_accepted_again(self, sink_world: World) -> None:
        events = written(sink_world, 6)
        sink = self.make_sink(sink_world)
        deliver_all(sink, events[:4])

        deliver_all(sink, events[2:])

        received = list(self.received(sink_world))
        assert list(dict.fromkeys(received)) == self._ids(events)
        assert not self.exactly_once or received == self._ids(events)
        sink.close()

    def test_unknown_types_versions_and_fields_are_accepted(self, sink_world: World) -> None:
        (event,) = written(sink_world, 1)
        strange = {
            **event,
            "version": 9,
            "event_id": "fedcba9876543210",
            "seq": 2,
            "type": "moon.landed",
            "crew": [{"name": "\ud800\x1b[2J\u202e"}, None, 1.5],
            "lane_name": 7,
            "repos": {"a": 1},
        }
        bare = {key: strange[key] for key in ("version", "event_id", "seq", "timestamp", "type")}
        sink = self.make_sink(sink_world)

        deliver_all(sink, [strange, {**bare, "event_id": "fedcba9876543211", "seq": 3}])

        assert "moon.landed" not in CATALOG
        sink.close()

    def test_nothing_is_a_delivery_too(self, sink_world: World) -> None:
        sink = self.make_sink(sink_world)

        assert sink.deliver([], deadline=DEADLINE) == Delivery(accepted=0)
        sink.close()

    def test_it_takes_at_least_one_event_at_once(self, sink_world: World) -> None:
        sink = self.make_sink(sink_world)

        assert isinstance(sink.batch_size, int)
        assert sink.batch_size >= 1
        sink.close()

    def test_closing_twice_is_harmless(self, sink_world: World) -> None:
        sink = self.make_sink(sink_world)

        sink.close()
        sink.close()

    def test_it_keeps_its_deadline(self, sink_world: World) -> None:
        events = written(sink_world, 5)
        sink = self.make_sink(sink_world)
        started = time.monotonic()

        delivery = sink.deliver(events, deadline=0.2)

        assert 0 <= delivery.accepted <= 5
        assert time.monotonic() - started < DEADLINE
        sink.close()

    def _ids(self, events: Sequence[dict[str, Any]]) -> list[str]:
        return [event["event_id"] for event in events if self.passed_on(event)]


def written(world: World, count: int) -> list[dict[str, Any]]:
    """`count` events that are in the world's log, as they are read from there."""
    from gr2.ops.mutation import open_outbox

    context = Context(workspace="shop", actor=world.actor, owner_unit=world.unit, operation_id="op_0123456789ab")
    with open_outbox(world.session()) as outbox:
        for number in range(count):
            name = f"lane-{number}"
            event = LaneCreated(lane_name=name, lane_type="feature", repos=("app", "api"), branch_map={"app": name})
            outbox.emit(event, context)
    return list(EventLog(world.session().layout))[-count:]


def deliver_all(sink: EventSink, events: Sequence[dict[str, Any]]) -> None:
    """Deliver `events` in batches as gr2 does. Fails the test when one is not accepted."""
    left = [json.loads(json.dumps(event)) for event in events]
    while left:
        delivery = sink.deliver(left[: sink.batch_size], deadline=DEADLINE)
        assert delivery.accepted > 0, f"nothing of the batch was accepted: {delivery}"
        left = left[delivery.accepted :]
