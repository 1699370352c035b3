"""Small JSON files of gr2's own: versioned, private, written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from gr2.edges.files import failed_write, make_private_directory, read_regular, write_whole
from gr2.errors import Failed, Invalid

_LIMIT = 64 << 20


def read_state(path: str, *, version: int) -> dict[str, Any] | None:
    """The object in the state file `path`, None when there is no file.

    A file of a newer version is returned as it is: reading it is fine, `write_state` will refuse.
    Raises Failed `state_unreadable` for anything that is not a JSON object with an integer `version`.
    """
    try:
        data = read_regular(path, limit=_LIMIT)
        if data is None:
            return None
        found = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise Failed("state_unreadable", f"cannot read {path}: {error}", hint="gr2 doctor") from error
    if not isinstance(found, dict) or type(found.get("version")) is not int:
        raise Failed("state_unreadable", f"{path} is not a state file of gr2", hint="gr2 doctor")
    return found


def write_state(path: str, value: Mapping[str, Any], *, version: int, temporary: str | None = None) -> None:
    """Write `value` with its `version` as the state file `path`, 0600 in a 0700 directory; by way of the directory
    `temporary`, else of `.grip/tmp`.

    Raises Invalid `newer_version` rather than replace a file that a newer gr2 wrote.
    """
    refuse_newer(path, version=version)
    try:
        make_private_directory(os.path.dirname(path))
    except OSError as error:
        raise failed_write(error, path) from error
    grip, found, _ = path.rpartition("/.grip/")
    if found and temporary is None:
        # What a killed gr2 leaves is removed there by later commands.
        temporary = f"{grip}/.grip/tmp"
    text = json.dumps({"version": version, **{key: item for key, item in value.items() if key != "version"}}, indent=1)
    write_whole(path, text.encode() + b"\n", private=True, temporary=temporary)


def refuse_newer(path: str, *, version: int) -> None:
    """Raise Invalid `newer_version` when the state file `path` is of a newer version than `version`."""
    try:
        found = read_state(path, version=version)
    except Failed:
        return
    if found is not None and found["version"] > version:
        raise Invalid(
            "newer_version",
            f"{os.path.basename(path)} has version {found['version']}, this gr2 writes version {version}",
            hint="use the newer gr2 that wrote it",
        )
