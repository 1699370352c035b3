"""How hooks files look."""

from __future__ import annotations

import json

from gr2.cli.screen import Screen, text_for
from gr2.ops.hooks import (
    HookRow,
    HooksListResult,
    HooksSchemaResult,
    HooksShowResult,
    HooksTrustResult,
    HooksUntrustResult,
    RepoHooksResult,
)


@text_for(HooksListResult)
def show_list(result: HooksListResult, screen: Screen) -> None:
    """One line a hook."""
    if not result.hooks:
        screen.line("No repo brings hooks along.")
        return
    _table(result.hooks, screen)


def _table(rows: tuple[HookRow, ...], screen: Screen, *, indent: int = 0) -> None:
    cells = [
        (
            (row.repo, "cyan"),
            row.stage,
            row.name,
            row.when,
            row.on_failure,
            ("trusted", "good") if row.trusted else ("untrusted", "warn"),
            (row.command, "dim"),
        )
        for row in rows
    ]
    screen.table(("REPO", "STAGE", "HOOK", "WHEN", "ON FAILURE", "", "COMMAND"), cells, indent=indent)


@text_for(RepoHooksResult)
def show_parsed(result: RepoHooksResult, screen: Screen) -> None:
    """One block a file."""
    if not result.hooks:
        screen.line("No repo brings hooks along.")
    for file in result.hooks:
        state = ("trusted", "good") if file.trusted else ("untrusted", "warn")
        screen.parts((file.repo, "bold"), f"  {file.path or 'in the mirror'}  ", state)
        for item in file.files:
            screen.line(f"  {item.kind} {item.src} -> {item.dest}  (if something is there: {item.if_exists})")
        for hook in file.lifecycle:
            screen.line(f"  {hook.stage} {hook.name}: {hook.command}  ({hook.when}, {hook.on_failure})")
        for gate in file.gates:
            screen.line(f"  gate {gate.name}: {gate.command}")


@text_for(HooksShowResult)
def show_file(result: HooksShowResult, screen: Screen) -> None:
    """The file as it is, and what it names."""
    state = ("trusted", "good") if result.trusted else ("untrusted", "warn")
    _head(screen, result, state)
    if not result.trusted and result.hooks:
        screen.line()
        screen.line("To approve it as it is:")
        screen.command(f"gr2 hooks trust {result.repo}")


def _head(screen: Screen, result: HooksShowResult | HooksTrustResult, state: tuple[str, str]) -> None:
    screen.parts((result.repo, "bold"), f"  {result.path or 'in the mirror'}  {result.url}  ", state)
    screen.line(f"sha256 {result.digest}", "dim")
    screen.line()
    screen.raw(result.text if result.text.endswith("\n") or not result.text else result.text + "\n")
    if result.scripts:
        screen.line()
        screen.line("Files of the repo that it names:")
        for name in result.scripts:
            screen.line(f"  {name}")


@text_for(HooksTrustResult)
def show_trusted(result: HooksTrustResult, screen: Screen) -> None:
    """What was approved, and what that does not cover."""
    _head(screen, result, ("approved" if result.new else "approved before", "good"))
    screen.line()
    screen.line(result.note)
    screen.line("To take it back:")
    screen.command(f"gr2 hooks untrust {result.repo}")


@text_for(HooksUntrustResult)
def show_untrusted(result: HooksUntrustResult, screen: Screen) -> None:
    """How many approvals went."""
    count = f"{result.removed} approval" + ("" if result.removed == 1 else "s")
    screen.line(f"Removed {count} of {result.repo} ({result.url}).")


@text_for(HooksSchemaResult)
def show_schema(result: HooksSchemaResult, screen: Screen) -> None:
    """The schema, to be sent into a file."""
    screen.raw(json.dumps(result.json_schema, indent=2) + "\n")
