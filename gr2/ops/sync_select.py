"""Which checkouts a sync is about, and which of their lanes it must keep its hands off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from gr2.errors import Blocked, Invalid
from gr2.model.checkout import Checkout
from gr2.model.hints import quoted
from gr2.model.lane import Lane, LaneState
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.model.sync import STRATEGIES
from gr2.ops.checkouts import lane_checkouts, shared_checkouts, unit_checkouts
from gr2.ops.context import find_unit, select_repos, unknown
from gr2.session import Session
from gr2.store.lanes import has_lane, lane_names, read_lane, read_lanes


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the options name; nothing means everything."""

    lanes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    repos: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is every checkout of the workspace."""
        return not (self.lanes or self.units or self.repos or self.groups)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The checkouts of a selection, by repo in declared order. lanes: those it touches, by (unit, lane)."""

    repos: tuple[Repo, ...]
    checkouts: Mapping[str, Sequence[Checkout]]
    lanes: Mapping[tuple[str, str], Lane]
    asked_lanes: frozenset[tuple[str, str]] = frozenset()
    whole: bool = False


@dataclass
class Obstacles:
    """Lanes and checkouts outside lanes that may not be touched, and why."""

    lanes: dict[tuple[str, str], Issue] = field(default_factory=dict)
    checkouts: dict[tuple[str, str], Issue] = field(default_factory=dict)

    @property
    def is_blocking(self) -> bool:
        """Whether one of them blocks the run."""
        return any(issue.blocking for issue in (*self.lanes.values(), *self.checkouts.values()))

    def of(self, checkout: Checkout) -> Issue | None:
        """Why this checkout may not be touched."""
        if checkout.lane:
            return self.lanes.get((checkout.unit, checkout.lane))
        return self.checkouts.get((checkout.unit, checkout.repo))


def choose(session: Session, selection: Selection) -> Chosen:
    """The checkouts that the selection means. Archived lanes are passed over, frozen ones unless they are named.

    Raises Invalid `unknown_lane`, `unknown_unit`, `unknown_repo`, `unknown_group`, `unit_required`.
    """
    spec = session.spec
    wanted = select_repos(session, selection.repos, selection.groups)
    units = tuple(find_unit(session, name) for name in selection.units)
    if selection.lanes:
        lanes = [_lane_named(session, text, units) for text in selection.lanes]
        asked = frozenset((lane.unit, lane.name) for lane in lanes)
        found: list[Checkout] = []
    else:
        names = tuple(unit.name for unit in units)
        lanes = [lane for lane in read_lanes(session.layout, spec, names) if lane.state is LaneState.ACTIVE]
        asked = frozenset()
        found = [] if units else shared_checkouts(spec.repos)
        for unit in units or spec.units:
            found += unit_checkouts(unit)
    for lane in lanes:
        owner = spec.unit(lane.unit)
        assert owner is not None
        found += lane_checkouts(owner, lane)
    return _chosen(wanted, found, lanes, asked, selection)


def _chosen(
    wanted: Iterable[Repo],
    found: Sequence[Checkout],
    lanes: Sequence[Lane],
    asked: frozenset[tuple[str, str]],
    selection: Selection,
) -> Chosen:
    by_repo: dict[str, list[Checkout]] = {}
    for checkout in found:
        by_repo.setdefault(checkout.repo, []).append(checkout)
    narrowed = bool(selection.lanes or selection.units)
    repos = tuple(repo for repo in wanted if repo.name in by_repo or not narrowed)
    names = {repo.name for repo in repos}
    touched = {(item.unit, item.lane) for item in found if item.lane and item.repo in names}
    return Chosen(
        repos=repos,
        checkouts={name: by_repo.get(name, ()) for name in names},
        lanes={(lane.unit, lane.name): lane for lane in lanes if (lane.unit, lane.name) in touched},
        asked_lanes=asked,
        whole=selection.is_whole,
    )


def _lane_named(session: Session, text: str, units: Sequence[Unit]) -> Lane:
    """The lane that `--lane` names: "unit/lane", or the only one of that name."""
    layout, spec = session.layout, session.spec
    first, slash, rest = text.partition("/")
    owner = spec.unit(first) if slash and rest else None
    if owner is not None:
        owners, name = [owner], rest
    else:
        owners, name = list(units or spec.units), text
    holders = [unit for unit in owners if has_lane(layout, unit, name)]
    if len(holders) > 1:
        raise Invalid(
            "unit_required",
            f"units {', '.join(unit.name for unit in holders)} each have a lane {name!r}",
            scope="lane",
            subject=name,
            hint=f"--lane {quoted(f'{holders[0].name}/{name}')}",
            details={"units": [unit.name for unit in holders], "suggestion": f"{holders[0].name}/{name}"},
        )
    lane = read_lane(layout, holders[0], name) if holders else None
    if lane is None or lane.state is LaneState.ARCHIVED:
        known = [known for unit in owners for known in lane_names(layout, unit)]
        raise unknown("lane", text, known, hint="gr2 lane list")
    return lane


def check_options(session: Session, *, strategy: str, dirty: str) -> None:
    """Raise Invalid for a strategy that does not exist."""
    if strategy not in STRATEGIES:
        from gr2.model.names import nearest

        close = nearest(strategy, STRATEGIES)
        raise Invalid(
            "unknown_strategy",
            f"there is no update strategy {strategy!r}",
            subject=strategy,
            hint=f"one of {', '.join(STRATEGIES)}",
            details={"suggestion": close} if close else {},
        )
    if dirty not in {"stash", "block", "discard"}:
        from gr2.ops.lane_leave import strategy_of

        strategy_of(session, dirty)


def obstacles(session: Session, chosen: Chosen) -> Obstacles:
    """What keeps a sync off some of the chosen checkouts: frozen lanes, others' leases, failures nobody decided.

    An issue about a lane blocks only when the lane was asked for.
    """
    found = Obstacles()
    for key, lane in chosen.lanes.items():
        issue = _frozen(lane) or _lease(session, lane)
        if issue is not None:
            found.lanes[key] = _weighed(issue, key in chosen.asked_lanes)
    _add_markers(session, chosen, found)
    return found


def _weighed(issue: Issue, blocking: bool) -> Issue:
    from dataclasses import replace

    return replace(issue, blocking=blocking)


def _frozen(lane: Lane) -> Issue | None:
    if lane.state is not LaneState.FROZEN:
        return None
    return Issue(
        code="lane_frozen",
        scope="lane",
        subject=lane.id,
        message=f"the lane is frozen: {lane.reason or 'no reason given'}",
        hint=f"gr2 lane unfreeze {quoted(lane.id)}",
        details={"reason": lane.reason},
    )


def _lease(session: Session, lane: Lane) -> Issue | None:
    from gr2.ops.lease import check

    try:
        check(session, lane.unit, lane.name)
    except Blocked as error:
        return Issue.from_error(error)
    return None


def _add_markers(session: Session, chosen: Chosen, found: Obstacles) -> None:
    from gr2.store.failures import blocking_checkout, blocking_marker, unresolved

    layout = session.layout
    for marker in unresolved(layout):
        if marker.operation == "sync.run":
            continue
        unit, lane = marker.owner_unit, marker.lane_name
        if lane:
            error = blocking_marker(layout, command="sync.run", unit=unit, lane=lane)
            if error is not None and (unit, lane) in chosen.lanes:
                blocking = (unit, lane) in chosen.asked_lanes
                found.lanes.setdefault((unit, lane), Issue.from_error(error, blocking=blocking))
        else:
            error = blocking_checkout(layout, command="sync.run", unit=unit, repo=marker.repo)
            if error is not None and marker.repo in chosen.checkouts:
                found.checkouts[unit, marker.repo] = Issue.from_error(error)
