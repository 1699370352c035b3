"""`gr2 events` and `gr2 failures` on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.ops.mutation import open_outbox
from gr2.store.failures import Marker, write_marker
from gr2.testing.world import World


def emit(world: World, *names: str, reason: str = "") -> None:
    with open_outbox(world.session()) as outbox:
        for name in names:
            event = LaneArchived(lane_name=name, reason=reason)
            outbox.emit(event, Context(workspace="shop", actor="agent:ada", owner_unit="alpha"))


@pytest.fixture
def busy(world: World) -> World:
    world.write_spec()
    emit(world, "one", "two", "three")
    return world


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_list_is_one_document(busy: World) -> None:
    ran = busy.call("events", "list", "--json")

    assert ran.exit_code == 0
    assert list(ran.json) == ["schema", "status", "events", "skipped", "unknown", "issues"]
    assert (ran.json["schema"], ran.json["status"]) == ("gr2.events.list/1", "ok")
    assert [event["lane_name"] for event in ran.json["events"]] == ["one", "two", "three"]
    assert (ran.json["skipped"], ran.json["unknown"]) == ({"junk": 0}, 0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--since", "1"], ["two", "three"]),
        (["--type", "lane.*", "--lane", "two"], ["two"]),
        (["--actor", "agent:bob"], []),
        (["--after", "2000-01-01"], ["one", "two", "three"]),
        (["--before", "2000-01-01T00:00:00Z"], []),
        (["--repo", "app"], []),
        (["--operation", "op_000000000000"], []),
        (["--limit", "2"], ["two", "three"]),
    ],
)
def test_a_list_takes_its_filters_from_options(busy: World, options: list[str], expected: list[str]) -> None:
    ran = busy.call("events", "list", "--json", *options)

    assert [event["lane_name"] for event in ran.json["events"]] == expected


@pytest.mark.parametrize(
    "options", [["--after", "soon"], ["--since", "-1"], ["--limit", "0"], ["--since", "x"], ["--before", ""]]
)
def test_an_option_that_makes_no_sense_is_invalid(busy: World, options: list[str]) -> None:
    ran = busy.call("events", "list", "--json", *options)

    assert (ran.exit_code, ran.json["status"]) == (2, "invalid")


def test_the_actor_before_the_command_is_no_filter(busy: World) -> None:
    ran = busy.call("--actor", "agent:bob", "events", "list", "--json")

    assert len(ran.json["events"]) == 3


def test_people_see_one_line_an_event_with_nothing_that_moves_the_cursor(busy: World) -> None:
    emit(busy, "evil", reason="\x1b[2Jred\u202e")

    ran = busy.call("events", "list")

    assert len(ran.stdout.splitlines()) == 4
    assert "lane.archived" in ran.stdout
    assert "alpha/one" in ran.stdout
    assert "\\x1b[2Jred\\u202e" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_tail_prints_json_lines(busy: World) -> None:
    ran = busy.call("events", "tail", "--json", "-n", "2")

    assert ran.exit_code == 0
    assert [event["seq"] for event in json_lines(ran.stdout)] == [2, 3]


def test_a_tail_prints_lines_for_people(busy: World) -> None:
    ran = busy.call("events", "tail")

    assert len(ran.stdout.splitlines()) == 3


def test_a_tail_outside_a_workspace_is_one_document(world: World) -> None:
    ran = world.call("events", "tail", "--json")

    assert (ran.exit_code, ran.codes) == (2, ["missing_spec"])


def test_a_followed_tail_goes_on_until_it_is_interrupted(busy: World) -> None:
    argv = [sys.executable, "-m", "gr2", "events", "tail", "--follow", "--json", "--since", "2"]
    with subprocess.Popen(argv, cwd=busy.root, env=busy.env, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        seen = [json.loads(tail.stdout.readline())["seq"]]
        emit(busy, "four")
        seen.append(json.loads(tail.stdout.readline())["seq"])
        tail.send_signal(signal.SIGINT)
        rest, code = tail.stdout.read(), tail.wait(20)

    assert seen == [3, 4]
    assert (rest, code) == ("", 130)


def test_a_reader_that_goes_away_is_no_error(busy: World) -> None:
    emit(busy, *map(str, range(2000)))
    command = f"{sys.executable} -m gr2 events tail --json -n 2000 | head -n 1; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], cwd=busy.root, env=busy.env, capture_output=True, text=True)

    assert "Traceback" not in done.stderr
    assert done.stderr == ""


def test_the_schema_needs_no_workspace(world: World) -> None:
    ran = world.call("events", "schema", "--json")

    assert ran.exit_code == 0
    assert ran.json["events"]["lane.created"]["properties"]["branch_map"]["type"] == "object"
    assert json.loads(world.call("events", "schema").stdout) == ran.json["events"]


def test_a_log_that_is_a_fifo_is_said_at_once(busy: World) -> None:
    log = busy.path(".grip/events/outbox.jsonl")
    os.unlink(log)
    os.mkfifo(log)

    ran = busy.call("events", "list", "--json")

    assert (ran.exit_code, ran.codes) == (3, ["outbox_unwritable"])
    assert ran.json["issues"][0]["message"] == "cannot read the event log: it is not a regular file"


def stuck(world: World) -> None:
    marker = Marker(
        operation_id="op_0123456789ab",
        operation="lane.enter",
        stage="on_enter",
        hook_name="warm-up",
        repo="app",
        owner_unit="alpha",
        lane_name="feat",
        failed_at="2026-01-01T00:00:00+00:00",
    )
    write_marker(world.session().layout, marker)


def test_failures_are_listed_with_the_command_that_decides(busy: World) -> None:
    stuck(busy)

    ran = busy.call("failures", "list", "--json")

    assert (ran.exit_code, ran.json["status"]) == (0, "attention")
    assert ran.json["failures"][0]["operation_id"] == "op_0123456789ab"
    assert "gr2 failures resolve op_0123456789ab" in busy.call("failures", "list").stdout


def test_a_failure_is_resolved_and_told(busy: World) -> None:
    stuck(busy)

    ran = busy.call("failures", "resolve", "op_0123456789ab", "--resolution", "skip", "--json")

    assert (ran.exit_code, ran.json["status"]) == (0, "success")
    assert ran.json["operation_id"].startswith("op_")
    assert ran.json["failures"][0]["resolved"]["resolution"] == "skip"
    (event,) = busy.call("events", "list", "--json", "--type", "failure.*").json["events"]
    assert event["operation_id"] == "op_0123456789ab"


def test_a_resolution_must_be_named(busy: World) -> None:
    ran = busy.call("failures", "resolve", "op_0123456789ab", "--json")

    assert (ran.exit_code, ran.json["status"]) == (2, "invalid")


def test_a_delivery_to_standard_output_is_json_lines_and_goes_on_later(busy: World) -> None:
    first = busy.gr2("events", "deliver", "--sink", "stdout", "--json")
    emit(busy, "four")
    second = busy.gr2("events", "deliver", "--sink", "stdout")

    assert [event["seq"] for event in json_lines(first.stdout)] == [1, 2, 3]
    assert [event["seq"] for event in json_lines(second.stdout)] == [4]
    assert (first.exit_code, second.exit_code, first.stderr) == (0, 0, "")


def test_a_delivery_that_cannot_begin_is_one_document(busy: World) -> None:
    busy.write(".grip/events/cursors/stdout.json", "broken")

    ran = busy.gr2("events", "deliver", "--sink", "stdout", "--json")

    assert (ran.exit_code, ran.codes) == (3, ["cursor_invalid"])


def test_a_delivery_says_how_every_sink_stands(busy: World) -> None:
    config = busy.write(
        os.path.join(busy.home, "config.toml"),
        '[events]\nsinks = ["webhook"]\n[plugins.webhook]\nurl = "http://127.0.0.1:9/"\n',
    )

    ran = busy.gr2("events", "deliver", "--json", env={"GR2_CONFIG": config, "http_proxy": None})

    rows = {row["sink"]: row for row in ran.json["sinks"]}
    keys = ["sink", "delivered", "pending", "dead_lettered", "last_error", "next_attempt_at"]
    assert list(rows["webhook"]) == keys
    assert (rows["webhook"]["pending"], ran.json["status"], ran.exit_code) == (3, "attention", 0)
    assert "operation_id" not in ran.json


def test_no_sink_is_no_error(busy: World) -> None:
    ran = busy.gr2("--no-plugins", "events", "deliver")

    assert ran.exit_code == 0
    assert "No sinks" in ran.stdout


def test_gc_is_a_mutating_command(busy: World) -> None:
    ran = busy.gr2("events", "gc", "--json")

    assert (ran.exit_code, ran.json["removed"]) == (0, [])
    assert ran.json["operation_id"].startswith("op_")


def test_a_followed_delivery_is_killed_and_goes_on(busy: World) -> None:
    argv = [sys.executable, "-m", "gr2", "events", "deliver", "--sink", "stdout", "--follow"]
    with subprocess.Popen(argv, cwd=busy.root, env=busy.env, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        seen = [json.loads(first.stdout.readline())["seq"] for _ in range(3)]
        emit(busy, "four")
        seen.append(json.loads(first.stdout.readline())["seq"])
        first.kill()
    emit(busy, "five")

    ran = busy.gr2("events", "deliver", "--sink", "stdout")

    again = [event["seq"] for event in json_lines(ran.stdout)]
    assert seen == [1, 2, 3, 4]
    assert again[-1] == 5
    assert again == list(range(again[0], 6))


def test_a_time_in_the_place_of_a_seq_is_told_where_it_goes(busy: World) -> None:
    ran = busy.call("events", "list", "--since", "2h")

    assert ran.exit_code == 2
    assert "a time goes to --after" in ran.stderr
