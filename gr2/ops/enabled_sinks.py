"""Which sinks are fed without being named."""

from __future__ import annotations

from gr2.session import Session

ONLY_WHEN_NAMED = "stdout"


def enabled_sinks(session: Session) -> tuple[str, ...]:
    """The sinks that are switched on: in user configuration, or by the plugin that brings them."""
    if session.plugins is None:
        return ()
    brought = [offer.name for offer in session.plugins.offers("sink") if offer.provided.default_on]
    names = dict.fromkeys([*session.settings.event_sinks, *brought])
    return tuple(name for name in names if name != ONLY_WHEN_NAMED)
