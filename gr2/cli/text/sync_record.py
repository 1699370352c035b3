"""How a sync looks: what changed, what did not, what blocks, what to type."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.cli.screen import Screen, text_for
from gr2.model.outcome import Operation, Status
from gr2.ops.steps import place_of
from gr2.ops.sync_record import SyncRunResult

MANY = 40


@text_for(SyncRunResult)
def show_sync_run(result: SyncRunResult, screen: Screen) -> None:
    """The four answers. Issues, with their own hints, follow on stderr."""
    _changed(result, screen)
    _unchanged(result, screen)
    _blocked(result, screen)
    _next(result, screen)


def _changed(result: SyncRunResult, screen: Screen) -> None:
    updates = [item for item in result.completed if item.kind == "checkout.update"]
    mirrors = [item for item in result.completed if item.kind == "cache.seed" or item.details.get("moved")]
    mirrors.sort(key=lambda item: item.repo)
    if not updates and not mirrors:
        screen.line("Nothing changed.")
        return
    if mirrors:
        screen.line(f"New from the remotes: {_names(mirrors)}")
    if updates:
        screen.line(f"Updated {_count(updates, 'checkout')}", "good")
        screen.table(("", "", "", ""), [_row(item) for item in updates[:MANY]], indent=2)
        if len(updates) > MANY:
            screen.line(f"  ... and {len(updates) - MANY} more", "dim")
    for kind, words in (("work.restore", "put back"), ("work.discard", "discarded"), ("work.stash", "stashed")):
        items = [item for item in result.completed if item.kind == kind]
        if kind == "work.stash":
            back = {item.path for item in result.completed if item.kind == "work.restore"}
            items = [item for item in items if item.path not in back]
        for item in items:
            saved = f"; gr2 saved restore {item.details['saved_id']}" if kind != "work.restore" else ""
            screen.line(f"  {place_of(item)}: {_files(item)} {words}{saved}", "dim")


def _row(item: Operation) -> tuple[str | tuple[str, str], ...]:
    pulled = int(item.details["commits_pulled"])
    old, new = str(item.details["old_sha"])[:9], str(item.details["new_sha"])[:9]
    branch = str(item.details["branch"] or "(pinned)")
    return (
        place_of(item),
        (branch, "cyan"),
        f"+{pulled} commit" + ("" if pulled == 1 else "s"),
        (f"{old}..{new}", "dim"),
    )


def _unchanged(result: SyncRunResult, screen: Screen) -> None:
    if result.repos_skipped:
        number = result.repos_skipped
        screen.line(f"Left alone: {number} repo" + ("" if number == 1 else "s") + ", see the warnings.")
    if result.unaffected:
        screen.line(f"Not tried: {_names(result.unaffected)}", "dim")
    if result.status is Status.SUCCESS and not any(item.kind == "checkout.update" for item in result.completed):
        screen.line("Every checkout is up to date.", "good")


def _blocked(result: SyncRunResult, screen: Screen) -> None:
    if result.failed:
        screen.line(f"Failed: {_names(result.failed)}", "bad")
    if result.blocked:
        screen.line(f"Blocked: {_names(result.blocked)}", "bad")


def _next(result: SyncRunResult, screen: Screen) -> None:
    if result.status is Status.BLOCKED:
        screen.line("No checkout was touched. Once the errors are dealt with, the same command again is safe:")
    elif result.failed or result.blocked or result.status is Status.INTERRUPTED:
        screen.line("What is done stays done; the same command again continues:")
    else:
        return
    screen.command(result.retry)


def _names(items: Sequence[Operation]) -> str:
    mirror = {"cache.seed", "cache.refresh"}
    names = list(dict.fromkeys(item.repo if item.kind in mirror else place_of(item) for item in items))
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")


def _count(items: Sequence[Operation], what: str) -> str:
    return f"{len(items)} {what}" + ("" if len(items) == 1 else "s")


def _files(item: Operation) -> str:
    number = len(item.details["files"])
    return f"{number} file" + ("" if number == 1 else "s")
