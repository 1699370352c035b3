"""Which events somebody wants to see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from gr2.model.records import dataclass

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])").fullmatch
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    """Conditions that all must hold; "" and None ask for nothing.

    since: a seq, exclusive. type: a glob. lane: a lane's name or UNIT/LANE, also one left or entered by a switch.
    repo: in `repo` or among `repos`. after, before: times with an offset, both exclusive.
    """

    since: int = 0
    type: str = ""
    lane: str = ""
    repo: str = ""
    actor: str = ""
    operation: str = ""
    after: datetime | None = None
    before: datetime | None = None

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether `event` meets every condition but `since`."""
        return (
            (not self.actor or event.get("actor") == self.actor)
            and (not self.operation or event.get("operation_id") == self.operation)
            and (not self.type or self._type.match(event["type"]) is not None)
            and (not self.repo or self.repo in repos_of(event))
            and (not self.lane or self.lane in _lanes_of(event))
            and ((self.after is None and self.before is None) or self._in_time(event))
        )

    @cached_property
    def _type(self) -> re.Pattern[str]:
        from fnmatch import translate

        return re.compile(translate(self.type))

    def _in_time(self, event: Mapping[str, Any]) -> bool:
        text = event["timestamp"].upper()
        # datetime knows no leap second.
        moment = datetime.fromisoformat(text if text[17:19] != "60" else f"{text[:17]}59{text[19:]}")
        return (self.after is None or moment > self.after) and (self.before is None or moment < self.before)


def repos_of(event: Mapping[str, Any]) -> set[str]:
    """The names of the repos an event is about."""
    listed = event.get("repos")
    found = {event.get("repo")}
    if isinstance(listed, list):
        found |= {
            item.get("repo") if isinstance(item, dict) else item for item in listed if isinstance(item, (str, dict))
        }
    return {name for name in found if isinstance(name, str) and name}


def _lanes_of(event: Mapping[str, Any]) -> set[str]:
    names = {event.get(key) for key in ("lane_name", "from_lane", "to_lane")}
    lanes = {name for name in names if isinstance(name, str) and name}
    unit = event.get("owner_unit")
    return lanes | {f"{unit}/{name}" for name in lanes} if unit else lanes


def parse_time(text: str, now: datetime) -> datetime:
    """The moment `text` names: RFC 3339 or a date, in local time unless it has an offset, or an age before `now`
    such as `90s`, `15m`, `2h`, `7d`, `1w`. Raises ValueError for anything else."""
    ago = _AGO(text.strip())
    if ago is not None:
        return now - timedelta(seconds=int(ago.group(1)) * _SECONDS[ago.group(2)])
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo is not None else moment.astimezone()
