"""Whatever a plugin does wrong, commands that do not need it work, and one line says who is to blame."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import COMMAND, STRATEGY, Place

BROKEN = {
    "import-error": "import there_is_no_such_module",
    "exception": "raise RuntimeError('first line\\nsecond line')",
    "system-exit": "raise SystemExit(0)",
    "keyboard-interrupt": "raise KeyboardInterrupt",
    "base-exception": "class Odd(BaseException):\n    def __str__(self): raise SystemExit(3)\nraise Odd",
    "syntax-error": "def (",
    "null-byte": "x = 1\0",
    "process-exit": "import os; os._exit(0)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "wrong-api": "gr2_api = 'one'",
    "wrong-type": "from gr2.api import hookimpl\n@hookimpl\ndef gr2_commands(): return 7",
    "wrong-items": "from gr2.api import hookimpl\n@hookimpl\ndef gr2_commands(): return ['x']",
    "wrong-arguments": "from gr2.api import hookimpl\n@hookimpl\ndef gr2_check_operation(ctx, other): return None",
    "wrong-name": "from gr2.api import *\n@hookimpl\ndef gr2_commands(): return [Provider('A b', 'x:y')]",
    "wrong-path": "from gr2.api import *\n@hookimpl\ndef gr2_commands(): return [Provider('a', 'x y')]",
    "twice": "from gr2.api import Provider, hookimpl\n@hookimpl\n"
    "def gr2_commands(): return [Provider('a', 'x:y'), Provider('a', 'x:z')]",
    "raises-when-asked": "from gr2.api import hookimpl\n@hookimpl\ndef gr2_commands(): raise SystemExit('no')",
    "lazy-attributes": "def __dir__(): raise SystemExit(5)",
}


@pytest.fixture
def ward(place: Place) -> Place:
    """Every broken plugin at once, and a sound one."""
    for name, body in BROKEN.items():
        place.install(name, body, version="3.2")
    place.install("hello", COMMAND.replace("{name}", "hello"))
    return place


def test_a_command_that_needs_none_of_them_works_and_one_line_each_says_who_is_broken(ward: Place) -> None:
    ran = ward.gr2("hello", "--json")

    assert ran.json["greeting"] == "hello"
    assert ran.exit_code == 0
    lines = [line for line in ran.stderr.splitlines() if line.startswith("plugin ")]
    assert [line.split()[1] for line in lines] == sorted(BROKEN)
    for line, name in zip(lines, sorted(BROKEN), strict=True):
        assert line.startswith(f"plugin {name} (gr2-{name} 3.2) failed: ")
        assert line.endswith(f"; see gr2 plugins show {name}")


def test_check_names_each_fault_and_ends_with_1(ward: Place) -> None:
    ran = ward.gr2("plugins", "check", "--json")

    states = {row["name"]: row["state"] for row in ran.json["plugins"]}
    faults = {issue["subject"]: issue["code"] for issue in ran.json["issues"]}
    assert ran.exit_code == 1
    assert ran.json["status"] == "failed"
    assert {name: states[name] for name in (*BROKEN, "hello")} == {**dict.fromkeys(BROKEN, "failed"), "hello": "ok"}
    assert faults.items() >= dict.fromkeys(BROKEN, "plugin_failed").items()
    assert "hello" not in faults


@pytest.mark.parametrize("command", ["--help", "--version"])
@pytest.mark.parametrize("warm", [False, True])
def test_help_and_version_work_with_a_broken_plugin(place: Place, command: str, warm: bool) -> None:
    place.install("broken", BROKEN["system-exit"])
    if warm:
        place.examine()

    ran = place.gr2(command)

    assert ran.exit_code == 0
    assert ran.stdout.startswith("Usage: gr2" if command == "--help" else "gr2 ")


@pytest.mark.parametrize("args", [("list",), ("show", "broken")])
def test_list_and_show_work_with_a_broken_plugin(place: Place, args: tuple[str, ...]) -> None:
    place.install("broken", BROKEN["import-error"])
    place.examine()

    ran = place.gr2("plugins", *args)

    assert ran.exit_code == 0
    assert "there_is_no_such_module" in ran.stdout


def test_a_plugin_that_hangs_at_import_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from gr2.edges.process import Runner
    from gr2.plugin import index
    from gr2.plugin.site import Site

    place.install("hangs", "import time\nwhile True: time.sleep(1)")
    place.install("fine", STRATEGY.format(name="fine", module="fine", object="Fine"))
    monkeypatch.setattr(index, "DEADLINE_SECONDS", 2.0)
    monkeypatch.syspath_prepend(place.folder)
    site = Site.current(place.world.environ(place.env()))

    found = {plugin.name: plugin for plugin in index.build_index(site, (), Runner(), now=1000.0, api=1)}

    assert found["hangs"].state == "failed"
    assert found["hangs"].error == "it took longer than 2 s to import"
    assert found["fine"].state == "ok"
    assert site.read(now=1001.0) is not None
    assert site.read(now=1000.0 + index.RETRY_SECONDS) is None


def test_noise_on_stdout_does_not_reach_the_document(place: Place) -> None:
    noise = "import os\nprint('python noise')\nos.system('echo child noise')\nos.write(1, b'raw noise\\n')\n"
    place.install("hello", noise + COMMAND.replace("{name}", "hello"))

    ran = place.gr2("hello", "--json")

    assert ran.json == {"schema": "gr2.hello/1", "status": "ok", "greeting": "hello", "issues": []}
    for text in ("python noise", "child noise", "raw noise", "noise"):
        assert text in ran.stderr.splitlines()


@pytest.mark.parametrize("body", ["raise SystemExit(0)", "raise KeyboardInterrupt", "import nothing_there", "1/0"])
def test_a_command_whose_module_fails_when_used_is_plugin_failed(place: Place, body: str) -> None:
    place.install(
        "late",
        "from gr2.api import *\n@hookimpl\ndef gr2_commands(): return [Provider('late', 'late_mod:C', 'Late.')]",
        more={"late_mod.py": body},
    )

    ran = place.gr2("late", "--json")

    assert ran.exit_code == 1
    assert ran.codes == ["plugin_failed"]
    assert "gr2-late 1.0" in ran.json["issues"][0]["message"]
    assert ran.json["issues"][0]["hint"] == "gr2 plugins show late"


@pytest.mark.parametrize("body", ["raise SystemExit(0)", "raise KeyboardInterrupt", "1/0", "return 7", "return None"])
def test_a_command_whose_function_fails_is_plugin_failed(place: Place, body: str) -> None:
    place.install("hello", COMMAND.replace("{name}", "hello").replace('print("noise")', body))

    ran = place.gr2("hello", "--json")

    assert ran.exit_code == 1
    assert ran.codes == ["plugin_failed"]


def test_a_text_function_that_fails_does_not_change_the_outcome(place: Place) -> None:
    place.install("hello", COMMAND.replace("{name}", "hello").replace("screen.line(result.greeting)", "1/0"))

    ran = place.gr2("hello")

    assert ran.exit_code == 0
    assert "ZeroDivisionError" in ran.stderr


def test_control_characters_in_what_a_plugin_says_are_escaped(place: Place) -> None:
    place.install("broken", "raise RuntimeError('\\x1b[31mred\\u202e')")

    ran = place.gr2("plugins", "check")

    assert "\x1b[31mred" not in ran.stdout + ran.stderr
    assert "\\x1b[31mred\\u202e" in ran.stderr
