"""`gr2 recall ...`: what happened, found again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gr2.api import (
    Argument,
    EventLog,
    Failed,
    FileLock,
    Gr2Error,
    Invalid,
    Issue,
    LockTimeout,
    MutationResult,
    Option,
    PluginCommand,
    PluginGroup,
    Result,
    Session,
    Status,
    write_whole,
)
from gr2_hooks.recall_store import SINK, Recall, Wanted

DEFAULT_LIMIT = 50
_NEW = "recall.new.sqlite"


@dataclass(frozen=True, kw_only=True)
class RecallResult(Result):
    """Events, newest last. more: there are older ones than the limit shows. page: the file that was written, or ""."""

    events: tuple[Mapping[str, Any], ...] = ()
    more: bool = False
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class RecallRebuildResult(MutationResult):
    """indexed: events of the log; kept: events whose log is gone; old_index: where the old index is kept that could not
    be read to its end, relative to the workspace, or ""."""

    indexed: int = 0
    kept: int = 0
    old_index: str = ""


def lane(session: Session, *, name: str, limit: int) -> RecallResult:
    """What happened to a lane: LANE, or UNIT/LANE."""
    return _find(session, _lane(session, name), limit)


def actor(session: Session, *, name: str, limit: int) -> RecallResult:
    """What an actor did."""
    return _find(session, Wanted(actor=name), limit)


def repo(session: Session, *, name: str, limit: int) -> RecallResult:
    """What happened to a repo."""
    return _find(session, Wanted(repo=name), limit)


def search(session: Session, *, words: tuple[str, ...], limit: int) -> RecallResult:
    """Events in which all words occur, literally."""
    return _find(session, Wanted(words=tuple(word for text in words for word in text.split())), limit)


def timeline(
    session: Session,
    *,
    since: str | None,
    until: str | None,
    actor: str | None,
    lane: str | None,
    repo: str | None,
    html: str | None,
    limit: int | None,
) -> RecallResult:
    """What happened when; with `html` also as a page to look at."""
    place = _lane(session, lane) if lane else Wanted()
    wanted = Wanted(
        actor=actor or "",
        lane=place.lane,
        unit=place.unit,
        repo=repo or "",
        since=_moment(session, since, "since"),
        until=_moment(session, until, "until"),
    )
    found = _find(session, wanted, limit if limit is not None else (100_000 if html else DEFAULT_LIMIT))
    if html:
        from gr2_hooks.timeline_page import page

        path = os.path.normpath(os.path.join(session.asked.cwd, html))
        # A lone surrogate in an event is no text for a file.
        write_whole(path, page(session.spec.workspace_name, found.events).encode(errors="replace"))
        found = replace(found, page=path)
    return found


def rebuild(session: Session, change: Any) -> RecallRebuildResult:
    """Make the index anew from the log and its archives; what only the old index holds is kept. An old index that
    cannot be read to its end is put aside: it may hold more."""
    layout = session.layout
    silent = {unit.name for unit in session.spec.units if not unit.constraints.recall_enabled}
    new, path = (os.path.join(layout.events, name) for name in (_NEW, "recall.sqlite"))
    try:
        with FileLock(layout.lock(f"sink.{SINK}"), wait=session.wait_seconds):
            _remove(new)
            gone, damage = _gone(session)
            with Recall(layout, name=_NEW, bulk=True) as index:
                _, kept = index.add(event for event in gone if event.get("owner_unit") not in silent)
                _, indexed = index.add(event for event in EventLog(layout) if event.get("owner_unit") not in silent)
                index.finish()
            aside = _put_aside(session, path) if damage is not None and os.lstat(path).st_size else ""
            _publish(new, path)
    except LockTimeout as error:
        raise Failed("sink_busy", "another process is feeding recall", scope="event", subject=SINK) from error
    issues = (_damaged(damage, aside),) if damage is not None and aside else ()
    return RecallRebuildResult(
        status=Status.ATTENTION if issues else Status.SUCCESS,
        issues=issues,
        operation_id=change.operation_id,
        indexed=indexed,
        kept=kept,
        old_index=aside,
    )


def _gone(session: Session) -> tuple[list[dict[str, Any]], Gr2Error | None]:
    """The events of the old index that the log does not hold any more, and what kept it from being read to its end."""
    there = {event["event_id"] for event in EventLog(session.layout)}
    found: list[dict[str, Any]] = []
    try:
        with Recall(session.layout) as old:
            for event in old.all():
                if event["event_id"] not in there:
                    found.append(event)
    except Gr2Error as error:
        return found, error
    return found, None


def _put_aside(session: Session, path: str) -> str:
    """Give the old index and what belongs to it another name; the new name, relative to the workspace."""
    aside = os.path.join(session.layout.events, f"recall.damaged-{session.ids.hex(8)}.sqlite")
    for side in ("-shm", "-wal", ""):
        if os.path.lexists(path + side):
            os.rename(path + side, aside + side)
    return session.layout.relative(aside)


def _damaged(damage: Gr2Error, aside: str) -> Issue:
    return Issue(
        code="recall_unreadable",
        scope="event",
        subject=aside,
        message=f"the old index could not be read to its end, and is kept as {aside}: {damage.message}",
        hint=f"remove {aside} when nothing in it is missed",
        blocking=False,
    )


def _publish(new: str, path: str) -> None:
    descriptor = os.open(new, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for side in ("-wal", "-shm"):
        _remove(path + side)
    os.rename(new, path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _find(session: Session, wanted: Wanted, limit: int) -> RecallResult:
    if limit < 1:
        raise Invalid("usage", "--limit is 1 or more", scope="event", subject=str(limit))
    with Recall(session.layout) as recall:
        found = tuple(recall.find(wanted, limit=limit + 1))
        return RecallResult(status=Status.OK, events=found[-limit:], more=len(found) > limit)


def _lane(session: Session, name: str) -> Wanted:
    unit, slash, rest = name.partition("/")
    if slash and rest and session.spec.unit(unit) is not None:
        return Wanted(unit=unit, lane=rest)
    return Wanted(lane=name)


def _moment(session: Session, text: str | None, option: str) -> int | None:
    if text is None:
        return None
    from gr2.api import parse_time

    try:
        moment: datetime = parse_time(text, session.clock.now())
        return round(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        hint = "2026-01-31T12:00:00Z, 2026-01-31 or 2h"
        raise Invalid("usage", f"--{option} is no time", scope="event", subject=text, hint=hint) from None


def _show(result: RecallResult, screen: Any) -> None:
    if result.page:
        screen.line(f"Wrote {len(result.events)} events to {result.page}")
        return
    rows = [
        (
            str(event["seq"]),
            event["timestamp"][:19].replace("T", " "),
            event["type"],
            str(event.get("actor", "")),
            _what(event),
        )
        for event in result.events
    ]
    if rows:
        screen.table(("SEQ", "TIME", "EVENT", "ACTOR", "ABOUT"), rows)
    else:
        screen.line("Nothing found.")
    if result.more:
        screen.line(f"There are older ones; --limit {2 * len(result.events)} shows more.")


def _what(event: Mapping[str, Any]) -> str:
    from gr2_hooks.recall_store import repos_of

    place = "/".join(str(event[key]) for key in ("owner_unit", "lane_name") if event.get(key))
    return " ".join(part for part in (place, ",".join(repos_of(event)), str(event.get("reason") or "")) if part)


def _show_rebuild(result: RecallRebuildResult, screen: Any) -> None:
    screen.line(f"{result.indexed} events indexed, {result.kept} kept whose log is gone")


_LIMIT = Option(name="limit", kind="integer", default=DEFAULT_LIMIT, help=f"The newest N [default: {DEFAULT_LIMIT}].")
_NAME = Argument(name="name")


COMMANDS = PluginGroup(
    name="recall",
    help="Find what happened.",
    commands=(
        PluginCommand(
            name="lane", help="What happened to a lane.", run=lane, text=_show, params=(_NAME, _LIMIT), feeds=SINK
        ),
        PluginCommand(
            name="actor", help="What an actor did.", run=actor, text=_show, params=(_NAME, _LIMIT), feeds=SINK
        ),
        PluginCommand(
            name="repo", help="What happened to a repo.", run=repo, text=_show, params=(_NAME, _LIMIT), feeds=SINK
        ),
        PluginCommand(
            name="search",
            help="Events in which all words occur.",
            run=search,
            text=_show,
            feeds=SINK,
            params=(Argument(name="words", many=True), _LIMIT),
        ),
        PluginCommand(
            name="timeline",
            help="What happened when.",
            run=timeline,
            text=_show,
            feeds=SINK,
            params=(
                Option(name="since", help="Not before a time: RFC 3339, a date, or an age such as 2h."),
                Option(name="until", help="Not after a time."),
                Option(name="actor", help="Only what this actor did."),
                Option(name="lane", help="Only this lane."),
                Option(name="repo", help="Only this repo."),
                Option(name="html", help="Write a page to look at to this file."),
                Option(name="limit", kind="integer", help=f"The newest N [default: {DEFAULT_LIMIT}; all in a page]."),
            ),
        ),
        PluginCommand(
            name="rebuild",
            help="Make the index anew from the log.",
            run=rebuild,
            text=_show_rebuild,
            operation="recall.rebuild",
        ),
    ),
)
