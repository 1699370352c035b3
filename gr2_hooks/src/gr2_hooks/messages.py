"""Which events become messages in a channel, and what they say.

Templates are data: `{name}` stands for a field of the event, or for one of the words below; an unknown one for nothing.
{where}: "unit/lane", or what is known of it. {things}: the repos or pull requests it is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gr2.api import visible

TEXT_LIMIT = 2000

TEMPLATES: Mapping[str, str] = {
    "lane.created": "{actor} created lane {where} ({things})",
    "lane.entered": "{actor} entered lane {where}",
    "lane.exited": "{actor} left lane {where}",
    "lease.force_broken": "{broken_by} broke the lease of {previous_holder} on lane {where}: {reason}",
    "lease.reclaimed": "{reclaimed_by} took over lane {where}: the lease of {previous_holder} ran out at {expired_at}",
    "pr.created": "{actor} opened {things} ({pr_group_id})",
    "pr.merged": "{actor} merged {things} ({pr_group_id})",
    "pr.merge_failed": "{things} could not be merged: {reason} ({pr_group_id})",
    "pr.checks_failed": "checks failed on {things}: {failed_checks} ({pr_group_id})",
    "hook.failed": "hook {hook_name} ({stage}) of {repo} failed with exit code {exit_code} and blocks {where}",
    "sync.conflict": "sync of {where} {things} met a conflict: {reason} {conflicting_files}",
    "failure.resolved": "{resolved_by} resolved the failure {operation_id}: {resolution}",
}
_FIELD = re.compile(r"( ?)\{([a-z_]+)\}")
_BRACKETS = re.compile(r" ?\((?: ?\{[a-z_]+\})+ ?\)")


@dataclass(frozen=True, kw_only=True)
class Message:
    """A row of the channel. `to`: the actor it is meant for, None for everybody."""

    channel: str
    text: str
    event_id: str
    event_type: str
    actor: str
    owner_unit: str
    lane_name: str
    repos: tuple[str, ...]
    to: str | None


def message_of(event: Mapping[str, Any], *, channel: str, templates: Mapping[str, str]) -> Message | None:
    """The message that `event` becomes, None for none. templates: replace or add to TEMPLATES; "" silences."""
    kind = event["type"]
    template = templates.get(kind, TEMPLATES.get(kind, ""))
    if not template or (kind == "hook.failed" and event.get("on_failure") != "block"):
        return None
    to = event.get("previous_holder") if kind == "lease.force_broken" else None
    return Message(
        channel=channel,
        text=text_of(event, template),
        event_id=event["event_id"],
        event_type=kind,
        actor=_text(event.get("actor")),
        owner_unit=_text(event.get("owner_unit")),
        lane_name=_text(event.get("lane_name")),
        repos=tuple(_repos(event)),
        to=to if isinstance(to, str) and to else None,
    )


def text_of(event: Mapping[str, Any], template: str) -> str:
    """`template` with the event's values, as one line that is harmless anywhere. Where there is nothing to say, the
    space or the brackets for it go, too; what an event says is looked at by no pattern."""
    words = {"where": _where(event), "things": ", ".join(_things(event))}

    def value(name: str) -> str:
        return words[name] if name in words else _text(event.get(name))

    def bracketed(match: re.Match[str]) -> str:
        return match.group() if any(value(name) for _, name in _FIELD.findall(match.group())) else ""

    def spaced(match: re.Match[str]) -> str:
        said = value(match.group(2))
        return match.group(1) + said if said else ""

    text = _FIELD.sub(spaced, _BRACKETS.sub(bracketed, template)).strip()
    shown = visible(text.replace("\n", " "))
    return shown if len(shown) <= TEXT_LIMIT else shown[: TEXT_LIMIT - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return "" if value is None or isinstance(value, dict) else str(value)


def _where(event: Mapping[str, Any]) -> str:
    parts = (_text(event.get("owner_unit")), _text(event.get("lane_name")))
    return "/".join(part for part in parts if part) or "the workspace"


def _things(event: Mapping[str, Any]) -> list[str]:
    listed = event.get("repos")
    items = listed if isinstance(listed, list) else [event]
    return [found for found in map(_thing, items) if found]


def _thing(item: Any) -> str:
    if not isinstance(item, Mapping):
        return _text(item)
    number = item.get("pr_number")
    return _text(item.get("repo")) + (f"#{number}" if isinstance(number, int) else "")


def _repos(event: Mapping[str, Any]) -> list[str]:
    listed = event.get("repos")
    items = listed if isinstance(listed, list) else [event]
    names = (item.get("repo") if isinstance(item, Mapping) else item for item in items)
    return [name for name in names if isinstance(name, str) and name]
