"""Whether any checkout has hooks at all: one lstat each, and nothing is imported for a workspace without."""

from __future__ import annotations

import os
from collections.abc import Iterable

from gr2.model.lane import Lane
from gr2.session import Session

_FOLDER = ".gr2"


def has_hooks(session: Session, lanes: Iterable[Lane] = ()) -> bool:
    """Whether a shared checkout, one of a unit or one of `lanes` holds `.gr2`, whatever that is."""
    spec, layout = session.spec, session.layout
    if any(_is_there(layout.at(repo.path)) for repo in spec.repos):
        return True
    if any(_is_there(layout.unit_checkout(unit.path, name)) for unit in spec.units for name in unit.repos):
        return True
    units = {unit.name: unit.path for unit in spec.units}
    return any(
        _is_there(layout.lane_checkout(units[lane.unit], lane.name, name))
        for lane in lanes
        if lane.unit in units
        for name in lane.repos
    )


def lane_has_hooks(session: Session, unit_path: str, lane: Lane) -> bool:
    """Whether one of the lane's checkouts holds `.gr2`."""
    return any(_is_there(session.layout.lane_checkout(unit_path, lane.name, name)) for name in lane.repos)


def _is_there(checkout: str) -> bool:
    return os.path.lexists(os.path.join(checkout, _FOLDER))
