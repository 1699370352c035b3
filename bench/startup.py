"""How long `gr2 --version` and `gr2 --help` take, against `python -c pass` in the same run.

Measured on the console script, which is what people run: alone, and with fifty plugins installed and a warm index.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

ROUNDS = 41
PLUGINS = 50
LIMITS = {"--version": 2.0, "--help": 4.8}
_PLUGIN = """\
from gr2.api import Provider, hookimpl
gr2_api = 1
@hookimpl
def gr2_commands():
    return [Provider("{name}", "{module}_impl:COMMAND", "A command.")]
"""


def run() -> list[dict[str, object]]:
    """One row a command and installation: name, ours and base in seconds, ratio, limit."""
    with tempfile.TemporaryDirectory() as folder:
        plain = _environment(folder, "plain")
        many = {**_environment(folder, "many"), "PYTHONPATH": _install(os.path.join(folder, "site"))}
        _warm(plain)
        _warm(many)
        rows: list[dict[str, object]] = []
        for label, env in (("", plain), (f" with {PLUGINS} plugins", many)):
            rows += _measured(label, env, folder)
        return rows


def _environment(folder: str, name: str) -> dict[str, str]:
    home = os.path.join(folder, name)
    os.makedirs(home)
    return {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}


def _install(folder: str) -> str:
    from gr2.testing import write_distribution

    for number in range(PLUGINS):
        name, module = f"many-{number:02}", f"gr2_many_{number:02}"
        write_distribution(
            folder,
            f"gr2-{name}",
            entry_points={name: module},
            modules={f"{module}.py": _PLUGIN.format(name=name, module=module)},
        )
    return folder


def _script() -> str:
    return os.path.join(os.path.dirname(sys.executable), "gr2")


def _warm(env: Mapping[str, str]) -> None:
    # `check` looks at everything; its verdict does not matter here.
    subprocess.run([_script(), "plugins", "check"], env=dict(env), capture_output=True, check=False)
    shown = subprocess.run([_script(), "--help"], env=dict(env), capture_output=True, text=True, check=True).stdout
    assert "no usable index" not in shown
    assert ("many-49" in shown) is ("PYTHONPATH" in env)


def _measured(label: str, env: Mapping[str, str], folder: str) -> list[dict[str, object]]:
    commands = {"base": [sys.executable, "-c", "pass"], **{option: [_script(), option] for option in LIMITS}}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(ROUNDS + 2):
        for name, argv in commands.items():
            start = time.perf_counter()
            subprocess.run(
                argv, env=dict(env), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
            if round_number > 1:
                times[name].append(time.perf_counter() - start)
    base = statistics.median(times["base"])
    return [
        {
            "name": f"gr2 {option}{label}",
            "ours": statistics.median(times[option]),
            "base": base,
            "ratio": statistics.median(times[option]) / base,
            "limit": limit,
        }
        for option, limit in LIMITS.items()
    ]
