"""Where installed plugins are looked for, and the compiled index as it lies on disk.

Read on the way to `gr2 --help`: nothing here imports more than json and os.
"""

from __future__ import annotations

import json
import os
import sys
import zlib

from gr2 import __version__
from gr2.edges.user_dirs import user_cache, user_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

FORMAT = 1
LIMIT = 8 << 20


class Site:
    """One environment: interpreter, import path, configuration.

    environ: the process's. cache: the directory of index files. config: the user's configuration file. path: the
    directories on the import path. All absolute.
    """

    def __init__(self, *, environ: Mapping[str, str], cache: str, config: str, path: tuple[str, ...]) -> None:
        self.environ = environ
        self.cache = cache
        self.config = config
        self.path = path

    @classmethod
    def current(cls, environ: Mapping[str, str]) -> Site:
        """This process's."""
        config = environ.get("GR2_CONFIG") or os.path.join(user_config(environ), "config.toml")
        return cls(
            environ=environ,
            cache=os.path.join(user_cache(environ), "plugins"),
            config=os.path.abspath(config),
            path=import_path(),
        )

    @property
    def environment(self) -> dict[str, Any]:
        """What must be equal, outside files, for an index to hold."""
        return {
            "format": FORMAT,
            "gr2": __version__,
            "python": sys.version,
            "executable": sys.executable,
            "path": list(self.path),
            "config": self.config,
            "disabled": self.environ.get("GR2_DISABLE_PLUGINS", ""),
        }

    @property
    def file(self) -> str:
        """The index file of this environment."""
        key = json.dumps(self.environment).encode()
        return os.path.join(self.cache, f"index-{zlib.crc32(key):08x}{zlib.adler32(key):08x}.json")

    def read(self, *, now: float) -> dict[str, Any] | None:
        """The content of a usable index, None when there is none; `now` is Unix time. Its rows are not checked."""
        try:
            with open(self.file, "rb") as file:
                found = json.loads(file.read(LIMIT))
            if found["environment"] != self.environment or (found["expires"] and now >= found["expires"]):
                return None
            if any(list(stamp(path)) != known for path, known in found["files"].items()):
                return None
            if any(not _same_folder(path, known) for path, known in found["folders"].items()):
                return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return found if isinstance(found.get("plugins"), list) else None


def import_path() -> tuple[str, ...]:
    """The directories on `sys.path`, absolute, without the current directory that "" stands for."""
    return tuple(os.path.abspath(entry) for entry in sys.path if entry)


def infos(folder: str) -> list[str]:
    """The metadata directories in `folder`, sorted; none when it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def stamp(path: str) -> tuple[int, int]:
    """What changes when the file does: modification time in nanoseconds, and size. Zeros without a file."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def folder_stamp(path: str) -> tuple[int, int]:
    """What changes when a distribution comes to or goes from the directory `path`, or is installed again."""
    return _modified(path), _names(path)


def _same_folder(path: str, known: Sequence[int]) -> bool:
    modified, names = known
    # Other files come and go in a directory of the import path; only the installed distributions count.
    return _modified(path) == modified or _names(path) == names


def _modified(path: str) -> int:
    return stamp(path)[0]


def _names(path: str) -> int:
    rows = [f"{name}:{_modified(os.path.join(path, name))}" for name in infos(path)]
    return zlib.crc32("\n".join(rows).encode(errors="surrogateescape"))
