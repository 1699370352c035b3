"""Events: facts about what happened, one frozen class a type (contract, page 6)."""

from gr2.model.event.base import Context, Event

__all__ = ["Context", "Event"]
