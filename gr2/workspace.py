"""A workspace as a caller stands in it: its directory, its spec, and what the caller named.

All that it takes to say which unit or lane is meant; a `Session` is one that can also act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from gr2.model.records import dataclass
from gr2.store.layout import Layout

if TYPE_CHECKING:
    from gr2.model.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the caller named outright: options and environment, before any rule picks a default.

    `cwd` is absolute. Empty strings mean "not named".
    """

    cwd: str
    workspace: str = ""
    unit: str = ""
    lane: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """`root` is the absolute path of the workspace."""

    root: str
    asked: Asked

    @property
    def layout(self) -> Layout:
        """Where everything in this workspace is."""
        return Layout(self.root)

    @property
    def spec(self) -> Spec:
        """The workspace's spec, read once. Raises Invalid `missing_spec` or `invalid_spec`."""
        found: Spec | None = self.__dict__.get("_spec")
        if found is None:
            from gr2.store.spec_file import load_spec

            found = load_spec(self.layout)
            self.__dict__["_spec"] = found
        return found

    def agent_id(self, unit: str = "") -> str | None:
        """The opaque id to echo in events: `GR2_AGENT_ID`, else that of `unit` in the spec."""
        named = self.asked.environ.get("GR2_AGENT_ID")
        if named:
            return named
        found = self.spec.unit(unit) if unit else None
        return found.agent_id if found else None
