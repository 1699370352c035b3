"""The compiled index: used when it fits, made again when anything changed, and never needed for being right."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import pytest

from tests.plugin.conftest import COMMAND, Place

HELLO = COMMAND.replace("{name}", "hello")


def test_list_imports_nothing(place: Place) -> None:
    place.install("touch", f"open({place.folder!r} + '/touched', 'w')")

    row = place.row("touch")

    assert row["state"] == "unchecked"
    assert not os.path.exists(os.path.join(place.folder, "touched"))


def test_list_tells_what_a_check_found(place: Place) -> None:
    place.install("hello", HELLO)
    place.examine()

    row = place.row("hello")

    assert row == {
        "name": "hello",
        "distribution": "gr2-hello",
        "version": "1.0",
        "state": "ok",
        "provides": [{"family": "command", "name": "hello"}],
        "api": 1,
        "error": None,
    }


def test_help_lists_the_commands_of_plugins_only_with_a_usable_index(place: Place) -> None:
    place.install("hello", HELLO)

    before = place.gr2("--help")
    place.examine()
    after = place.gr2("--help")

    assert "Says hello." not in before.stdout
    assert "no usable index" in before.stdout
    assert "Says hello." in after.stdout
    assert "no usable index" not in after.stdout


def test_both_ways_to_the_help_say_the_same(place: Place) -> None:
    place.install("hello", HELLO)
    place.examine()

    assert place.gr2("--help").stdout == place.gr2("-q", "--help").stdout


def test_help_without_plugins_lists_no_plugin_command(place: Place) -> None:
    place.install("hello", HELLO)
    place.examine()

    assert "Says hello." not in place.gr2("--no-plugins", "--help").stdout


def test_a_command_of_a_plugin_works_without_an_index_and_makes_one(place: Place) -> None:
    place.install("hello", HELLO)

    ran = place.gr2("hello", "--loud")

    assert ran.stdout == "HELLO\n"
    assert "Says hello." in place.gr2("--help").stdout


def test_the_warm_index_imports_no_plugin(place: Place) -> None:
    place.install("touch", f"open({place.folder!r} + '/touched', 'a').write('x')")
    place.install("hello", HELLO)
    place.examine()
    before = os.path.getsize(os.path.join(place.folder, "touched"))

    place.gr2("hello")

    assert os.path.getsize(os.path.join(place.folder, "touched")) == before


def _new_distribution(place: Place) -> None:
    place.install("other", "gr2_api = 1")


def _new_version(place: Place) -> None:
    info = os.path.join(place.folder, "gr2_hello-1.0.dist-info")
    for name in os.listdir(info):
        os.unlink(os.path.join(info, name))
    os.rmdir(info)
    place.install("hello", HELLO, version="2.0")


def _edited_entry_points(place: Place) -> None:
    with open(os.path.join(place.folder, "gr2_hello-1.0.dist-info", "entry_points.txt"), "a") as file:
        file.write("second = gr2_hello_plugin:COMMAND\n")


def _edited_module(place: Place) -> None:
    with open(os.path.join(place.folder, "gr2_hello_plugin.py"), "a") as file:
        file.write("# edited\n")


def _configured(place: Place) -> None:
    place.configure('[plugins]\ndisabled = ["nobody"]\n')


def _other_gr2(place: Place) -> None:
    _rewrite(place, lambda content: content["environment"].update(gr2="0.0.1"))


def _other_python(place: Place) -> None:
    _rewrite(place, lambda content: content["environment"].update(python="3.99"))


def _rewrite(place: Place, change: Callable[[dict[str, dict[str, str]]], None]) -> None:
    path = place.indexes()[0]
    with open(path) as file:
        content = json.load(file)
    change(content)
    with open(path, "w") as file:
        json.dump(content, file)


@pytest.mark.parametrize(
    "change",
    [
        _new_distribution,
        _new_version,
        _edited_entry_points,
        _edited_module,
        _configured,
        _other_gr2,
        _other_python,
    ],
)
def test_the_index_is_stale_after_any_change(place: Place, change: Callable[[Place], None]) -> None:
    place.install("hello", HELLO)
    place.examine()

    change(place)

    assert place.row("hello")["state"] == "unchecked"
    assert place.gr2("hello").stdout == "hello\n"
    assert place.row("hello")["state"] == "ok"


def test_other_files_in_the_directory_do_not_make_it_stale(place: Place) -> None:
    place.install("hello", HELLO)
    place.examine()

    place.world.write(os.path.join(place.folder, "other.py"), "")

    assert place.row("hello")["state"] == "ok"


CORRUPT = [b"", b"[]", b"\xff\xfe", b'{"environment": {}}', b"[" * 100_000]


@pytest.mark.parametrize("content", CORRUPT)
def test_a_corrupt_index_is_made_again(place: Place, content: bytes) -> None:
    place.install("hello", HELLO)
    place.examine()
    place.world.write(place.indexes()[0], content)

    assert "no usable index" in place.gr2("--help").stdout
    assert place.gr2("hello").stdout == "hello\n"


@pytest.mark.parametrize("rows", ["nonsense", [1], [{}], [{"name": 3}], None])
def test_an_index_with_rows_of_a_wrong_shape_is_made_again(place: Place, rows: object) -> None:
    place.install("hello", HELLO)
    place.examine()
    _rewrite(place, lambda content: content.update(plugins=rows))  # type: ignore[call-overload]

    assert place.gr2("--help").exit_code == 0
    assert place.gr2("hello").stdout == "hello\n"


def test_an_unwritable_cache_costs_time_only(place: Place) -> None:
    place.install("hello", HELLO)
    place.world.write(place.world.env["XDG_CACHE_HOME"], "a file in the way")

    ran = place.gr2("hello")

    assert ran.stdout == "hello\n"
    assert ran.stderr == "noise\n"


def test_the_index_is_private(place: Place) -> None:
    place.examine()

    path = place.indexes()[0]
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_each_environment_has_an_index_of_its_own(place: Place) -> None:
    place.install("hello", HELLO)
    place.examine()
    place.examine(GR2_DISABLE_PLUGINS="hello")

    assert place.row("hello")["state"] == "ok"
    assert place.row("hello", env={"GR2_DISABLE_PLUGINS": "hello"})["state"] == "disabled"


def test_old_index_files_are_cleared_away(place: Place) -> None:
    folder = os.path.join(place.world.env["XDG_CACHE_HOME"], "gr2", "plugins")
    for number in range(50):
        place.world.write(os.path.join(folder, f"index-{number}.json"), "{}")

    place.examine()

    assert len(place.indexes()) == 32


def test_an_editable_install_is_found(place: Place) -> None:
    source = os.path.join(place.world.base, "source")
    place.world.write(os.path.join(source, "gr2_hello_plugin.py"), HELLO)
    place.install("hello", "")
    os.unlink(os.path.join(place.folder, "gr2_hello_plugin.py"))

    ran = place.gr2("hello", env={"PYTHONPATH": os.pathsep.join([place.folder, source])})

    assert ran.stdout == "hello\n"


def test_a_legacy_development_install_is_found(place: Place) -> None:
    info = os.path.join(place.folder, "gr2_hello.egg-info")
    place.world.write(os.path.join(info, "PKG-INFO"), "Name: gr2-hello\nVersion: 0.1\n")
    place.world.write(os.path.join(info, "entry_points.txt"), "[gr2.plugins]\nhello=gr2_hello_plugin [extra]\n")
    place.world.write(os.path.join(place.folder, "gr2_hello_plugin.py"), HELLO)

    assert place.gr2("hello").stdout == "hello\n"
    assert place.row("hello")["version"] == "0.1"


def test_of_a_distribution_installed_twice_the_first_on_the_path_counts(place: Place) -> None:
    second = os.path.join(place.world.base, "second")
    place.install("hello", HELLO)
    first, place.folder = place.folder, second
    place.install("hello", "raise SystemExit", version="9.9")

    row = place.row("hello", env={"PYTHONPATH": os.pathsep.join([first, second])})

    assert row["version"] == "1.0"


def test_both_scanning_methods_find_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import entry_points

    from gr2.plugin.scan import installed

    place.install("hello", HELLO)
    place.install("other", "")
    monkeypatch.setattr(sys, "path", [place.folder, *sys.path])

    ours = {(entry.name, entry.target) for entry in installed(tuple(sys.path))}

    assert ours == {(entry.name, entry.value) for entry in entry_points(group="gr2.plugins")}
    assert {("hello", "gr2_hello_plugin"), ("other", "gr2_other_plugin")} <= ours
