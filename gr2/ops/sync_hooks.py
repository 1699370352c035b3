"""Hooks files of the checkouts of a sync, looked at for what is wrong with them. A sync runs none of them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from gr2.model.checkout import Checkout
from gr2.model.outcome import Issue
from gr2.ops.sync_select import Chosen
from gr2.session import Session

_FILE = ".gr2/hooks.toml"


def hooks_issues(session: Session, chosen: Chosen) -> list[Issue]:
    """`invalid_hooks` of every checkout that is there: never blocking, as only hooks and projections need the file."""
    checkouts = (item for repo in chosen.repos for item in chosen.checkouts[repo.name])
    found = [item for item in checkouts if os.path.lexists(os.path.join(session.layout.at(item.path), _FILE))]
    return _read(session, chosen, found) if found else []


def _read(session: Session, chosen: Chosen, checkouts: Iterable[Checkout]) -> list[Issue]:
    from gr2.ops.hook_places import HookPlace, HooksReader

    reader = HooksReader(session, blocking=False)
    for checkout in checkouts:
        repo = session.spec.repo(checkout.repo)
        if repo is not None:
            unit = session.spec.unit(checkout.unit) if checkout.unit else None
            lane = chosen.lanes.get((checkout.unit, checkout.lane))
            reader.read(HookPlace(repo=repo, path=checkout.path, unit=unit, lane=lane))
    return reader.issues
