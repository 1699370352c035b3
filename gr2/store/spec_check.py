"""Checks a parsed spec as a whole: the shape of its values, then what they get wrong together, then links on disk."""

from __future__ import annotations

from typing import Any

from gr2.model.spec import SPEC_VERSION, Spec
from gr2.store.spec_rules import Fault, Where, cross_faults, link_faults
from gr2.store.spec_schema import shape_faults, to_spec


def check(data: dict[str, Any], root: str) -> tuple[Spec | None, list[Fault]]:
    """The spec that `data` says, or None and every fault.

    Of a newer version only what this version knows is read; the rest is passed over. A secret in a URL is a fault in
    every version.
    """
    faults = _all_faults(data, root)
    version = data.get("version")
    if faults and type(version) is int and version > SPEC_VERSION:
        for _ in range(8):
            kept = [fault for fault in faults if fault.code != "invalid_spec"]
            if kept or not faults or not _prune(data, faults):
                break
            faults = _all_faults(data, root)
    return (None, faults) if faults else (to_spec(data), [])


def _all_faults(data: dict[str, Any], root: str) -> list[Fault]:
    faults = shape_faults(data)
    wrong = frozenset(fault.where for fault in faults)
    faults += cross_faults(data, wrong)
    faults += link_faults(root, list(_paths(data, wrong)))
    return [_with_word(fault, data) for fault in faults]


def _paths(data: dict[str, Any], wrong: frozenset[Where]) -> list[tuple[Where, str]]:
    found: list[tuple[Where, str]] = []
    for key in ("repos", "units"):
        tables = data.get(key)
        for number, table in enumerate(tables if isinstance(tables, list) else []):
            path = table.get("path") if isinstance(table, dict) else None
            where: Where = (key, number, "path")
            if isinstance(path, str) and where not in wrong:
                found.append((where, path))
    return found


def _with_word(fault: Fault, data: dict[str, Any]) -> Fault:
    """The fault with the word that was probably meant to be another: the value at its key path, else its last key."""
    from dataclasses import replace

    if not fault.known:
        return fault
    here: Any = data
    for part in fault.where:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return fault
    last = fault.where[-1]
    word = here if isinstance(here, str) and isinstance(last, int) else str(last)
    if fault.where[-1] == "strategy":
        word = here if isinstance(here, str) else ""
    return replace(fault, word=word)


def _prune(data: dict[str, Any], faults: list[Fault]) -> bool:
    """Take out of `data` what the faults name, the last of a list first. Whether anything went."""
    targets = {_target(fault.where) for fault in faults} - {()}
    outermost = [where for where in targets if not any(where[:length] in targets for length in range(1, len(where)))]
    gone = False
    for where in sorted(outermost, key=_last_first):
        outer: Any = data
        try:
            for part in where[:-1]:
                outer = outer[part]
            del outer[where[-1]]
            gone = True
        except (KeyError, IndexError, TypeError):
            continue
    return gone


def _target(where: Where) -> Where:
    """What has to go so that the fault at `where` goes: the value, or the whole table that cannot be without it."""
    if where in {("workspace_name",), ("version",)}:
        return ()
    if len(where) == 3 and where[0] in {"repos", "units"} and where[2] in {"name", "path", "url"}:
        return where[:2]
    return where


def _last_first(where: Where) -> tuple[tuple[int, str], ...]:
    return tuple((-part, "") if isinstance(part, int) else (0, part) for part in where)
