"""The hookspecs: every door a plugin can come in by. The page for people is docs/hookspecs.md.

The collecting ones are pure: no file, network, environment or clock; gr2 calls them once, in a process of their own,
and remembers the answer until the installation changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gr2.model.outcome import Issue
from gr2.plugin.contexts import Block, OperationContext, SpecContext
from gr2.plugin.provider import Provider

hookspec = pluggy.HookspecMarker("gr2")


class Hookspecs:
    """All hookspecs of API version 1."""

    @hookspec
    def gr2_platform_adapters(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """Code hosts: paths to `PlatformAdapter` classes."""

    @hookspec
    def gr2_dirty_strategies(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """What `--dirty NAME` can be: paths to `DirtyStrategy` classes."""

    @hookspec
    def gr2_hook_runtimes(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """What `runtime = "NAME"` in hooks.toml can be: paths to `HookRuntime` classes."""

    @hookspec
    def gr2_event_sinks(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """Receivers of events: paths to `EventSink` classes."""

    @hookspec
    def gr2_commands(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """Top-level words of the command line: paths to `PluginCommand` or `PluginGroup` values."""

    @hookspec
    def gr2_doctor_checks(self) -> Iterable[Provider]:  # type: ignore[empty-body]
        """What `gr2 doctor` also asks: paths to `DoctorCheck` classes."""

    @hookspec
    def gr2_validate_spec(self, ctx: SpecContext) -> Iterable[Issue]:  # type: ignore[empty-body]
        """What is wrong with the spec, from this plugin's view."""

    @hookspec
    def gr2_check_operation(self, ctx: OperationContext) -> Block | None:
        """Why this mutating operation may not happen, or None."""
