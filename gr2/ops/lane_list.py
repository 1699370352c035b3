"""`lane list` and `lane show`: lanes, and how far each is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from gr2.model.checkout import Checkout
from gr2.model.lane import Lane, LaneState
from gr2.model.outcome import Issue, Result, read_status
from gr2.model.records import dataclass
from gr2.model.spec import Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import find_unit, lane_of
from gr2.ops.lane_view import LaneView, view_with
from gr2.ops.lane_work import WorkReader
from gr2.session import Session
from gr2.store.lanes import current_lane, read_lanes

if TYPE_CHECKING:
    from gr2.ops.lease_claim import LeaseView


@dataclass(frozen=True, kw_only=True)
class LaneListResult(Result):
    """The lanes, by unit and name. `current`: unit to the lane it is in. `now` is when this was seen."""

    lanes: tuple[LaneView, ...] = ()
    current: dict[str, str] = field(default_factory=dict)
    now: str = ""


@dataclass(frozen=True, kw_only=True)
class LaneShowResult(Result):
    """One lane in full, with its leases and what waits in it."""

    lane: LaneView
    leases: tuple[LeaseView, ...] = ()
    current: bool = False
    reason: str = ""
    saved: tuple[dict[str, object], ...] = ()
    port_base: int = 0
    now: str = ""


def lane_list(session: Session) -> LaneListResult:
    """Every lane of the unit that is named, else of all. Contacts no remote and writes nothing."""
    named = session.asked.unit or session.asked.environ.get("GR2_UNIT", "")
    units = (find_unit(session, named),) if named else session.spec.units
    lanes = (
        lane
        for lane in read_lanes(session.layout, session.spec, tuple(unit.name for unit in units))
        if lane.state is not LaneState.ARCHIVED
    )
    views, issues = views_of(session, {unit.name: unit for unit in units}, lanes)
    # Somebody may have removed the directory of one by hand.
    there = {(view.owner_unit, view.lane_name) for view in views}
    current = {unit.name: current_lane(session.layout, unit.name) for unit in units}
    return LaneListResult(
        status=read_status(issues),
        issues=tuple(issues),
        lanes=tuple(views),
        current={unit: lane for unit, lane in current.items() if lane is not None and (unit, lane) in there},
        now=session.clock.now().isoformat(timespec="seconds"),
    )


def views_of(session: Session, units: dict[str, Unit], lanes: Iterable[Lane]) -> tuple[list[LaneView], list[Issue]]:
    """The lanes as they are: all checkouts are looked at at once, the first while the last lane is still read."""
    known: list[Lane] = []
    groups: list[list[Checkout]] = []

    def checkouts() -> Iterator[Checkout]:
        for lane in lanes:
            known.append(lane)
            groups.append(lane_checkouts(units[lane.unit], lane))
            yield from groups[-1]

    rows, issues = inspect(session, checkouts())
    reader = WorkReader(session)
    reader.prefetch(row for row in rows if row.exists)
    views, start = [], 0
    for lane, group in zip(known, groups, strict=True):
        views.append(view_with(session, units[lane.unit], lane, rows[start : start + len(group)], reader))
        start += len(group)
    return views, issues


def lane_show(session: Session, lane: str = "") -> LaneShowResult:
    """The lane named, or in context. Contacts no remote and writes nothing."""
    from gr2.ops.lease_claim import views_of as lease_views
    from gr2.ops.lease_grant import moment_of
    from gr2.store.leases import read_leases
    from gr2.store.saved import waiting

    unit, found = lane_of(session, lane)
    views, issues = views_of(session, {unit.name: unit}, [found])
    table = read_leases(session.layout, unit.name, found.name)
    saved = waiting(session.layout, unit=unit.name, lane=found.name)
    return LaneShowResult(
        status=read_status(issues),
        issues=tuple(issues),
        lane=views[0],
        leases=lease_views(session, table.live(moment_of(session))),
        current=current_lane(session.layout, unit.name) == found.name,
        reason=found.reason,
        saved=tuple({"id": item.id, "repo": item.repo, "files": list(item.files)} for item in saved),
        port_base=found.port_base,
        now=session.clock.now().isoformat(timespec="seconds"),
    )
