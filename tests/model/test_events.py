"""Event types: exactly the contract's, each with a schema and an entry in the docs."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gr2.model.event.base import RESERVED, Event
from gr2.model.event.catalog import CATALOG, event_class
from gr2.model.event.envelope import parse_line
from gr2.model.event.pr import CreatedPr, PrCreated
from gr2.model.event.query import EventQuery, parse_time
from gr2.model.event.schema import schema_of, schemas
from gr2.model.event.sync import SyncConflict, SyncRepoSkipped

PROJECT = Path(__file__).parents[2]

# The contract's table (page 6), in its order.
CONTRACT = """
lane.created | lane_name, lane_type, repos, branch_map
lane.entered | lane_name, lane_type, repos
lane.exited | lane_name, stashed_repos, discarded_repos
lane.switched | from_lane, to_lane, stashed_repos, discarded_repos
lane.archived | lane_name, reason
lane.frozen | lane_name, reason
lane.unfrozen | lane_name, reason
lease.acquired | lane_name, mode, ttl_seconds, lease_id
lease.renewed | lane_name, mode, ttl_seconds, lease_id
lease.released | lane_name, lease_id
lease.expired | lane_name, lease_id, expired_at
lease.reclaimed | lane_name, lease_id, previous_holder, expired_at, reclaimed_by
lease.force_broken | lane_name, lease_id, previous_holder, broken_by, reason
hook.started | stage, hook_name, repo, command, cwd
hook.completed | stage, hook_name, repo, duration_ms, exit_code
hook.failed | stage, hook_name, repo, duration_ms, exit_code, on_failure, stderr_tail
hook.skipped | stage, hook_name, repo, reason
exec.started | lane_name, repos, command
exec.completed | lane_name, repos, repos_failed, duration_ms
exec.failed | lane_name, repos, repos_failed, duration_ms
sync.started | repos, strategy, dirty
sync.cache_seeded | repo, duration_ms
sync.cache_refreshed | repo, duration_ms
sync.repo_updated | repo, scope, lane_name, branch, old_sha, new_sha, strategy, commits_pulled
sync.repo_skipped | repo, scope, lane_name, reason, discarded_files
sync.conflict | reason, repo, lane_name, conflicting_files, lease, holder
sync.completed | status, repos_updated, repos_skipped, repos_failed, duration_ms
pr.created | pr_group_id, repos
pr.status_changed | pr_group_id, repo, pr_number, old_status, new_status
pr.checks_passed | pr_group_id, repo, pr_number
pr.checks_failed | pr_group_id, repo, pr_number, failed_checks
pr.review_submitted | pr_group_id, repo, pr_number, reviewer, verdict
pr.merged | pr_group_id, repos
pr.merge_failed | pr_group_id, repo, pr_number, reason
failure.resolved | operation_id, resolved_by, resolution, lane_name
workspace.materialized | repos
workspace.file_projected | repo, kind, src, dest
gate.passed | lane_name, repo, gate, command, exit_code, duration_ms
gate.failed | lane_name, repo, gate, command, exit_code, duration_ms
"""
TYPES = {
    name.strip(): fields.strip().split(", ")
    for name, fields in (row.split("|") for row in CONTRACT.strip().splitlines())
}


def class_of(name: str) -> type[Event]:
    found = event_class(name)
    assert found is not None
    return found


def test_the_catalogue_is_the_contracts_table() -> None:
    assert list(CATALOG) == list(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_exactly_the_contracts_fields(name: str) -> None:
    kind = class_of(name)

    assert name == kind.TYPE
    assert [field.name for field in fields(kind)] == TYPES[name]
    assert RESERVED.isdisjoint(TYPES[name])


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_names_envelope_context_and_fields(name: str) -> None:
    schema = schema_of(name)

    context = ["workspace", "actor", "agent_id", "owner_unit", "operation_id"]
    own = [field for field in TYPES[name] if field != "operation_id"]
    assert list(schema["properties"]) == ["version", "event_id", "seq", "timestamp", "type", *context, *own]
    assert schema["properties"]["type"] == {"const": name}
    assert schema["description"]
    kept = set(schema["properties"]) - set(schema["required"])
    expected = {"agent_id", "operation_id"} | set(class_of(name).OPTIONAL)
    assert kept == (expected - {"operation_id"} if name == "failure.resolved" else expected)
    assert "null" not in json.dumps(schema)


def test_an_unknown_type_has_no_class() -> None:
    assert event_class("moon.landed") is None
    with pytest.raises(KeyError):
        schema_of("moon.landed")


def test_all_schemas_come_in_the_contracts_order() -> None:
    assert list(schemas()) == list(TYPES)


def test_a_field_that_may_be_left_out_is_left_out() -> None:
    plain = SyncRepoSkipped(repo="app", scope="shared", lane_name="", reason="no_upstream")
    discarded = SyncRepoSkipped(
        repo="app", scope="shared", lane_name="", reason="dirty_discarded", discarded_files=("a",)
    )
    locked = SyncConflict(reason="workspace_locked", holder={"pid": 1})

    assert list(plain.payload()) == ["repo", "scope", "lane_name", "reason"]
    assert discarded.payload()["discarded_files"] == ("a",)
    assert locked.payload() == {"reason": "workspace_locked", "holder": {"pid": 1}}


def test_listed_items_are_written_as_objects_and_can_be_read_back() -> None:
    item = CreatedPr(repo="app", pr_number=1, url="https://x/1", title="t", base="main", head="feat")
    event = PrCreated(pr_group_id="pg_00000000", repos=(item,))

    again = PrCreated(**json.loads(json.dumps(event.payload())))

    assert again.payload() == event.payload()
    assert event.payload()["repos"][0]["pr_number"] == 1


def test_an_event_without_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="no TYPE"):
        Event().payload()


def test_docs_events_md_is_what_the_classes_say() -> None:
    path = PROJECT / "docs/make_events.py"
    spec = importlib.util.spec_from_file_location("make_events", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (PROJECT / "docs/events.md").read_text(encoding="utf-8") == module.page(), "run python docs/make_events.py"


def event(**fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "version": 1,
        "event_id": "0" * 16,
        "seq": 1,
        "timestamp": "2026-01-01T12:00:00Z",
        "type": "x",
    }
    return said | {"workspace": "shop", "actor": "agent:ada", "owner_unit": "alpha"} | fields


@pytest.mark.parametrize(
    ("query", "said", "expected"),
    [
        (EventQuery(type="lane.*"), {"type": "lane.created"}, True),
        (EventQuery(type="lane.*"), {"type": "lease.acquired"}, False),
        (EventQuery(type="*"), {"type": "anything"}, True),
        (EventQuery(actor="agent:ada"), {}, True),
        (EventQuery(actor="agent:bob"), {}, False),
        (EventQuery(operation="op_1"), {"operation_id": "op_1"}, True),
        (EventQuery(operation="op_1"), {}, False),
        (EventQuery(repo="app"), {"repo": "app"}, True),
        (EventQuery(repo="app"), {"repos": ["api", "app"]}, True),
        (EventQuery(repo="app"), {"repos": [{"repo": "app"}]}, True),
        (EventQuery(repo="app"), {"repos": 3, "repo": None}, False),
        (EventQuery(lane="feat"), {"lane_name": "feat"}, True),
        (EventQuery(lane="alpha/feat"), {"lane_name": "feat"}, True),
        (EventQuery(lane="beta/feat"), {"lane_name": "feat"}, False),
        (EventQuery(lane="old"), {"from_lane": "old", "to_lane": "new"}, True),
        (EventQuery(lane="feat"), {"lane_name": ["feat"]} | {"lane_name": None}, False),
        (EventQuery(after=datetime(2026, 1, 1, 11, tzinfo=UTC)), {}, True),
        (EventQuery(after=datetime(2026, 1, 1, 12, tzinfo=UTC)), {}, False),
        (EventQuery(before=datetime(2026, 1, 1, 12, tzinfo=UTC)), {}, False),
        (EventQuery(before=datetime(2026, 1, 1, 13, tzinfo=UTC)), {"timestamp": "2026-01-01T14:30:00+02:00"}, True),
        (EventQuery(before=datetime(2026, 1, 2, tzinfo=UTC)), {"timestamp": "2026-01-01T23:59:60Z"}, True),
        (EventQuery(actor="agent:ada", type="y"), {}, False),
    ],
)
def test_a_query_holds_when_all_its_conditions_do(query: EventQuery, said: dict[str, Any], expected: bool) -> None:
    assert query.matches(event(**said)) is expected


def test_times_are_rfc_3339_dates_or_ages() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert parse_time("2026-01-01T00:00:00Z", now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_time("2h", now) == now - timedelta(hours=2)
    assert parse_time("2026-01-01", now).tzinfo is not None
    for wrong in ("", "soon", "2026-13-01", "-2h"):
        with pytest.raises(ValueError, match=r"\w"):
            parse_time(wrong, now)


@pytest.mark.parametrize("text", ["2024-02-29T00:00:00Z", "2026-12-31T23:59:60Z", "0001-01-01T00:00:00+23:59"])
def test_a_day_that_is_in_the_calendar_is_valid(text: str) -> None:
    assert parse_line(json.dumps(event(timestamp=text)).encode()) is not None


def test_every_timestamp_gr2_writes_is_valid() -> None:
    line = json.dumps(event(timestamp=datetime.now(UTC).isoformat(timespec="microseconds")))

    assert parse_line(line.encode()) is not None
