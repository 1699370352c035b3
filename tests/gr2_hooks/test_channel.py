"""The sink `channel`: which events say something, what, to whom, and what became of it."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from gr2_hooks.channel import Channel
from gr2_hooks.channel_commands import deliveries, tail
from gr2_hooks.channel_sink import ChannelSink
from gr2_hooks.messages import TEMPLATES, message_of
from gr2_hooks.settings import ChannelSettings

from gr2.api import PluginContext
from gr2.errors import Gr2Error, Invalid
from gr2.model.event.base import Context, Event
from gr2.model.event.failure import FailureResolved
from gr2.model.event.hook import HookFailed
from gr2.model.event.lane import LaneArchived, LaneCreated, LaneEntered, LaneExited
from gr2.model.event.lease import LeaseForceBroken, LeaseReclaimed
from gr2.model.event.pr import CreatedPr, MergedPr, PrChecksFailed, PrCreated, PrMerged, PrMergeFailed
from gr2.model.event.sync import SyncConflict
from gr2.ops.mutation import open_outbox
from gr2.store.cursors import Cursor, write_cursor
from gr2.store.outbox_read import EventLog
from gr2.testing import EventSinkContract, World

ROW = ["channel", "text", "event_id", "event_type", "actor", "owner_unit", "lane_name", "repos", "to"]


def make(world: World, **settings: Any) -> ChannelSink:
    context = PluginContext(
        name="channel", session=world.session(), load_settings=lambda: ChannelSettings(**settings), configured=True
    )
    return ChannelSink(context)


def write(world: World, *events: Event, unit: str = "alpha") -> list[dict[str, Any]]:
    context = Context(workspace="shop", actor="agent:ada", owner_unit=unit)
    with open_outbox(world.session()) as outbox:
        for event in events:
            outbox.emit(event, context)
    return list(EventLog(world.session().layout))[-len(events) :]


def rows(world: World) -> list[dict[str, Any]]:
    return list(Channel(world.session().layout).rows())


def deliver(world: World, events: Sequence[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    sink = make(world, **settings)
    try:
        assert sink.deliver(events, deadline=10).accepted == len(events)
    finally:
        sink.close()
    return rows(world)


CREATED = LaneCreated(lane_name="feat", lane_type="feature", repos=("app", "api"), branch_map={})
PULL = CreatedPr(repo="app", pr_number=7, url="u", title="t", base="main", head="feat")
HOOK = {"stage": "on_enter", "hook_name": "warm", "repo": "app", "duration_ms": 1, "exit_code": 3, "stderr_tail": ""}
SPEAKING: list[tuple[Event, str]] = [
    (CREATED, "agent:ada created lane alpha/feat (app, api)"),
    (LaneEntered(lane_name="feat", lane_type="feature", repos=("app",)), "agent:ada entered lane alpha/feat"),
    (LaneExited(lane_name="feat", stashed_repos=(), discarded_repos=()), "agent:ada left lane alpha/feat"),
    (
        LeaseForceBroken(
            lane_name="feat", lease_id="l", previous_holder="agent:bob", broken_by="human:eve", reason="stuck"
        ),
        "human:eve broke the lease of agent:bob on lane alpha/feat: stuck",
    ),
    (
        LeaseReclaimed(
            lane_name="feat", lease_id="l", previous_holder="agent:bob", expired_at="12:00", reclaimed_by="agent:ada"
        ),
        "agent:ada took over lane alpha/feat: the lease of agent:bob ran out at 12:00",
    ),
    (PrCreated(pr_group_id="pg_1", repos=(PULL,)), "agent:ada opened app#7 (pg_1)"),
    (
        PrMerged(pr_group_id="pg_1", repos=(MergedPr(repo="app", pr_number=7, merge_sha="0"),)),
        "agent:ada merged app#7 (pg_1)",
    ),
    (
        PrMergeFailed(pr_group_id="pg_1", repo="app", pr_number=7, reason="conflict"),
        "app#7 could not be merged: conflict (pg_1)",
    ),
    (
        PrChecksFailed(pr_group_id="pg_1", repo="app", pr_number=7, failed_checks=("lint", "unit")),
        "checks failed on app#7: lint, unit (pg_1)",
    ),
    (HookFailed(on_failure="block", **HOOK), "hook warm (on_enter) of app failed with exit code 3 and blocks alpha"),
    (
        SyncConflict(reason="rebase_conflict", repo="app", lane_name="feat", conflicting_files=("a.txt",)),
        "sync of alpha/feat app met a conflict: rebase_conflict a.txt",
    ),
    (
        FailureResolved(operation_id="op_1", resolved_by="human:eve", resolution="skip", lane_name="feat"),
        "human:eve resolved the failure op_1: skip",
    ),
]


@pytest.fixture
def shop(world: World) -> World:
    world.write_spec()
    return world


class TestChannel(EventSinkContract):
    exactly_once = True

    def make_sink(self, world: World) -> ChannelSink:
        return make(world)

    def received(self, world: World) -> Sequence[str]:
        return [row["event_id"] for row in rows(world)]

    def passed_on(self, event: dict[str, Any]) -> bool:
        return event["type"] in TEMPLATES


def test_twelve_types_speak() -> None:
    assert {event.TYPE for event, _ in SPEAKING} == set(TEMPLATES)


@pytest.mark.parametrize(("event", "text"), SPEAKING, ids=[event.TYPE for event, _ in SPEAKING])
def test_an_event_becomes_one_line(shop: World, event: Event, text: str) -> None:
    (row,) = deliver(shop, write(shop, event))

    assert row["text"] == text
    assert list(row) == ROW
    assert (row["channel"], row["actor"], row["owner_unit"]) == ("shop", "agent:ada", "alpha")


@pytest.mark.parametrize("on_failure", ["warn", "skip"])
def test_a_hook_that_does_not_block_is_silent(shop: World, on_failure: str) -> None:
    assert deliver(shop, write(shop, HookFailed(on_failure=on_failure, **HOOK))) == []


def test_other_types_are_silent_unless_they_have_a_template(shop: World) -> None:
    events = write(shop, LaneArchived(lane_name="feat", reason="done"))

    assert deliver(shop, events) == []
    (row,) = deliver(shop, events, templates={"lane.archived": "bye {where}: {reason} {nothing}"})
    assert row["text"] == "bye alpha/feat: done"


def test_a_template_can_be_replaced_or_silenced(shop: World) -> None:
    assert deliver(shop, write(shop, CREATED), templates={"lane.created": ""}) == []
    (row,) = deliver(shop, write(shop, CREATED), templates={"lane.created": "new: {lane_name} {actor.__class__}"})
    assert row["text"] == "new: feat {actor.__class__}"


def test_the_channel_can_be_named(shop: World) -> None:
    assert deliver(shop, write(shop, CREATED), channel="ops")[0]["channel"] == "ops"


def test_a_broken_lease_is_told_to_its_holder(shop: World) -> None:
    found = {row["event_type"]: row["to"] for row in deliver(shop, write(shop, *(event for event, _ in SPEAKING)))}

    assert {kind: to for kind, to in found.items() if to is not None} == {"lease.force_broken": "agent:bob"}


def test_a_line_stays_a_line_and_does_no_harm(shop: World) -> None:
    event = PrMergeFailed(pr_group_id="pg", repo="app", pr_number=1, reason="a\nb\x1b[2J\u202e\x85" + "x" * 9000)

    (row,) = deliver(shop, write(shop, event))

    assert row["text"].startswith("app#1 could not be merged: a b\\x1b[2J\\u202e\\x85xxx")
    assert len(row["text"]) == 2000
    assert len(shop.read(".grip/events/channel.jsonl").splitlines()) == 1


def test_what_an_event_says_is_kept_as_it_is(shop: World) -> None:
    event = PrMergeFailed(pr_group_id="", repo="app", pr_number=1, reason="wait () and main()")

    (row,) = deliver(shop, write(shop, event))

    assert row["text"] == "app#1 could not be merged: wait () and main()"


def test_a_text_of_nothing_but_spaces_costs_no_more_than_another(shop: World) -> None:
    # With a pattern that looks at each space again and again this takes minutes, and nothing else runs meanwhile.
    event = PrMergeFailed(pr_group_id="pg", repo="app", pr_number=1, reason="\t" * 300_000 + "x")

    (row,) = deliver(shop, write(shop, event))

    assert len(row["text"]) == 2000


def test_repos_are_named_in_the_row(shop: World) -> None:
    found = deliver(shop, write(shop, CREATED, PrCreated(pr_group_id="pg", repos=(PULL,))))

    assert [row["repos"] for row in found] == [["app", "api"], ["app"]]


def test_a_unit_without_channels_says_nothing(world: World) -> None:
    world.write_spec(units={"alpha": {"constraints": {"channels_enabled": False}}, "beta": {}})
    events = write(world, CREATED) + write(world, CREATED, unit="beta")

    assert [row["owner_unit"] for row in deliver(world, events)] == ["beta"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["lane.created", "pr.created"]),
        ('[channel_bridge]\ninclude = ["pr.*"]', ["pr.created"]),
        ('[channel_bridge]\nexclude = ["pr.*"]', ["lane.created"]),
        ('[channel_bridge]\ninclude = ["*"]\nexclude = ["*.created"]', []),
        ("[channel_bridge]\ninclude = []", []),
    ],
)
def test_the_filter_says_what_is_considered(shop: World, text: str, expected: list[str]) -> None:
    shop.write(".grip/events/channel_filter.toml", text)

    found = deliver(shop, write(shop, CREATED, PrCreated(pr_group_id="pg", repos=(PULL,))))

    assert [row["event_type"] for row in found] == expected


@pytest.mark.parametrize(
    "text",
    [
        "include = [",
        '[channel_bridge]\ninclude = "pr.*"',
        "[channel_bridge]\ninclude = [1]",
        "[channel_bridge]\nonly = []",
        "channel_bridge = 3",
        "other = 1",
        "\udcff",
    ],
)
def test_a_broken_filter_makes_messages_wait(shop: World, text: str) -> None:
    shop.write(".grip/events/channel_filter.toml", text.encode(errors="surrogateescape"))

    with pytest.raises(Invalid, match="invalid_config"):
        make(shop)
    ran = shop.gr2("events", "deliver", "--sink", "channel", "--json")
    assert ran.codes == []  # nothing is pending yet
    write(shop, CREATED)
    ran = shop.gr2("events", "deliver", "--sink", "channel", "--json")
    assert (ran.codes, ran.json["sinks"][0]["pending"]) == (["invalid_config"], 1)


def test_rows_are_private_and_survive_damage(shop: World) -> None:
    deliver(shop, write(shop, CREATED))
    path = shop.path(".grip/events/channel.jsonl")
    with open(path, "ab") as file:
        file.write(b'junk\n[]\n{"torn')

    found = deliver(shop, write(shop, CREATED))

    assert len(found) == 2
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("make_it", [os.mkfifo, lambda path: os.symlink("/dev/null", path), os.mkdir])
def test_a_channel_that_is_no_file_is_refused(shop: World, make_it: Any) -> None:
    events = write(shop, CREATED)
    make_it(shop.path(".grip/events/channel.jsonl"))

    with pytest.raises(Gr2Error, match="channel_unwritable"):
        deliver(shop, events)


def test_a_tail_shows_the_newest_of_one_addressee_or_channel(shop: World) -> None:
    deliver(shop, write(shop, *(event for event, _ in SPEAKING)))

    def kinds(**options: Any) -> list[str]:
        found = tail(shop.session(), **({"limit": 20, "to": None, "channel": None} | options))
        return [row["event_type"] for row in found.messages]

    assert kinds() == [event.TYPE for event, _ in SPEAKING]
    assert kinds(limit=2) == [event.TYPE for event, _ in SPEAKING][-2:]
    assert kinds(to="agent:bob") == ["lease.force_broken"]
    assert kinds(channel="other") == []


def test_what_became_of_a_message_can_be_asked(shop: World) -> None:
    created, silent, later = write(shop, CREATED, LaneArchived(lane_name="feat", reason=""), CREATED)
    deliver(shop, [created, silent])
    layout = shop.session().layout
    write_cursor(layout, Cursor(consumer="channel", last_seq=2, last_event_id=silent["event_id"]))

    def state(event: dict[str, Any]) -> tuple[str, bool]:
        (found,) = deliveries(shop.session(), event=event["event_id"]).deliveries
        return found.state, found.at is not None

    assert state(created) == ("delivered", True)
    assert state(silent) == ("suppressed", False)
    assert state(later) == ("pending", False)
    row = {"sink": "channel", "reason": "no", "attempts": 5, "at": "2026-01-01T00:00:00Z", "event": later}
    shop.write(".grip/events/dead/channel.jsonl", json.dumps(row) + "\n")
    assert state(later) == ("dead", True)
    with pytest.raises(Invalid, match="unknown_event"):
        deliveries(shop.session(), event="0" * 16)


def test_the_commands_are_there(shop: World) -> None:
    event = write(shop, CREATED)[0]
    shop.gr2("events", "deliver", "--sink", "channel")

    ran = shop.gr2("channel", "tail", "--json")
    asked = shop.gr2("channel", "deliveries", "--event", event["event_id"], "--json")

    assert ran.json["schema"] == "gr2.channel.tail/1"
    assert [list(row) for row in ran.json["messages"]] == [ROW]
    assert list(asked.json["deliveries"][0]) == ["event_id", "to", "state", "at"]
    assert "created lane" in shop.gr2("channel", "tail").stdout
    assert "delivered" in shop.gr2("channel", "deliveries", "--event", event["event_id"]).stdout


def test_a_channel_whose_cursor_does_not_fit_the_log_says_so(shop: World) -> None:
    first, last = write(shop, CREATED, CREATED)
    shop.call("events", "deliver", "--sink", "channel")
    shop.write(".grip/events/outbox.jsonl", shop.read(".grip/events/outbox.jsonl").splitlines(keepends=True)[0])

    for args in (("tail",), ("deliveries", "--event", first["event_id"])):
        ran = shop.call("channel", *args, "--json")
        assert (ran.exit_code, ran.json["status"], ran.codes) == (0, "attention", ["cursor_invalid"]), args
        (issue,) = ran.json["issues"]
        assert (issue["blocking"], issue["hint"]) == (False, "gr2 events deliver --sink channel --from start")
    assert len(shop.call("channel", "tail", "--json").json["messages"]) == 2
    assert last["event_id"] in shop.read(".grip/events/channel.jsonl")


@pytest.mark.parametrize(
    ("extra", "subject"),
    [
        ('[plugins.channel]\nslack_url = "foo"\n', "plugins.channel.slack_url"),
        ("[plugins.channel]\nslack_urls = 1\n", "plugins.channel.slack_urls"),
    ],
)
def test_wrong_settings_are_named_by_whoever_needs_them(shop: World, extra: str, subject: str) -> None:
    event = write(shop, CREATED)[0]
    shop.write_spec(extra=extra)

    ran = shop.call("channel", "deliveries", "--event", event["event_id"], "--json")

    assert (ran.exit_code, ran.codes) == (2, ["invalid_config"])
    assert ran.json["issues"][0]["subject"] == subject
    assert shop.call("channel", "tail", "--json").exit_code == 0


class Slack(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlackHandler)
        self.texts: list[str] = []
        self.answers: list[int] = []


class SlackHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: Slack

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.texts.append(body["text"])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url_of(slack: Slack) -> str:
    return f"http://127.0.0.1:{slack.server_address[1]}/services/T/B/secret"


def test_messages_go_to_slack_as_well(shop: World, slack: Slack) -> None:
    event = PrMergeFailed(pr_group_id="pg", repo="app", pr_number=1, reason="<!channel> & co")

    deliver(shop, write(shop, event, LaneArchived(lane_name="x", reason="")), slack_url=url_of(slack))

    assert slack.texts == ["app#1 could not be merged: &lt;!channel&gt; &amp; co (pg)"]
    assert len(rows(shop)) == 1


@pytest.mark.parametrize(
    ("status", "said"), [(500, "unavailable"), (429, "unavailable"), (302, "unavailable"), (404, "rejected")]
)
def test_what_slack_does_not_take_waits_or_is_rejected(shop: World, slack: Slack, status: int, said: str) -> None:
    events = write(shop, CREATED, CREATED, CREATED)
    slack.answers = [200, status]
    sink = make(shop, slack_url=url_of(slack))

    delivery = sink.deliver(events, deadline=10)
    sink.close()

    assert delivery.accepted == 1
    assert getattr(delivery, said) == f"HTTP {status}"
    assert len(rows(shop)) == 1


def test_a_message_without_an_actor_or_lane_is_still_a_row() -> None:
    bare = {"version": 1, "event_id": "0" * 16, "seq": 1, "timestamp": "2026-01-01T00:00:00Z", "type": "pr.merged"}

    found = message_of(bare, channel="c", templates={})

    assert found is not None
    assert (found.text, found.actor, found.to) == ("merged", "", None)
