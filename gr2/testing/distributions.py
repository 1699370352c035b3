"""Installed distributions, made by hand: a `dist-info` directory and modules in a directory for `PYTHONPATH`."""

from __future__ import annotations

import os
from collections.abc import Mapping


def write_distribution(
    folder: str,
    name: str,
    *,
    entry_points: Mapping[str, str],
    modules: Mapping[str, str],
    version: str = "1.0",
) -> str:
    """Install the distribution `name` into the directory `folder`, and return the path of its dist-info directory.

    entry_points: those of the group `gr2.plugins`, name to target. modules: relative path to source text.
    """
    info = os.path.join(folder, f"{name.replace('-', '_')}-{version}.dist-info")
    os.makedirs(info, exist_ok=True)
    lines = "".join(f"{key} = {target}\n" for key, target in entry_points.items())
    _write(os.path.join(info, "METADATA"), f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n# {name}\n")
    _write(os.path.join(info, "entry_points.txt"), f"[console_scripts]\nunused = unused:main\n\n[gr2.plugins]\n{lines}")
    _write(os.path.join(info, "INSTALLER"), "hand\n")
    for path, text in modules.items():
        _write(os.path.join(folder, path), text)
    record = [os.path.relpath(os.path.join(info, file), folder) for file in ("METADATA", "entry_points.txt", "RECORD")]
    _write(os.path.join(info, "RECORD"), "".join(f"{path},,\n" for path in (*modules, *record)))
    return info


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
