"""What every plugin promises, as tests. Derive a class, set `target`, and let pytest run it:

class TestPlugin(PluginContract):
    target = "gr2_example.plugin"
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, ClassVar

from gr2.edges.process import Command, Completed, Runner
from gr2.plugin.probe import examine
from gr2.plugin.provider import API_VERSION, FAMILIES
from gr2.plugin.site import import_path

_PURE = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
def audit(event, args):
    if armed and event in {"open", "socket.connect", "subprocess.Popen", "os.system", "os.putenv", "os.mkdir"}:
        if event != "open" or not str(args[0]).endswith((".py", ".pyc", ".so")):
            touched.append(event)
armed, touched = False, []
sys.addaudithook(audit)
from gr2.plugin.isolation import import_object
from gr2.plugin.provider import FAMILIES
plugin = import_object(request["target"])
answers = []
for round in range(2):
    armed = True
    found = [list(getattr(plugin, hook)()) for hook in FAMILIES if hasattr(plugin, hook)]
    armed = False
    answers.append(repr(found))
print(json.dumps({"touched": touched, "same": answers[0] == answers[1]}), file=sys.stderr)
"""


class PluginContract:
    """A plugin that passes is listed as `ok` by `gr2 plugins check` and costs others nothing."""

    target: ClassVar[str] = ""
    """What the entry point names: `package.module`, or `package.module:object`."""

    def _answer(self) -> dict[str, Any]:
        script = (
            "import sys, json; request = json.load(sys.stdin); sys.path[:] = request['path']; "
            "from gr2.plugin.probe import main; main(request)"
        )
        completed = self._python(script)
        assert completed.stdout, f"the process that imported {self.target} died: {completed.stderr.decode()}"
        found: dict[str, Any] = json.loads(completed.stdout)
        return found

    def _python(self, script: str) -> Completed:
        request = {"path": import_path(), "target": self.target, "api": API_VERSION, "deep": True}
        return Runner().run(
            Command(
                argv=(sys.executable, "-P", "-c", script),
                env=dict(os.environ),
                input=json.dumps(request).encode(),
                timeout=60,
            )
        )

    def test_it_imports_and_registers(self) -> None:
        found = self._answer()

        assert found["state"] == "ok", f"{found['error']}\n{found['trace']}"

    def test_it_says_which_api_it_is_for(self) -> None:
        assert self._answer()["api"] in {API_VERSION, API_VERSION - 1}

    def test_everything_it_names_can_be_imported_and_keeps_its_protocol(self) -> None:
        assert self._answer()["faults"] == []

    def test_everything_it_provides_has_a_line_of_help(self) -> None:
        assert [row["name"] for row in self._answer()["provides"] if not row["help"].strip()] == []

    def test_the_collecting_hooks_touch_nothing_and_always_answer_the_same(self) -> None:
        completed = self._python(_PURE)

        assert completed.exit_code == 0, completed.stderr.decode()
        found = json.loads(completed.stderr.splitlines()[-1])
        assert found == {"touched": [], "same": True}

    def test_it_prints_nothing_when_it_is_imported(self) -> None:
        completed = self._python(_PURE)

        assert completed.stdout == b""

    def test_examining_it_here_and_in_a_process_of_its_own_gives_one_answer(self) -> None:
        here = examine(self.target, api=API_VERSION, deep=False)

        assert here["provides"] == self._answer()["provides"]
        assert {row["family"] for row in here["provides"]} <= set(FAMILIES.values())
