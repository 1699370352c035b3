"""What every hook runtime promises, as tests. Derive a class, set `runtime`, and let pytest run it:

class TestUv(HookRuntimeContract):
    runtime = "gr2_example.runtime:UvRuntime"
"""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

import pytest

from gr2.api import HookOutcome, HookRequest, HookRuntime, PluginContext
from gr2.plugin.isolation import import_object
from gr2.testing.world import World

ODD_VALUES = [
    "two words",
    'a "quoted" word',
    "it's",
    "$(touch made)",
    "`touch made`",
    "$HOME",
    "a;b|c&d>e<f",
    "line one\nline two",
    "\ttab",
    "-rf",
    "--help",
    "*",
    "~",
    "",
    "#no comment",
    "back\\slash",
    "{repo_name} {{x}}",
    "%s %d",
    "na\u00efve \u202e \U0001f600",
    "\x1b[31mred",
]


class HookRuntimeContract:
    """A runtime that passes runs what it is told and nothing else, ends it in time, and keeps its output."""

    runtime: ClassVar[str] = ""
    """`package.module:Class`, as its provider names it."""

    settings: ClassVar[Any] = None
    """What `PluginContext.settings` holds for it."""

    python: ClassVar[str] = sys.executable
    """How a command names Python here."""

    def make(self, world: World) -> HookRuntime:
        """The runtime, made as gr2 makes it."""
        context = PluginContext(name="contract", session=world.session(), load_settings=lambda: self.settings)
        found: HookRuntime = import_object(self.runtime)(context)
        return found

    def checkout(self, world: World) -> str:
        """An empty directory to run in."""
        path = world.path("repos/app")
        os.makedirs(path, exist_ok=True)
        return path

    def run(self, world: World, script: str, *arguments: str, **request: Any) -> HookOutcome:
        """Run a Python script, which finds `arguments` in `sys.argv`."""
        checkout = self.checkout(world)
        path = world.write(f"{checkout}/hook.py", script)
        values = {"script": path, **{f"v{number}": text for number, text in enumerate(arguments)}}
        words = " ".join(["{script}", *(f"{{v{number}}}" for number in range(len(arguments)))])
        told: dict[str, Any] = {
            "command": f"{self.python} {words}",
            "cwd": checkout,
            "env": world.environ(),
            "variables": values,
            "timeout_seconds": 60.0,
            "repo": "app",
            "checkout": checkout,
            **request,
        }
        return self.make(world).run(HookRequest(**told))

    def test_a_command_that_ends_well_is_told_with_its_output(self, world: World) -> None:
        script = "import sys; print('out'); print('err', file=sys.stderr)"

        done = self.run(world, script)

        assert (done.exit_code, done.timed_out) == (0, False), done.stderr
        assert done.stdout.endswith(b"out\n")
        assert done.stderr.endswith(b"err\n")
        assert done.duration_ms >= 0

    def test_the_exit_code_is_the_command_s(self, world: World) -> None:
        assert self.run(world, "raise SystemExit(7)").exit_code == 7

    @pytest.mark.parametrize("value", ODD_VALUES)
    def test_any_value_reaches_the_command_as_one_argument(self, world: World, value: str) -> None:
        script = "import os, sys; os.write(1, b'<' + b'|'.join(map(os.fsencode, sys.argv[1:])) + b'>')"

        done = self.run(world, script, value, "last")

        assert f"<{value}|last>".encode() in done.stdout
        assert os.listdir(self.checkout(world)) == ["hook.py"]

    def test_it_runs_in_the_directory_it_is_told(self, world: World) -> None:
        done = self.run(world, "import os; print(os.getcwd())")

        assert os.fsencode(os.path.realpath(self.checkout(world))) in done.stdout

    def test_the_environment_is_the_one_it_is_told(self, world: World) -> None:
        env = {**world.environ(), "GR2_REPO": "app", "SAID": "yes"}
        del env["LANG"]

        done = self.run(world, "import os; print(os.environ.get('SAID'), os.environ.get('LANG'))", env=env)

        assert done.stdout.endswith(b"yes None\n")

    def test_stdin_is_closed(self, world: World) -> None:
        assert self.run(world, "import sys; sys.exit(len(sys.stdin.read()))").exit_code == 0

    def test_a_command_that_does_not_end_is_ended_with_all_it_started(self, world: World) -> None:
        script = (
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "open('pid', 'w').write(str(child.pid))\n"
            "time.sleep(600)\n"
        )

        done = self.run(world, script, timeout_seconds=3.0)

        assert (done.exit_code, done.timed_out) == (124, True)
        pid = int(world.read(f"{self.checkout(world)}/pid"))
        assert _has_ended(pid)

    def test_a_signal_is_told_as_128_and_its_number(self, world: World) -> None:
        assert self.run(world, "import os; os.kill(os.getpid(), 9)").exit_code == 137

    def test_a_program_that_is_not_there_is_127(self, world: World) -> None:
        request = HookRequest(
            command="gr2-no-such-program x",
            cwd=self.checkout(world),
            env=world.environ(),
            variables={},
            timeout_seconds=60.0,
        )

        done = self.make(world).run(request)

        assert done.exit_code == 127
        assert b"gr2-no-such-program" in done.stderr

    def test_of_endless_output_beginning_and_end_are_kept(self, world: World) -> None:
        script = (
            "import os\nos.write(1, b'first')\nfor _ in range(200): os.write(1, b'x' * 10000)\nos.write(1, b'last')"
        )

        done = self.run(world, script, keep_bytes=2000)

        assert b"first" in done.stdout[:2000]
        assert done.stdout.endswith(b"last")
        assert len(done.stdout) < 6000

    def test_planning_finds_a_command_that_could_never_run(self, world: World) -> None:
        runtime = self.make(world)

        assert runtime.fault(f"{self.python} -c 'pass'") is None
        assert runtime.fault("sh -c 'not closed")
        assert runtime.fault("")


def _has_ended(pid: int) -> bool:
    import time

    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat", encoding="utf-8") if os.path.isdir("/proc") else open(os.devnull) as file:
            if ") Z " in file.read():
                return True
        time.sleep(0.05)
    return False
