"""What everybody waits for imports nothing that costs time, and no plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.plugin.conftest import COMMAND, Place

HEAVY = ("pydantic", "rich", "importlib.metadata", "pluggy", "tomlkit", "platformdirs", "tomllib", "click")

_MAIN = """
import runpy, sys
sys.argv = ["gr2", *{args!r}]
try:
    from gr2.__main__ import main
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    sys.stderr.write("MODULES " + " ".join(sorted(sys.modules)))
"""


def _modules(place: Place, *args: str) -> set[str]:
    """The modules that `gr2 ARGS` imported."""
    done = subprocess.run(
        [sys.executable, "-c", _MAIN.format(args=args)],
        cwd=place.world.root,
        env=place.world.environ(place.env()),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split())


def _many(place: Place, count: int = 4) -> None:
    for number in range(count):
        name = f"many-{number:02}"
        place.install(name, COMMAND.replace("{name}", name))


@pytest.mark.parametrize("warm", [False, True])
def test_version_and_help_import_nothing_heavy_and_no_plugin(place: Place, warm: bool) -> None:
    _many(place)
    if warm:
        place.examine()

    found = {name for option in ("--version", "--help", "-h") for name in _modules(place, option)}

    assert not found & set(HEAVY)
    assert not [name for name in found if name.endswith("_plugin")]
    assert "gr2_github" not in found
    assert "gr2_hooks" not in found


def test_a_command_of_the_core_with_a_warm_index_imports_no_plugin_and_no_pluggy(place: Place) -> None:
    _many(place)
    place.world.write_spec(repos=(), units=())
    place.gr2("apply")

    found = _modules(place, "apply")

    assert not found & {"pydantic", "rich", "importlib.metadata", "pluggy"}
    assert not [name for name in found if name.endswith("_plugin")]


def test_a_command_of_a_plugin_imports_that_plugin_only(place: Place) -> None:
    _many(place)
    place.examine()

    found = _modules(place, "many-02")

    assert [name for name in found if name.endswith("_plugin")] == ["gr2_many_02_plugin"]


def test_fifty_plugins_are_all_listed_and_help_imports_none(place: Place) -> None:
    _many(place, 50)
    place.examine()

    listed = [line.split()[0] for line in place.gr2("--help").stdout.splitlines() if "Says hello." in line]

    assert listed == [f"many-{number:02}" for number in range(50)]
    assert not [name for name in _modules(place, "--help") if name.endswith("_plugin")]


def test_importing_the_api_is_cheap(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, gr2.api; gr2.api.hookimpl, gr2.api.Provider; print(*sys.modules)"],
        env=place.world.environ(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert not set(done.stdout.split()) & {*HEAVY, "subprocess", "gr2.session", "gr2.edges.process"}


def test_the_help_names_every_command_and_option_of_the_core() -> None:
    from gr2.builtin.plugin import gr2_commands
    from gr2.cli.command import _GLOBALS
    from gr2.cli.root_help import EVERYWHERE, NOUNS

    assert {provider.name: ("", provider.help) for provider in gr2_commands()}.items() <= NOUNS.items()
    shown = {name.split()[0] for name, _ in [pair.rpartition(", ")[::2] for pair, _ in EVERYWHERE] if name}
    shown |= {pair.split(", ")[-1].split()[0] for pair, _ in EVERYWHERE}
    assert shown >= {name for names, _, _ in _GLOBALS for name in names}
    assert {line for _, line in EVERYWHERE} == {extra["help"] for _, _, extra in _GLOBALS}
