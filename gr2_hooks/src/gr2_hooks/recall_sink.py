"""The sink `recall`: every event into the index, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gr2.api import Delivery, Failed, PluginContext
from gr2_hooks.recall_store import Recall


class RecallSink:
    """Adding an event again changes nothing. Events of units with `recall_enabled = false` are taken and left out."""

    batch_size = 20_000

    def __init__(self, ctx: PluginContext) -> None:
        self._recall = Recall(ctx.session.layout)
        self._silent = {unit.name for unit in ctx.session.spec.units if not unit.constraints.recall_enabled}

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Index as much of a batch as there is time for, in one transaction."""
        heard = [index for index, event in enumerate(events) if event.get("owner_unit") not in self._silent]
        try:
            taken, _ = self._recall.add((events[index] for index in heard), deadline=deadline * 0.7)
        except Failed as error:
            return Delivery(accepted=0, unavailable=error.message)
        return Delivery(accepted=len(events) if taken == len(heard) else heard[taken])

    def close(self) -> None:
        """Close the index."""
        self._recall.close()
