"""What tests of syncs share: a workspace that was applied, and short names for what they look at."""

from __future__ import annotations

from typing import Any

from gr2.testing import World
from gr2.testing.world import Ran

APP = "repos/app"


def applied(world: World, **spec: Any) -> None:
    """A workspace with everything in place; one repo and no unit unless `spec` says more."""
    world.write_spec(**{"repos": ["app"], "units": [], **spec})
    ran = world.call("apply")
    assert ran.exit_code == 0, ran.stderr


def with_lane(world: World, name: str = "feat", **spec: Any) -> str:
    """The same with a unit and one lane of it; gives the path of its checkout of app."""
    applied(world, **{"units": ["alpha"], **spec})
    ran = world.call("lane", "create", name, "--unit", "alpha")
    assert ran.exit_code == 0, ran.stderr
    return f"agents/alpha/lanes/{name}/repos/app"


def run(world: World, *args: str) -> Ran:
    """`gr2 sync run --json ARGS`."""
    return world.call("sync", "run", "--json", *args)


def head(world: World, path: str = APP) -> str:
    """The commit a checkout (or bare repository) is at."""
    return world.git(path, "rev-parse", "HEAD")


def events(world: World, glob: str = "sync.*") -> list[dict[str, Any]]:
    """The events of a type, oldest first."""
    found = world.call("events", "list", "--json", "--type", glob).json["events"]
    assert isinstance(found, list)
    return found


def types(world: World) -> list[str]:
    """The types of the sync events."""
    return [event["type"] for event in events(world)]


def kinds(operations: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and path of operations, fetches that found nothing left out."""
    return [
        (item["kind"], item["path"])
        for item in operations
        if item["kind"] != "cache.refresh" or item["details"].get("moved")
    ]


def issue(ran: Ran, code: str) -> dict[str, Any]:
    """The only issue with this code."""
    found = [each for each in ran.json["issues"] if each["code"] == code]
    assert len(found) == 1, ran.json["issues"]
    return dict(found[0])
