"""What plugins are told when they are asked or made. Each is one frozen object that can gain fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from gr2.model.records import dataclass
from gr2.model.spec import Spec


@dataclass(frozen=True, kw_only=True)
class OperationContext:
    """A mutating operation that is about to begin.

    operation: `lane.create`, `sync.run`, … root: the workspace's absolute path. agent_id: what its events carry, the
    unit's own unless `GR2_AGENT_ID` says another; claimed_agent_id: what that variable says, "" when nothing. unit,
    lane, lane_type: "" outside lanes. repos: the names it is about, in declared order. options: its further options,
    by name. settings: the asked plugin's own, validated by its model; None when it has no model.
    """

    operation: str
    root: str
    spec: Spec
    actor: str
    agent_id: str | None = None
    claimed_agent_id: str = ""
    unit: str = ""
    lane: str = ""
    lane_type: str = ""
    repos: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Any = None


@dataclass(frozen=True, kw_only=True)
class SpecContext:
    """A spec that passed gr2's own validation. root: the workspace's absolute path. settings: the asked plugin's."""

    spec: Spec
    root: str
    settings: Any = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """Why an operation may not happen: a code `[a-z][a-z0-9_]*`, one lower-case sentence, what to type next."""

    code: str
    reason: str
    hint: str = ""
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def _no_settings() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class PluginContext:
    """What a thing is made with: `load()(ctx)`.

    session: the `gr2.api.Session` of this run. configured: whether anybody set anything in the plugin's table.
    load_settings: gives the settings; `settings` calls it.
    """

    name: str
    session: Any
    load_settings: Callable[[], Any] = _no_settings
    configured: bool = False

    @property
    def settings(self) -> Any:
        """An instance of the plugin's own settings model, validated when first asked for; None when it has no model.

        Raises Invalid `invalid_config`.
        """
        kept = self.__dict__
        if "_settings" not in kept:
            kept["_settings"] = self.load_settings()
        return kept["_settings"]
