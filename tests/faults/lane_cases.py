"""Lanes and leases struck by disasters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gr2.store.saved import all_saved
from gr2.testing import World
from tests.faults import oracle
from tests.faults.cases import Case

FEAT = "agents/alpha/lanes/feat/repos"
OTHER = {"GR2_ACTOR": "agent:other"}
_LEASES = (".grip/state/leases",)


def _must(world: World, *args: str, env: dict[str, str | None] | None = None) -> None:
    ran = world.call(*args, env=env)
    assert ran.exit_code == 0, f"{args}: {ran.stdout}\n{ran.stderr}"


def _lanes(world: World) -> None:
    world.write_spec(units=("alpha",))
    for name in ("feat", "fix"):
        _must(world, "lane", "create", name)


def _dirty(world: World, content: str = "changed", repos: Sequence[str] = ("app", "api")) -> None:
    for repo in repos:
        world.write(f"{FEAT}/{repo}/run.sh", f"{content}\n")
        world.write(f"{FEAT}/{repo}/new file.txt", f"{content} untracked\n")
        world.write(f"{FEAT}/{repo}/staged.txt", f"{content} staged\n")
        world.git(f"{FEAT}/{repo}", "add", "staged.txt")


def _in_feat(world: World) -> None:
    _lanes(world)
    _must(world, "lane", "enter", "feat")


def _dirty_in_feat(world: World) -> None:
    _in_feat(world)
    _dirty(world)


def _app_dirty_in_feat(world: World) -> None:
    _in_feat(world)
    _dirty(world, repos=("app",))


def _waiting_in_feat(world: World) -> None:
    _in_feat(world)
    for content in ("older", "newer"):
        _dirty(world, content)
        _must(world, "lane", "exit")
        _must(world, "lane", "enter", "feat")
    _must(world, "lane", "exit")


def _events(world: World, *types: str) -> list[dict[str, object]]:
    return [event for event in oracle.assert_log_is_dense(world) if event["type"] in types]


def _current(world: World) -> object:
    return world.call("lane", "current", "--json").json["lane_name"]


def _left(kind: str, *dirty: str, to: str | None = None) -> Callable[[World], None]:
    """The lane was left once, with the work of `dirty` where it belongs, and what was entered next is current."""

    def check(world: World) -> None:
        exited = _events(world, "lane.exited")
        names = [sorted(event[f"{kind}_repos"]) for event in exited]  # type: ignore[call-overload]
        assert names == [[*dirty]], exited
        assert _current(world) == to
        assert [(saved.kind, saved.state) for saved in all_saved(world.session().layout)[0]] == [
            ({"stashed": "stash", "discarded": "discard"}[kind], "kept")
        ] * len(dirty)
        for repo in dirty:
            assert world.git(f"{FEAT}/{repo}", "status", "--porcelain") == ""
            assert len(world.git(f"{FEAT}/{repo}", "stash", "list").splitlines()) == (kind == "stashed")
        if to is not None:
            entered = [event["lane_name"] for event in _events(world, "lane.entered")]
            assert entered == ["feat", to]
            [switched] = _events(world, "lane.switched")
            assert (switched["from_lane"], switched["to_lane"]) == ("feat", to)
            assert sorted(switched["stashed_repos"]) == [*dirty]  # type: ignore[call-overload]

    return check


def _entered_once(world: World) -> None:
    assert len(_events(world, "lane.entered")) == 1
    assert _current(world) == "feat"


def _newest_is_back(world: World) -> None:
    assert _current(world) == "feat"
    assert len(_events(world, "lane.entered")) == 4
    for repo in ("app", "api"):
        assert world.read(f"{FEAT}/{repo}/run.sh") == "newer\n"
        assert world.git(f"{FEAT}/{repo}", "status", "--porcelain").splitlines() == [
            " M run.sh",
            "A  staged.txt",
            '?? "new file.txt"',
        ]
        assert len(world.git(f"{FEAT}/{repo}", "stash", "list").splitlines()) == 1


def _archived(world: World) -> None:
    assert len(_events(world, "lane.archived")) == 1
    [exited] = _events(world, "lane.exited")
    assert exited["lane_name"] == "feat"
    [saved] = all_saved(world.session().layout)[0]
    assert saved.state == "kept"
    assert not Path(world.path("agents/alpha/lanes/feat")).exists()
    assert len(list(Path(world.path(".grip/trash")).rglob("staged.txt"))) == 2
    assert len(_events(world, "lease.released")) == 1
    _must(world, "lane", "create", "feat")
    taken = world.call("lane", "lease", "acquire", "feat", "--json").json["lease"]
    assert taken["token"] == 2


def _dirty_and_leased(world: World) -> None:
    _dirty_in_feat(world)
    _must(world, "lane", "lease", "acquire", "feat")


def _dropped(world: World) -> None:
    [lane] = [lane for lane in world.call("lane", "list", "--json").json["lanes"] if lane["lane_name"] == "feat"]
    assert [row["repo"] for row in lane["repos"]] == ["app"]
    assert len(list(Path(world.path(".grip/trash")).rglob("staged.txt"))) == 1


def _leased_by_another(ttl: int) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        _lanes(world)
        _must(world, "lane", "lease", "acquire", "feat", "--ttl", str(ttl), env=dict(OTHER))
        if ttl == 1:
            time.sleep(1.1)

    return arrange


def _leased(world: World) -> None:
    _lanes(world)
    _must(world, "lane", "lease", "acquire", "feat")


def _told(*types: str, again: Sequence[str] = ()) -> Callable[[World], None]:
    """The log of leases is exactly `types`, or, when the struck run had done it, `types` and `again`."""

    def check(world: World) -> None:
        found = [str(event["type"]) for event in oracle.assert_log_is_dense(world)]
        leases = [name for name in found if name.startswith("lease.")]
        assert leases in [[*types], [*types, *again]], leases
        assert not list(Path(world.path(".grip/state/leases/.unsettled")).iterdir())

    return check


LANE_CASES = [
    Case(name="lane-enter", arrange=_lanes, command=["gr2", "lane", "enter", "feat"], check=_entered_once),
    Case(
        name="lane-exit", arrange=_dirty_in_feat, command=["gr2", "lane", "exit"], check=_left("stashed", "api", "app")
    ),
    Case(
        name="lane-exit-discard",
        arrange=_app_dirty_in_feat,
        command=["gr2", "lane", "exit", "--dirty", "discard", "--yes"],
        check=_left("discarded", "app"),
    ),
    Case(name="lane-exit-block", arrange=_in_feat, command=["gr2", "lane", "exit", "--dirty", "block"]),
    Case(
        name="lane-switch",
        arrange=_app_dirty_in_feat,
        command=["gr2", "lane", "enter", "fix"],
        check=_left("stashed", "app", to="fix"),
    ),
    Case(
        name="lane-enter-restore",
        arrange=_waiting_in_feat,
        command=["gr2", "lane", "enter", "feat", "--restore"],
        check=_newest_is_back,
    ),
    Case(
        name="lane-archive",
        arrange=_dirty_and_leased,
        command=["gr2", "lane", "archive", "feat", "--force"],
        check=_archived,
        ignore=_LEASES,
    ),
    Case(
        name="lane-drop",
        arrange=_dirty_in_feat,
        command=["gr2", "lane", "drop", "api", "--lane", "feat", "--force"],
        check=_dropped,
    ),
    Case(
        name="lane-freeze",
        arrange=_lanes,
        command=["gr2", "lane", "freeze", "feat", "--reason", "released"],
        check=lambda world: None if len(_events(world, "lane.frozen")) == 1 else _must(world, "not told once"),
    ),
    Case(
        name="lease-acquire",
        arrange=_leased_by_another(1),
        command=["gr2", "lane", "lease", "acquire", "feat"],
        check=_told("lease.acquired", "lease.expired", "lease.reclaimed", "lease.acquired", again=["lease.renewed"]),
        ignore=_LEASES,
    ),
    Case(
        name="lease-acquire-force",
        arrange=_leased_by_another(3600),
        command=["gr2", "lane", "lease", "acquire", "feat", "--force", "--reason", "urgent"],
        check=_told("lease.acquired", "lease.force_broken", "lease.acquired", again=["lease.renewed"]),
        ignore=_LEASES,
    ),
    Case(
        name="lease-renew",
        arrange=_leased,
        command=["gr2", "lane", "lease", "renew", "feat"],
        check=_told("lease.acquired", "lease.renewed", again=["lease.renewed"]),
        ignore=_LEASES,
    ),
    Case(
        name="lease-release",
        arrange=_leased,
        command=["gr2", "lane", "lease", "release", "feat"],
        check=_told("lease.acquired", "lease.released"),
        ignore=_LEASES,
    ),
]
