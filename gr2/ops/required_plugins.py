"""The plugins that the spec requires and that cannot be asked: known before anything is tried."""

from __future__ import annotations

from gr2.model.outcome import Issue
from gr2.session import Session


def required_plugins(session: Session) -> tuple[Issue, ...]:
    """What will block every mutating command because of `requires`: one blocking issue a plugin."""
    spec = session.spec
    if session.plugins is None or not spec.workspace_constraints.requires:
        return ()
    found: tuple[Issue, ...] = session.plugins.unavailable(spec)
    return found
