"""The timeline: rows, bars and marks, and the page they are drawn on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from gr2_hooks.timeline import timeline_of
from gr2_hooks.timeline_page import page

from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.ops.mutation import open_outbox
from gr2.testing import World

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def event(second: int, kind: str, **fields: Any) -> dict[str, Any]:
    said = {"version": 1, "event_id": f"{second:016x}", "seq": second + 1, "type": kind, "actor": "agent:ada"}
    return {**said, "timestamp": f"2026-01-01T00:00:{second:02}+00:00", "owner_unit": "alpha", **fields}


EVENTS = [
    event(0, "lane.created", lane_name="feat", repos=["app"]),
    event(1, "lease.acquired", lane_name="feat", lease_id="l1", mode="edit"),
    event(2, "sync.started", owner_unit="", operation_id="op_1", repos=["app"]),
    event(4, "sync.completed", owner_unit="", operation_id="op_1", status="success"),
    event(5, "lease.released", lane_name="feat", lease_id="l1"),
    event(6, "pr.created", pr_group_id="pg_1", repos=[{"repo": "app", "pr_number": 1}]),
    event(7, "exec.started", lane_name="feat", operation_id="op_2"),
    event(8, "exec.failed", lane_name="feat", operation_id="op_2"),
    event(9, "lease.acquired", lane_name="fix", lease_id="l2", mode="edit"),
    event(10, "hook.failed", lane_name="", on_failure="block", hook_name="<b>warm</b>", repo="app"),
]


def test_lanes_units_and_the_workspace_are_rows() -> None:
    assert [row.name for row in timeline_of(EVENTS).rows] == ["alpha/feat", "workspace", "alpha", "alpha/fix"]


def test_what_lasts_is_a_bar_from_its_beginning_to_its_end() -> None:
    rows = {row.name: row for row in timeline_of(EVENTS).rows}
    first = timeline_of(EVENTS).first

    def spans(name: str) -> list[tuple[str, float, float | None]]:
        return [
            (bar.kind, (bar.start - first) / 1e6, None if bar.end is None else (bar.end - first) / 1e6)
            for bar in rows[name].bars
        ]

    assert spans("alpha/feat") == [("lease", 1, 5), ("exec", 7, 8)]
    assert spans("workspace") == [("sync", 2, 4)]
    assert spans("alpha/fix") == [("lease", 9, None)]


def test_pull_requests_and_failures_are_marks() -> None:
    marks = {row.name: [mark.kind for mark in row.marks] for row in timeline_of(EVENTS).rows}

    assert marks == {"alpha/feat": ["event", "failure"], "workspace": [], "alpha": ["pr", "failure"], "alpha/fix": []}


def test_an_end_without_a_beginning_is_a_mark() -> None:
    (row,) = timeline_of([event(1, "lease.expired", lane_name="feat", lease_id="l9")]).rows

    assert (row.bars, len(row.marks)) == ([], 1)


class Items(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_anywhere() -> None:
    text = page("shop", EVENTS)
    items = Items()
    items.feed(text)

    assert not any({"src", "href"} & attrs.keys() for _, attrs in items.tags)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_nothing_in_an_event_becomes_markup() -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    items = Items()

    items.feed(page(evil, [event(0, "lane.entered", lane_name=evil, actor=evil), event(1, evil, owner_unit=evil)]))

    assert [tag for tag, _ in items.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in items.tags]
    assert not any(name.startswith("on") for _, attrs in items.tags for name in attrs)


def test_a_page_about_nothing_says_so() -> None:
    assert "No events." in page("shop", [])


def test_the_command_writes_the_page(world: World) -> None:
    world.write_spec()
    world.gr2("workspace", "materialize")
    world.gr2("events", "deliver")

    ran = world.gr2("recall", "timeline", "--html", "out.html", "--json")

    assert ran.exit_code == 0
    assert world.read("out.html").startswith("<!doctype html>")
    assert ran.json["page"] == world.path("out.html")
    shown = world.gr2("recall", "timeline", "--html", "out.html").stdout
    assert shown == f"Wrote {len(ran.json['events'])} events to {world.path('out.html')}\n"
    assert len(ran.json["events"]) > 0


@pytest.mark.parametrize("name", ["nowhere/out.html", "."])
def test_a_page_that_cannot_be_written_names_the_file(world: World, name: str) -> None:
    world.write_spec()

    ran = world.call("recall", "timeline", "--html", name, "--json")

    assert (ran.exit_code, ran.codes) == (1, ["write_failed"])
    assert ran.json["issues"][0]["message"].startswith(f"cannot write {os.path.normpath(world.path(name))}: ")


def test_a_name_that_is_no_text_does_not_keep_a_page_from_being_written(world: World) -> None:
    world.write_spec()
    with open_outbox(world.session()) as outbox:
        event = LaneArchived(lane_name="\ud800", reason="\udcff")
        outbox.emit(event, Context(workspace="shop", actor="agent:ada", owner_unit="alpha"))

    assert world.call("recall", "timeline", "--html", "out.html", "--json").exit_code == 0
    assert "lane.archived" in world.read("out.html")


def shown(path: Path, words: str, home: Path) -> dict[str, bool]:
    """The rows that a real browser shows under a filter: name to whether it is visible."""
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", f"{path.as_uri()}#{words}"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "HOME": str(home)},
    )
    items = Items()
    items.feed(done.stdout)
    rows = [attrs for _, attrs in items.tags if attrs.get("class") == "row"]
    return {str(attrs["data-name"]): "hidden" not in attrs for attrs in rows}


if BROWSER is not None:

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("", {"alpha/feat": True, "workspace": True, "alpha": True, "alpha/fix": True}),
            ("fix", {"alpha/feat": False, "workspace": False, "alpha": False, "alpha/fix": True}),
            ("sync%20success", {"alpha/feat": False, "workspace": True, "alpha": False, "alpha/fix": False}),
            ("LEASE", {"alpha/feat": True, "workspace": False, "alpha": False, "alpha/fix": True}),
        ],
    )
    def test_the_filter_works_in_a_browser(tmp_path: Path, words: str, expected: dict[str, bool]) -> None:
        path = tmp_path / "page.html"
        path.write_text(page("shop", EVENTS), encoding="utf-8")

        assert shown(path, words, tmp_path / "home") == expected
