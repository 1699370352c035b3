"""What several values of a spec can get wrong together: names and paths that clash, names nobody has.

The rules look at the parsed tables, not at the models, so that one wrong value does not hide the other faults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from gr2.model.names import is_name, normal_path
from gr2.model.records import dataclass

Where = tuple[str | int, ...]

# What gr2 itself keeps in a unit's directory (contract, page 2, "Files").
_UNIT_AREAS = frozenset({"repos", "lanes", "unit.toml"})


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a spec. `where` is the key path, `known` what the wrong `word` could have meant."""

    where: Where
    message: str
    code: str = "invalid_spec"
    hint: str = ""
    known: tuple[str, ...] = ()
    word: str = ""


@dataclass(frozen=True)
class _Place:
    """A directory that the spec claims. `order` is its rank in the spec, `parts` its folded components."""

    order: int
    where: Where
    kind: str
    path: str
    parts: tuple[str, ...]


def subject_of(where: Where) -> str:
    """A key path as people write it: `units[0].repos[1]`."""
    shown = ""
    for part in where:
        if isinstance(part, int):
            shown += f"[{part}]"
            continue
        bare = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
        text = part if bare else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
        shown += f".{text}" if shown else text
    return shown


def cross_faults(data: dict[str, Any], skip: frozenset[Where]) -> Iterator[Fault]:
    """The faults between the values of `data`. `skip` holds the key paths that are wrong already."""
    repos, units = _tables(data, "repos"), _tables(data, "units")
    for key, tables in (("repos", repos), ("units", units)):
        named = [((key, number, "name"), table.get("name")) for number, table in tables]
        yield from _duplicates(_sound(named, skip), "name")
    places = list(_places(repos, units, skip))
    yield from _clashes(places)
    names = tuple(name for _, table in repos if isinstance(name := table.get("name"), str) and is_name(name))
    for number, unit in units:
        yield from _references(unit.get("repos"), ("units", number, "repos"), names)
    limits = data.get("workspace_constraints")
    if isinstance(limits, dict):
        yield from _constraint_faults(limits, names)


def link_faults(root: str, paths: Sequence[tuple[Where, str]]) -> Iterator[Fault]:
    """The paths that lead through a symbolic link below the directory `root`. Each component is looked at once."""
    seen: dict[str, str] = {}
    for where, path in paths:
        here, state = root, "directory"
        for part in normal_path(path).split("/"):
            here = f"{here}/{part}"
            if here not in seen:
                seen[here] = _kind_of(here)
            state = seen[here]
            if state != "directory":
                break
        if state == "link":
            link = os.path.relpath(here, root)
            yield Fault(
                where, f"leads through the symbolic link {link}", hint=f"name a directory, or remove the link {link}"
            )


def _kind_of(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return "missing"
    return {0o120000: "link", 0o040000: "directory"}.get(mode & 0o170000, "other")


def _tables(data: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    found = data.get(key)
    if not isinstance(found, list):
        return []
    return [(number, item) for number, item in enumerate(found) if isinstance(item, dict)]


def _sound(values: Sequence[tuple[Where, Any]], skip: frozenset[Where]) -> list[tuple[Where, str]]:
    return [(where, value) for where, value in values if isinstance(value, str) and where not in skip]


def _fold(text: str) -> str:
    """One spelling for all that a case-insensitive or normalising file system takes for the same name."""
    if text.isascii():
        return text.lower()
    import unicodedata

    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _duplicates(values: Sequence[tuple[Where, str]], what: str) -> Iterator[Fault]:
    first: dict[str, tuple[Where, str]] = {}
    for where, value in values:
        earlier = first.setdefault(_fold(value), (where, value))
        if earlier[0] != where:
            yield _same(where, value, earlier, what)


def _same(where: Where, value: str, earlier: tuple[Where, str], what: str) -> Fault:
    if earlier[1] == value:
        return Fault(where, f"is the same {what} as {subject_of(earlier[0])}")
    return Fault(where, f"differs only by case from {subject_of(earlier[0])}")


def _places(
    repos: Sequence[tuple[int, dict[str, Any]]], units: Sequence[tuple[int, dict[str, Any]]], skip: frozenset[Where]
) -> Iterator[_Place]:
    order = 0
    for key, tables in (("repos", repos), ("units", units)):
        for where, path in _sound([((key, number, "path"), table.get("path")) for number, table in tables], skip):
            normal = normal_path(path)
            yield _Place(order, where, key, normal, tuple(_fold(normal).split("/")))
            order += 1


def _clashes(places: Sequence[_Place]) -> Iterator[Fault]:
    first: dict[tuple[str, ...], _Place] = {}
    for place in places:
        earlier = first.setdefault(place.parts, place)
        if earlier is not place:
            yield _same(place.where, place.path, (earlier.where, earlier.path), "path")
    for place in places:
        for length in range(1, len(place.parts)):
            outer = first.get(place.parts[:length])
            if outer is None:
                continue
            if outer.kind == "repos":
                yield _inside(place, outer, "is inside the checkout", "holds the checkout")
            elif place.parts[length] in _UNIT_AREAS:
                yield _inside(
                    place, outer, "is where gr2 keeps the checkouts and lanes of", "is a unit whose own area holds"
                )


def _inside(inner: _Place, outer: _Place, later_inner: str, later_outer: str) -> Fault:
    if inner.order > outer.order:
        return Fault(inner.where, f"{later_inner} {subject_of(outer.where)}")
    return Fault(outer.where, f"{later_outer} {subject_of(inner.where)}")


def _references(found: Any, where: Where, names: tuple[str, ...]) -> Iterator[Fault]:
    if not isinstance(found, list):
        return
    seen: dict[str, int] = {}
    known = frozenset(names)
    for number, name in enumerate(found):
        if not isinstance(name, str):
            continue
        if name not in known:
            yield Fault((*where, number), "is no repo of the spec", known=names)
        elif seen.setdefault(name, number) != number:
            yield Fault((*where, number), f"is the same repo as {subject_of((*where, seen[name]))}")


def _constraint_faults(limits: dict[str, Any], names: tuple[str, ...]) -> Iterator[Fault]:
    reviewers = limits.get("required_reviewers")
    if isinstance(reviewers, dict):
        for name in reviewers:
            if name not in names:
                yield Fault(
                    ("workspace_constraints", "required_reviewers", name), "is no repo of the spec", known=names
                )
    order = limits.get("merge_order")
    if isinstance(order, dict):
        where: Where = ("workspace_constraints", "merge_order", "order")
        yield from _references(order.get("order"), where, names)
        if order.get("strategy") == "explicit" and "order" not in order:
            yield Fault(where, 'is required with the strategy "explicit"')
