"""The sink `recall` and its queries: everything once, found again, rebuilt from the log at any time."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gr2_hooks.recall_commands import rebuild, search, timeline
from gr2_hooks.recall_sink import RecallSink
from gr2_hooks.recall_store import Recall, Wanted

from gr2.api import PluginContext
from gr2.edges.locks import FileLock
from gr2.errors import Failed, Invalid
from gr2.model.event.base import Context, Event
from gr2.model.event.lane import LaneArchived, LaneCreated, LaneSwitched
from gr2.model.event.sync import SyncCacheSeeded, SyncRepoUpdated
from gr2.ops.mutation import mutation, open_outbox
from gr2.store.cursors import read_cursor
from gr2.store.outbox_read import EventLog
from gr2.testing import EventSinkContract, World
from gr2_hooks import recall_commands


def write(world: World, *events: Event, unit: str = "alpha", actor: str = "agent:ada") -> list[dict[str, Any]]:
    with open_outbox(world.session()) as outbox:
        for event in events:
            outbox.emit(event, Context(workspace="shop", actor=actor, owner_unit=unit))
    return list(EventLog(world.session().layout))[-len(events) :]


def make(world: World) -> RecallSink:
    return RecallSink(PluginContext(name="recall", session=world.session()))


def index(world: World) -> None:
    sink = make(world)
    assert sink.deliver(list(EventLog(world.session().layout)), deadline=10).accepted
    sink.close()


def found(world: World, **wanted: Any) -> list[int]:
    with Recall(world.session().layout) as recall:
        return [event["seq"] for event in recall.find(Wanted(**wanted), limit=1000)]


def run_rebuild(world: World) -> recall_commands.RecallRebuildResult:
    session = world.session()
    with mutation(session, "recall.rebuild") as change:
        return rebuild(change.session, change)


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec()
    return world


@pytest.fixture
def busy(shop: World) -> World:
    created = LaneCreated(lane_name="feat/login", lane_type="feature", repos=("app", "api"), branch_map={})
    write(shop, created)
    shop.clock.advance(3600)
    write(shop, SyncCacheSeeded(repo="app", duration_ms=3), unit="", actor="human:eve")
    shop.clock.advance(3600)
    write(shop, LaneSwitched(from_lane="feat/login", to_lane="fix", stashed_repos=(), discarded_repos=()))
    write(shop, LaneArchived(lane_name="fix", reason="Superseded by JIRA-42, größer"), unit="beta")
    index(shop)
    return shop


class TestRecall(EventSinkContract):
    exactly_once = True

    def make_sink(self, world: World) -> RecallSink:
        return make(world)

    def received(self, world: World) -> Sequence[str]:
        with Recall(world.session().layout) as recall:
            return [event["event_id"] for event in recall.all()]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"actor": "human:eve"}, [2]),
        ({"lane": "feat/login"}, [1, 3]),
        ({"lane": "fix"}, [3, 4]),
        ({"lane": "fix", "unit": "beta"}, [4]),
        ({"repo": "app"}, [1, 2]),
        ({"repo": "app", "actor": "agent:ada"}, [1]),
        ({"repo": "nothing"}, []),
        ({"words": ("superseded",)}, [4]),
        ({"words": ("jira-42", "GRÖSSER".replace("SS", "ß"))}, [4]),
        ({"words": ("jira", "feat")}, []),
        ({"words": ("login",)}, [1, 3]),
        ({"words": ("lane.created",)}, [1]),
        ({"words": ("42,",)}, [4]),
        ({"words": ('"', "superseded")}, []),
        ({"words": ("OR",)}, []),
        ({"words": ("app",), "repo": "app"}, [1, 2]),
    ],
)
def test_a_query_finds_what_is_wanted(busy: World, wanted: dict[str, Any], expected: list[int]) -> None:
    assert found(busy, **wanted) == expected


def test_the_newest_are_kept_by_a_limit(busy: World) -> None:
    with Recall(busy.session().layout) as recall:
        assert [event["seq"] for event in recall.find(Wanted(), limit=2)] == [3, 4]


def test_a_timeline_is_cut_at_both_ends(busy: World) -> None:
    def seqs(**options: Any) -> list[int]:
        none = dict.fromkeys(("since", "until", "actor", "lane", "repo", "html", "limit"))
        return [event["seq"] for event in timeline(busy.session(), **(none | options)).events]

    assert seqs() == [1, 2, 3, 4]
    assert seqs(since="90m") == [2, 3, 4]
    assert seqs(until="2026-01-02T03:30:00Z") == [1]
    assert seqs(since="2026-01-02T04:00:00Z", until="2026-01-02T04:30:00Z") == [2]
    assert seqs(lane="beta/fix") == [4]
    assert seqs(limit=1) == [4]
    for wrong in ({"since": "soon"}, {"until": "999999w"}, {"limit": 0}):
        with pytest.raises(Invalid, match="usage"):
            seqs(**wrong)


def test_words_may_come_in_one_argument(busy: World) -> None:
    result = search(busy.session(), words=("superseded  by",), limit=5)

    assert [event["seq"] for event in result.events] == [4]


def test_events_come_back_exactly(busy: World) -> None:
    with Recall(busy.session().layout) as recall:
        assert list(recall.all()) == list(EventLog(busy.session().layout))


def test_a_unit_without_recall_is_left_out_and_removed_by_a_rebuild(busy: World) -> None:
    busy.write_spec(units={"alpha": {"constraints": {"recall_enabled": False}}, "beta": {}})
    write(busy, SyncCacheSeeded(repo="app", duration_ms=1), unit="alpha")
    index(busy)

    assert found(busy) == [1, 2, 3, 4]
    run_rebuild(busy)
    assert found(busy) == [2, 4]


def test_a_rebuild_makes_the_same_index(busy: World) -> None:
    os.unlink(busy.path(".grip/events/recall.sqlite"))

    result = run_rebuild(busy)

    assert (result.indexed, result.kept) == (4, 0)
    assert found(busy) == [1, 2, 3, 4]
    assert found(busy, words=("superseded",)) == [4]


def test_a_rebuild_keeps_what_the_log_has_lost(busy: World) -> None:
    os.unlink(busy.path(".grip/events/outbox.jsonl"))
    write(busy, SyncCacheSeeded(repo="new", duration_ms=1))

    result = run_rebuild(busy)

    assert (result.indexed, result.kept) == (1, 4)
    assert found(busy) == [1, 2, 3, 4, 1]
    assert run_rebuild(busy).kept == 4


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\0" * 500])
def test_a_broken_index_is_said_and_rebuilt(busy: World, content: bytes) -> None:
    for name in os.listdir(busy.path(".grip/events")):
        if name.startswith("recall.sqlite"):
            os.unlink(busy.path(f".grip/events/{name}"))
    busy.write(".grip/events/recall.sqlite", content)

    if content:
        with pytest.raises(Failed, match="recall_unreadable"):
            found(busy)
    result = run_rebuild(busy)

    assert found(busy) == [1, 2, 3, 4]
    assert bool(result.old_index) == bool(content)
    if content:
        assert busy.read(result.old_index).encode() == content


def test_a_rebuild_takes_over_what_a_damaged_index_still_tells_and_keeps_the_rest(shop: World) -> None:
    write(shop, *(LaneArchived(lane_name=f"lane-{number}", reason="x" * 900) for number in range(200)))
    index(shop)
    os.unlink(shop.path(".grip/events/outbox.jsonl"))
    with Recall(shop.session().layout):
        pass
    path = shop.path(".grip/events/recall.sqlite")
    with open(path, "r+b") as file:
        file.seek(file.read().index(b"lane-150") // 4096 * 4096)
        file.write(b"\xff" * 4096)

    result = run_rebuild(shop)

    assert 0 < result.kept < 200
    assert found(shop) == list(range(1, result.kept + 1))
    assert (result.status, [issue.code for issue in result.issues]) == ("attention", ["recall_unreadable"])
    assert shop.path(result.old_index) != path
    with open(shop.path(result.old_index), "rb") as file:
        assert b"lane-199" in file.read()


@pytest.mark.parametrize("lose", [os.unlink, lambda path: os.truncate(path, 0)], ids=["deleted", "emptied"])
def test_an_index_that_was_lost_is_said_and_rebuilt(shop: World, lose: Any) -> None:
    write(shop, SyncCacheSeeded(repo="app", duration_ms=1))
    shop.call("recall", "timeline")
    lose(shop.path(".grip/events/recall.sqlite"))

    ran = shop.call("recall", "timeline", "--json")
    write(shop, SyncCacheSeeded(repo="app", duration_ms=2))
    again = shop.call("recall", "timeline", "--json")

    for found in (ran, again):
        assert (found.exit_code, found.codes[-1]) == (1, "recall_unreadable")
        assert found.json["issues"][-1]["message"].endswith("it is empty, and the events up to 1 will not come again")
        assert found.json["issues"][-1]["hint"] == "gr2 recall rebuild"
    assert shop.call("recall", "rebuild").exit_code == 0
    said = shop.call("recall", "timeline", "--json")
    assert (said.codes, [event["seq"] for event in said.json["events"]]) == ([], [1, 2])


def test_an_index_of_a_newer_version_is_not_touched(busy: World) -> None:
    path = busy.path(".grip/events/recall.sqlite")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(Failed, match="recall_unreadable"):
        found(busy)

    with sqlite3.connect(busy.path(run_rebuild(busy).old_index)) as kept:
        assert kept.execute("SELECT count(*) FROM events").fetchone() == (4,)
    kept.close()


@pytest.mark.parametrize("make_it", [lambda path: os.symlink("/dev/null", path), os.mkdir, os.mkfifo])
def test_an_index_that_is_no_file_is_refused(shop: World, make_it: Any) -> None:
    write(shop, SyncCacheSeeded(repo="app", duration_ms=1))
    make_it(shop.path(".grip/events/recall.sqlite"))

    with pytest.raises(Failed, match="recall_unreadable"):
        make(shop)
    run_rebuild(shop)
    assert found(shop) == [1]


def test_the_index_is_private(busy: World) -> None:
    for name in os.listdir(busy.path(".grip/events")):
        if name.startswith("recall"):
            assert stat.S_IMODE(os.stat(busy.path(f".grip/events/{name}")).st_mode) == 0o600


def test_queries_use_an_index(busy: World) -> None:
    from gr2_hooks.recall_store import _query

    with sqlite3.connect(busy.path(".grip/events/recall.sqlite")) as db:
        for wanted in (
            {"actor": "a"},
            {"lane": "a"},
            {"repo": "a"},
            {"since": 1},
            {"words": ("a",)},
            {},
            {"actor": "a", "until": 1},
        ):
            sql, values = _query(Wanted(**wanted))
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert not any(step.startswith("SCAN e") and "INDEX events_at" not in step for step in plan), plan
            assert not any("TEMP B-TREE" in step for step in plan), plan
    db.close()


def test_the_commands_show_a_table_and_json(busy: World) -> None:
    for args in (
        ("lane", "feat/login"),
        ("actor", "agent:ada"),
        ("repo", "app"),
        ("search", "login"),
        ("timeline", "--lane", "fix"),
    ):
        ran = busy.gr2("recall", *args, "--json")
        assert (ran.exit_code, ran.json["schema"]) == (0, f"gr2.recall.{args[0]}/1")
        assert len(ran.json["events"]) >= 2, args
    assert "lane.switched" in busy.gr2("recall", "lane", "fix").stdout


def test_a_query_indexes_first_what_the_log_has(shop: World) -> None:
    write(shop, LaneCreated(lane_name="feat", lane_type="feature", repos=("app",), branch_map={}))

    for args in (("lane", "feat"), ("actor", "agent:ada"), ("repo", "app"), ("search", "feat"), ("timeline",)):
        ran = shop.call("recall", *args, "--json")
        assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "ok", []), args
        assert [event["seq"] for event in ran.json["events"]] == [1], args
    write(shop, SyncCacheSeeded(repo="app", duration_ms=1))
    assert [event["seq"] for event in shop.call("recall", "repo", "app", "--json").json["events"]] == [1, 2]
    assert read_cursor(shop.session().layout, "recall").last_seq == 2


def test_a_query_answers_from_what_is_there_while_another_process_indexes(shop: World) -> None:
    write(shop, SyncCacheSeeded(repo="app", duration_ms=1))
    shop.call("recall", "repo", "app")
    write(shop, SyncCacheSeeded(repo="app", duration_ms=2))

    with FileLock(shop.session().layout.lock("sink.recall")):
        ran = shop.call("recall", "repo", "app", "--json")
        shown = shop.call("recall", "repo", "app")

    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["sink_busy"])
    assert [event["seq"] for event in ran.json["events"]] == [1]
    assert not ran.json["issues"][0]["blocking"]
    assert "sync.cache_seeded" in shown.stdout
    assert "sink_busy" in shown.stderr


def test_a_query_answers_from_what_is_there_and_says_that_the_cursor_does_not_fit(shop: World) -> None:
    write(shop, *(SyncCacheSeeded(repo="app", duration_ms=number) for number in range(3)))
    shop.call("recall", "repo", "app")
    shop.write(".grip/events/outbox.jsonl", shop.read(".grip/events/outbox.jsonl").splitlines(keepends=True)[0])

    ran = shop.call("recall", "repo", "app", "--json")

    assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["cursor_invalid"])
    assert [event["seq"] for event in ran.json["events"]] == [1, 2, 3]
    (issue,) = ran.json["issues"]
    assert (issue["blocking"], issue["hint"]) == (False, "gr2 events deliver --sink recall --from start")
    assert shop.call(*issue["hint"].split()[1:]).exit_code == 0
    assert shop.call("recall", "repo", "app", "--json").codes == []


@pytest.mark.parametrize(
    "args",
    [
        ("lane", "\udcff"),
        ("actor", "\udcff"),
        ("repo", "\udcff"),
        ("search", "\udcff"),
        ("timeline", "--actor", "\udcff"),
        ("timeline", "--lane", "alpha/\udcff"),
    ],
)
def test_what_is_no_text_is_nowhere(busy: World, args: tuple[str, ...]) -> None:
    ran = busy.gr2("recall", *args, "--json")

    assert (ran.exit_code, ran.json["events"]) == (0, [])


def test_an_event_with_a_name_that_is_no_text_is_indexed_and_found_by_the_rest(shop: World) -> None:
    write(shop, LaneArchived(lane_name="\ud800", reason="x"), unit="\udcff", actor="\ud800")

    ran = shop.call("recall", "search", "lane.archived", "--json")

    assert (ran.json["status"], [event["lane_name"] for event in ran.json["events"]]) == ("ok", ["\ud800"])


def test_two_queries_at_once_index_every_event_once(shop: World) -> None:
    write(shop, *(SyncCacheSeeded(repo="app", duration_ms=number) for number in range(2000)))

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: shop.gr2("recall", "repo", "app", "--limit", "5000", "--json"), range(2)))

    assert [len(ran.json["events"]) for ran in both] == [2000, 2000]


def test_rebuild_is_a_mutating_command(busy: World) -> None:
    ran = busy.gr2("recall", "rebuild", "--json")

    assert (ran.json["indexed"], ran.json["status"]) == (4, "success")
    assert ran.json["operation_id"].startswith("op_")


def test_updates_of_many_repos_are_found_by_each(shop: World) -> None:
    updates = [
        SyncRepoUpdated(
            repo=f"repo-{number}",
            scope="shared",
            lane_name="",
            branch="main",
            old_sha="0" * 40,
            new_sha=f"{number:040x}",
            strategy="ff-only",
            commits_pulled=1,
        )
        for number in range(700)
    ]
    write(shop, *updates)
    index(shop)
    index(shop)

    assert found(shop, repo="repo-333") == [334]
    assert len(found(shop)) == 700


def test_what_the_limit_leaves_out_is_said(world: World) -> None:
    world.write_spec(repos=("app",), units=("alpha",))
    for name in ("one", "two", "three"):
        assert world.call("lane", "create", name).exit_code == 0

    few, all_ = (world.call("recall", "timeline", "--limit", limit, "--json").json for limit in ("2", "1000"))

    assert (len(few["events"]), few["more"], few["events"]) == (2, True, all_["events"][-2:])
    assert all_["more"] is False
    assert world.call("recall", "timeline", "--limit", "2").stdout.endswith("older ones; --limit 4 shows more.\n")
