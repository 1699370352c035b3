"""What tests about hooks share: a workspace whose repo `app` brings hooks along."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from gr2.testing import World

PERSON = "human:ann"
TRUSTED = {"GR2_TRUST_HOOKS": "1"}


def hooked(
    world: World, hooks: str, files: Mapping[str, str] | None = None, *, units: tuple[str, ...] = (), repo: str = "app"
) -> None:
    """The workspace with one repo, which has `hooks` as its hooks file, and `files`."""
    world.commit(repo, {".gr2/hooks.toml": hooks, **(files or {})})
    world.write_spec(repos=(repo,), units=units)


def events(world: World, *types: str, after: int = 0) -> list[dict[str, Any]]:
    """The events in the log whose type begins with one of `types`, from line `after` on."""
    path = world.path(".grip/events/outbox.jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return [event for event in found[after:] if not types or event["type"].startswith(types)]


def told(world: World, after: int = 0) -> list[str]:
    """The types of the hook events, with what tells them apart."""
    shown = []
    for event in events(world, "hook.", after=after):
        extra = event.get("reason") or event.get("exit_code")
        shown.append(f"{event['type']} {event['hook_name']}" + (f" {extra}" if extra is not None else ""))
    return shown


def markers(world: World) -> list[dict[str, Any]]:
    """The failure markers that nobody has resolved."""
    folder = world.path(".grip/state/failures")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [json.loads(world.read(os.path.join(folder, name))) for name in names]
    return [marker for marker in found if marker["resolved"] is None]
