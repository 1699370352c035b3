"""Finds installed plugins by reading metadata files: nothing is imported, importlib.metadata included.

The layout read is that of the "Recording installed projects" and "Entry points" specifications of the Python packaging
authority: `NAME-VERSION.dist-info/entry_points.txt`, and the older `NAME.egg-info`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from gr2.model.records import dataclass
from gr2.plugin.site import infos

GROUP = "gr2.plugins"
_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class EntryPoint:
    """One line of the group `gr2.plugins`. `source` is the absolute path of the file that holds it."""

    name: str
    target: str
    distribution: str
    version: str
    source: str


def canonical(distribution: str) -> str:
    """A distribution's name in the one spelling that compares (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def installed(path: Sequence[str]) -> tuple[EntryPoint, ...]:
    """Every entry point of the group, sorted. Of a distribution that is on `path` twice the first one counts."""
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in path:
        for info in infos(folder):
            place = os.path.join(folder, info)
            source = os.path.join(place, "entry_points.txt")
            text = _read(source)
            if text is None or GROUP not in text:
                seen.add(_name_in(info))
                continue
            name, version = _identity(place, info)
            if canonical(name) in seen:
                continue
            seen.add(canonical(name))
            for key, target in _group_of(text):
                found.append(EntryPoint(name=key, target=target, distribution=name, version=version, source=source))
    return tuple(sorted(found, key=lambda entry: (entry.name, canonical(entry.distribution), entry.target)))


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return file.read(_LIMIT).decode("utf-8", errors="replace")
    except OSError:
        return None


def _name_in(info: str) -> str:
    return canonical(info.rpartition(".")[0].partition("-")[0])


def _identity(place: str, info: str) -> tuple[str, str]:
    stem, _, version = info.rpartition(".")[0].partition("-")
    name = stem
    text = _read(os.path.join(place, "METADATA")) or _read(os.path.join(place, "PKG-INFO")) or ""
    for line in text.splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        if key.lower() == "name" and value.strip():
            name = value.strip()
        elif key.lower() == "version" and value.strip():
            version = value.strip()
    return name, version


def _group_of(text: str) -> Iterator[tuple[str, str]]:
    inside = False
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]"):
            inside = line[1:-1].strip() == GROUP
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            # Extras after the target (`pkg.mod:obj [extra]`) are allowed by the specification and mean nothing here.
            yield key.strip(), re.sub(r"\s*\[[^]]*\]\s*$", "", value.strip())
