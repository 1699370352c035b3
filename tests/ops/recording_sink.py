"""A sink for tests: it keeps what it gets in a file, and misbehaves as another file says."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gr2.api import Delivery, PluginContext


class Recording:
    """Appends to `received.jsonl`; `receiver.json` may say: reject (ids), unavailable (why), retry_after, take (how
    many events a call), seconds (how long a call takes), raises, answer (anything but a delivery), batch,
    close_seconds."""

    def __init__(self, ctx: PluginContext) -> None:
        self._root = ctx.session.root
        if self._wanted.get("unmakeable"):
            raise RuntimeError("cannot be made")

    @property
    def _wanted(self) -> dict[str, Any]:
        try:
            with open(os.path.join(self._root, "receiver.json"), encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return {}
        assert isinstance(found, dict)
        return found

    @property
    def batch_size(self) -> int:
        return int(self._wanted.get("batch", 4))

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Any:
        wanted = self._wanted
        time.sleep(wanted.get("seconds", 0))
        if wanted.get("raises"):
            raise RuntimeError("went wrong")
        if "answer" in wanted:
            return wanted["answer"]
        taken = 0
        with open(os.path.join(self._root, "received.jsonl"), "a", encoding="utf-8") as file:
            for event in events[: wanted.get("take", len(events))]:
                if event["event_id"] in wanted.get("reject", ()):
                    break
                if "unavailable" in wanted:
                    break
                file.write(json.dumps(event) + "\n")
                taken += 1
        if taken < len(events) and events[taken]["event_id"] in wanted.get("reject", ()):
            return Delivery(accepted=taken, rejected="no, thank you")
        return Delivery(
            accepted=taken, unavailable=wanted.get("unavailable", ""), retry_after=wanted.get("retry_after")
        )

    def close(self) -> None:
        time.sleep(self._wanted.get("close_seconds", 0))
