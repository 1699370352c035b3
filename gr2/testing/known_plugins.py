"""The plugin index of a world: there from the start, as it is for a user after the first command.

Examining the installed plugins takes a process each; a thousand worlds need not do that for the same installation.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from gr2.plugin.site import Site, stamp

# Run by `-c`, whose import path is that of a `gr2` process.
_PROGRAM = "import sys; from gr2.testing.known_plugins import learn; sys.stdout.write(learn(sys.argv[1]))"


def know_plugins(environ: Mapping[str, str]) -> None:
    """Store the index of the installed plugins where gr2 looks with this environment: for this process, and for a
    process of its own."""
    here = Site.current(environ)
    for known in _learnt(here.path, environ.get("PYTHONPATH", "")):
        index = json.loads(known)
        site = Site(environ=environ, cache=here.cache, config=here.config, path=tuple(index["environment"]["path"]))
        del index["files"][index["environment"]["config"]]
        index["files"][site.config] = stamp(site.config)
        os.makedirs(site.cache, mode=0o700, exist_ok=True)
        with open(site.file, "w", encoding="utf-8") as file:
            json.dump({**index, "environment": site.environment}, file)


@functools.cache
def _learnt(path: tuple[str, ...], python_path: str) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": python_path}
        other = subprocess.run(
            [sys.executable, "-c", _PROGRAM, folder], env=env, stdout=subprocess.PIPE, text=True, check=True
        )
        return learn(folder), other.stdout


def learn(folder: str) -> str:
    """The index of this process's installation, made anew, as its file holds it. `folder` is for what is written."""
    from gr2.edges.process import Runner
    from gr2.plugin.index import build_index
    from gr2.plugin.provider import API_VERSION

    environ = {**os.environ, "XDG_CACHE_HOME": folder, "GR2_CONFIG": os.path.join(folder, "config.toml")}
    environ.pop("GR2_DISABLE_PLUGINS", None)
    site = Site.current(environ)
    build_index(site, (), Runner(), now=time.time(), api=API_VERSION)
    with open(site.file, encoding="utf-8") as file:
        return file.read()
