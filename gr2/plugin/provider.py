"""What a plugin hands over: names with import paths, so that nothing is imported before it is used."""

from __future__ import annotations

from gr2.model.records import dataclass

# The version of gr2.api. Plugins of this one and of the one before are loaded.
API_VERSION = 1


@dataclass(frozen=True)
class Provider:
    """A named thing a plugin offers.

    name: `[a-z][a-z0-9-]*`, unique in its family. path: `package.module:Object`, imported when the thing is used; for
    what it must be, see the protocol of the family in `gr2.plugin.protocols`.
    help: one line for `--help` and `plugins show`. default_on: event sinks only: fed without being named in the
    user's configuration.
    """

    name: str
    path: str
    help: str = ""
    default_on: bool = False


# Which hookspec collects which family. The family's name is what JSON and `[plugins] prefer` keys use.
FAMILIES = {
    "gr2_platform_adapters": "platform",
    "gr2_dirty_strategies": "strategy",
    "gr2_hook_runtimes": "runtime",
    "gr2_event_sinks": "sink",
    "gr2_commands": "command",
    "gr2_doctor_checks": "doctor",
}
ASKING = ("gr2_check_operation", "gr2_validate_spec")
HOOKS = (*FAMILIES, *ASKING)
ATTRIBUTES = ("gr2_api", "gr2_settings", "gr2_if_required")
FAMILY_LABELS = {
    "platform": "platform",
    "strategy": "dirty strategy",
    "runtime": "hook runtime",
    "sink": "event sink",
    "command": "command",
    "doctor": "doctor check",
}
