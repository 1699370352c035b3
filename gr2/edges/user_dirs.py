"""Where a user's own files are, as platformdirs has it.

On Linux the XDG base directory rules are applied here: importing platformdirs takes twice as long as starting Python.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def user_cache(environ: Mapping[str, str]) -> str:
    """The directory for what can be made again."""
    return _directory(environ, "XDG_CACHE_HOME", ".cache", "user_cache_dir")


def user_config(environ: Mapping[str, str]) -> str:
    """The directory for what the user decides."""
    return _directory(environ, "XDG_CONFIG_HOME", ".config", "user_config_dir")


def user_state(environ: Mapping[str, str]) -> str:
    """The directory for what gr2 remembers for the user across workspaces."""
    return _directory(environ, "XDG_STATE_HOME", ".local/state", "user_state_dir")


def _directory(environ: Mapping[str, str], variable: str, below_home: str, function: str) -> str:
    if not sys.platform.startswith("linux"):
        import platformdirs

        found = getattr(platformdirs, function)("gr2", appauthor=False)
        return str(found)
    # XDG Base Directory Specification: an unset, empty or relative value means the default.
    named = environ.get(variable, "").strip()
    if os.path.isabs(named):
        return os.path.join(named, "gr2")
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), below_home, "gr2")
