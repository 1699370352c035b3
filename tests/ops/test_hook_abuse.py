"""Hooks that misbehave: each ends as a recorded hook.failed (or well), and the workspace is whole."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from gr2.ops.apply import apply
from gr2.store.toml_text import toml_string
from gr2.testing import World
from gr2.testing.contracts_runtime import ODD_VALUES
from tests.ops.hooks_stage import TRUSTED, events, hooked, markers, told

PYTHON = "python3 hook.py"


def _hook(command: str, **more: object) -> str:
    keys = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    return f'[[lifecycle.on_materialize]]\nname = "x"\ncommand = {toml_string(command)}\n{keys}'


def _abuse(world: World, script: str, **more: object) -> list[str]:
    hooked(world, _hook(PYTHON, **more), {"hook.py": script})
    ran = world.call("apply", "--json", env=TRUSTED)
    assert ran.exit_code in {0, 4}, ran.stdout
    # Whole: another command works, and the checkout is what was cloned.
    assert world.call("status", "--json").exit_code == 0
    assert world.git("repos/app", "status", "--porcelain") == ""
    return told(world)


def _output(world: World, stream: str) -> bytes:
    started = events(world, "hook.started")[0]["event_id"]
    with open(world.path(f".grip/events/hook_output/{started}.{stream}"), "rb") as file:
        return file.read()


def test_a_hook_that_prints_a_gigabyte_is_kept_in_part_with_the_cut_marked(world: World) -> None:
    script = (
        "import os\nos.write(1, b'first')\nchunk = b'x' * 1000000\n"
        "for _ in range(1000):\n    view = memoryview(chunk)\n    while view: view = view[os.write(1, view):]\n"
        "os.write(1, b'last')\n"
    )

    assert _abuse(world, script) == ["hook.started x", "hook.completed x 0"]

    kept = _output(world, "stdout")
    assert kept.startswith(b"first")
    assert kept.endswith(b"last")
    assert b"bytes left out" in kept
    assert len(kept) < 11_000_000


def test_a_hook_that_never_ends_is_ended_with_its_children(world: World) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )

    assert _abuse(world, script, timeout_seconds=3) == ["hook.started x", "hook.failed x 124"]

    pid = int(_output(world, "stdout"))
    assert _ended(pid)


def test_a_hook_that_ignores_being_asked_to_end_is_killed(world: World) -> None:
    script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n"

    assert _abuse(world, script, timeout_seconds=1) == ["hook.started x", "hook.failed x 124"]


def test_a_process_that_leaves_the_group_is_not_waited_for(world: World) -> None:
    script = (
        "import os, time\nreading, writing = os.pipe()\n"
        "if os.fork() == 0:\n    os.setsid()\n    child = os.fork()\n"
        "    if child == 0:\n        time.sleep(600)\n"
        "    os.write(writing, str(child).encode())\n    os._exit(0)\n"
        "print(os.read(reading, 20).decode())\n"
    )

    assert _abuse(world, script) == ["hook.started x", "hook.completed x 0"]

    pid = int(_output(world, "stdout"))
    os.kill(pid, signal.SIGKILL)  # it is there: gr2 went on without it


def test_a_hook_that_closes_its_terminal_ends_like_any_other(world: World) -> None:
    script = "import os, time\nfor fd in range(3): os.close(fd)\ntime.sleep(0.3)\nos._exit(5)\n"

    assert _abuse(world, script) == ["hook.started x", "hook.failed x 5"]


def test_a_hook_has_no_terminal_and_nothing_to_read(world: World) -> None:
    script = (
        "import os, sys\nassert sys.stdin.read() == ''\n"
        "try:\n    os.open('/dev/tty', os.O_RDWR)\nexcept OSError:\n    sys.exit(0)\nsys.exit('a terminal')\n"
    )

    assert _abuse(world, script) == ["hook.started x", "hook.completed x 0"]


def test_a_hook_that_kills_gr2_leaves_a_recorded_failure_and_is_still_owed(world: World) -> None:
    script = "import os, signal, time\nif not os.path.exists('../../ok'):\n    os.kill(os.getppid(), signal.SIGKILL)\n"
    hooked(world, _hook(PYTHON), {"hook.py": script})

    killed = world.gr2("apply", env=TRUSTED)
    assert killed.exit_code == -signal.SIGKILL
    world.write("ok", "")
    again = world.gr2("apply", env=TRUSTED)

    assert again.exit_code == 0, again.stderr
    assert told(world) == ["hook.started x", "hook.failed x 137", "hook.started x", "hook.completed x 0"]
    assert [event["repos"][0]["repo"] for event in events(world, "workspace.materialized")] == ["app"]


def test_a_hook_that_asks_gr2_to_stop_is_interrupted(world: World) -> None:
    script = "import os, signal, time\nos.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(60)\n"
    hooked(world, _hook(PYTHON), {"hook.py": script})

    ran = world.gr2("apply", "--json", env=TRUSTED)

    assert (ran.exit_code, ran.json["status"]) == (143, "interrupted")
    assert told(world) == ["hook.started x", "hook.failed x 143"]
    assert markers(world) == []


def test_a_hook_that_kills_its_whole_group_is_told_by_signal(world: World) -> None:
    script = "import os, signal\nos.killpg(0, signal.SIGKILL)\n"

    assert _abuse(world, script) == ["hook.started x", "hook.failed x 137"]


def test_terminal_escapes_reach_neither_the_terminal_nor_the_json(world: World) -> None:
    escapes = "\x1b]0;owned\x07\x1b[2J\u202e"
    hooked(world, _hook(PYTHON), {"hook.py": f"import sys\nsys.stderr.write({escapes!r})\nsys.exit(1)\n"})

    ran = world.call("apply", env=TRUSTED)

    assert "\x1b" not in ran.stdout + ran.stderr
    with open(world.path(".grip/events/outbox.jsonl"), "rb") as file:
        log = file.read()
    assert b"\x1b" not in log
    assert log.isascii()
    assert events(world, "hook.failed")[0]["stderr_tail"] == escapes


@pytest.mark.parametrize(
    ("printed", "tail"),
    [
        ("b'x' * 499 + '\u20ac'.encode() + b'y' * 498", "y" * 498),
        ("b'x' * 10", "x" * 10),
        ("'\u20ac'.encode() * 400", "\u20ac" * 166),
        ("b''", ""),
    ],
)
def test_the_tail_is_cut_at_a_character(world: World, printed: str, tail: str) -> None:
    script = f"import os, sys\nos.write(2, {printed})\nsys.exit(1)\n"
    hooked(world, _hook(PYTHON), {"hook.py": script})

    apply(world.session(env=TRUSTED))

    assert events(world, "hook.failed")[0]["stderr_tail"] == tail
    assert len(tail.encode()) <= 500


def test_bytes_that_are_no_text_fit_into_the_tail(world: World) -> None:
    hooked(world, _hook(PYTHON), {"hook.py": "import os, sys\nos.write(2, b'\\xff' * 2000)\nsys.exit(1)\n"})

    apply(world.session(env=TRUSTED))

    assert 0 < len(events(world, "hook.failed")[0]["stderr_tail"].encode()) <= 500


def test_a_command_that_does_not_exist_is_named(world: World) -> None:
    hooked(world, _hook("gr2-no-such-program --flag"))

    result = apply(world.session(env=TRUSTED))

    assert told(world) == ["hook.started x", "hook.failed x 127"]
    assert "gr2-no-such-program" in result.issues[0].message
    assert result.issues[0].details["exit_code"] == 127


def test_a_directory_that_is_not_there_fails_the_hook_and_starts_nothing(world: World) -> None:
    hooked(world, _hook("touch made", cwd="web"))

    apply(world.session(env=TRUSTED))

    assert told(world) == ["hook.started x", "hook.failed x 126"]
    assert not os.path.exists(world.path("repos/app/made"))


def test_odd_values_in_a_command_reach_the_process_unharmed(world: World) -> None:
    values = [value for value in ODD_VALUES if "\n" not in value and "{" not in value]
    script = "import os, sys\nos.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])))\n"
    words = " ".join("'" + value.replace("'", "'\\''") + "'" for value in values)
    hooked(world, _hook(f"{PYTHON} {words}"), {"hook.py": script})

    result = apply(world.session(env=TRUSTED))

    assert result.status == "success", result.issues
    assert _output(world, "stdout").decode() == "|".join(values)


def test_a_hook_gets_the_environment_that_is_promised_and_no_token(world: World) -> None:
    hooked(world, _hook(PYTHON), {"hook.py": "import json, os\nprint(json.dumps(dict(os.environ)))\n"})
    secrets = {
        "GITHUB_TOKEN": "s",
        "GR2_SECRET": "s",
        "SSH_AUTH_SOCK": "s",
        "AWS_X": "s",
        "LC_TIME": "C",
        "GR2_LANE": "no",
    }

    result = apply(world.session(env={**TRUSTED, **secrets}))

    found = json.loads(_output(world, "stdout"))
    assert {name: value for name, value in found.items() if name.startswith("GR2_")} == {
        "GR2_WORKSPACE": world.root,
        "GR2_REPO": "app",
        "GR2_ACTOR": world.actor,
        "GR2_OPERATION_ID": result.operation_id,
    }
    assert found["LC_TIME"] == "C"
    assert not {"GITHUB_TOKEN", "SSH_AUTH_SOCK", "AWS_X"} & set(found)


def test_more_of_the_environment_only_by_the_user_s_configuration(world: World) -> None:
    hooked(world, _hook(PYTHON), {"hook.py": "import os\nprint(os.environ.get('NPM_TOKEN'))\n"})
    world.write(f"{world.home}/.config/gr2/config.toml", '[hooks]\nenv_pass = ["NPM_TOKEN"]\n')

    apply(world.session(env={**TRUSTED, "NPM_TOKEN": "mine"}))

    assert _output(world, "stdout") == b"mine\n"


def _ended(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
