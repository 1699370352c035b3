"""The files of a new plugin, kind by kind. Each is a small thing that works, to be changed from there."""

from __future__ import annotations

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.24"]
build-backend = "hatchling.build"

[project]
name = "gr2-@name@"
version = "0.1.0"
description = "@what@ for gr2"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["gr2"@more@]

[project.entry-points."gr2.plugins"]
@name@ = "@package@.plugin"

[tool.hatch.build.targets.wheel]
packages = ["src/@package@"]

[tool.pytest.ini_options]
pythonpath = ["src"]
addopts = ["--import-mode=importlib"]
filterwarnings = ["error"]
"""

_README = """\
# gr2-@name@

@what@ for [gr2](https://pypi.org/project/gr2/).

```
pip install -e .
gr2 plugins check @name@
python -m pytest
```
"""

_REGISTERS = '''\
"""What this distribution registers with gr2. Keep this module cheap: nothing heavy is imported here."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1


@hookimpl
def @hook@() -> list[Provider]:
    """@what@."""
    return [Provider("@name@", "@package@.@module@:@object@", "@what@.")]
'''

_TEST = '''\
"""The contract every plugin keeps, and what is special about this one."""

from __future__ import annotations

@api@from gr2.testing import PluginContract
@own@

class TestPlugin(PluginContract):
    """Run by pytest: see `PluginContract`."""

    target = "@package@.plugin"
@test@'''

_CONSTRAINT = '''\
"""A constraint: it may block any mutating operation. The spec makes it binding:

    [workspace_constraints]
    requires = ["@name@"]
"""

from __future__ import annotations

from gr2.api import Block, OperationContext, hookimpl

gr2_api = 1


@hookimpl
def gr2_check_operation(ctx: OperationContext) -> Block | None:
    """Lanes are made by people and agents that have a unit."""
    if ctx.operation == "lane.create" and not ctx.unit:
        return Block(code="unit_missing", reason="a lane needs a unit here", hint="gr2 lane create NAME --unit UNIT")
    return None
'''

_CONSTRAINT_TEST = """

def test_a_lane_without_a_unit_is_blocked() -> None:
    ctx = OperationContext(operation="lane.create", root="/w", spec=Spec(workspace_name="w"), actor="human:ann")

    block = gr2_check_operation(ctx)

    assert block is not None
    assert block.code == "unit_missing"


def test_other_operations_are_allowed() -> None:
    ctx = OperationContext(operation="apply", root="/w", spec=Spec(workspace_name="w"), actor="human:ann")

    assert gr2_check_operation(ctx) is None
"""

_COMMAND = '''\
"""`gr2 @name@`: a command that gets the global options, JSON and exit codes from gr2."""

from __future__ import annotations

from dataclasses import dataclass

from gr2.api import Argument, PluginCommand, Result, Screen, Session, Status


@dataclass(frozen=True, kw_only=True)
class @class@Result(Result):
    """Its fields are the JSON document."""

    workspace: str
    words: tuple[str, ...]


def run(session: Session, words: tuple[str, ...]) -> @class@Result:
    """Say which workspace this is, and repeat WORDS."""
    return @class@Result(status=Status.OK, workspace=session.spec.workspace_name, words=words)


def text(result: @class@Result, screen: Screen) -> None:
    """The same for people."""
    screen.line(" ".join((result.workspace, *result.words)))


COMMAND = PluginCommand(
    name="@name@",
    help="Say which workspace this is.",
    run=run,
    text=text,
    params=(Argument(name="words", required=False, many=True),),
)
'''

_DOCTOR = '''\
"""A question that `gr2 doctor` also asks."""

from __future__ import annotations

from gr2.api import CheckRow, PluginContext


class @class@Check:
    """Whether the workspace has a name that is not too long."""

    def __init__(self, ctx: PluginContext) -> None:
        self._session = ctx.session

    def run(self) -> tuple[CheckRow, ...]:
        """Look. Changes nothing."""
        name = self._session.spec.workspace_name
        result = "ok" if len(name) <= 40 else "warn"
        return (CheckRow(id="@name@", result=result, message=f"the workspace's name has {len(name)} characters"),)

    def fix(self, row: CheckRow) -> CheckRow:
        """There is nothing gr2 could do about it."""
        return row
'''

_SINK = '''\
"""Events, appended to a file as JSON Lines. Switch it on in your configuration:

    [events]
    sinks = ["@name@"]
    [plugins.@name@]
    file = "/tmp/events.jsonl"
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from gr2.api import Delivery, PluginContext


class @class@Sink:
    """At least once, in order."""

    batch_size = 100

    def __init__(self, ctx: PluginContext) -> None:
        self._file = ctx.settings.file

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Append them all, or say why they must wait."""
        try:
            with open(self._file, "a", encoding="utf-8") as file:
                file.writelines(json.dumps(event) + "\\n" for event in events)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return Delivery(accepted=0, unavailable=str(error))
        return Delivery(accepted=len(events))

    def close(self) -> None:
        """Nothing is kept open."""
'''

_SINK_SETTINGS = '''\
"""Settings: `[plugins.@name@]`."""

from __future__ import annotations

from pydantic import BaseModel


class Settings(BaseModel):
    """file: where events go."""

    file: str = "events.jsonl"
'''

_RUNTIME = '''\
"""Runs a hook's command with the words of `@name@` before it."""

from __future__ import annotations

import shlex

from gr2.api import Command, HookOutcome, HookRequest, PluginContext

BEFORE = ("env",)


class @class@Runtime:
    """`runtime = "@name@"` in hooks.toml."""

    def __init__(self, ctx: PluginContext) -> None:
        self._session = ctx.session

    def fault(self, command: str) -> str | None:
        """Why it could never run: only its quoting can be wrong."""
        try:
            words = shlex.split(command)
        except ValueError as error:
            return str(error).lower()
        return None if words else "the command is empty"

    def run(self, request: HookRequest) -> HookOutcome:
        """Split, put the variables in, run without a shell."""
        words = [_filled(word, request) for word in shlex.split(request.command)]
        done = self._session.runner.run(
            Command(
                argv=(*BEFORE, *words),
                cwd=request.cwd,
                env=request.env,
                timeout=request.timeout_seconds,
                head=request.keep_bytes,
                tail=request.keep_bytes,
            )
        )
        return HookOutcome(
            exit_code=done.exit_code,
            stdout=done.stdout,
            stderr=done.stderr,
            duration_ms=done.duration_ms,
            timed_out=done.timed_out,
        )


def _filled(word: str, request: HookRequest) -> str:
    for name, value in request.variables.items():
        if word == "{" + name + "}":
            return value
    return word
'''

_STRATEGY = '''\
"""`--dirty @name@`: refuses, as `block` does, but says how many files there are."""

from __future__ import annotations

from gr2.api import Blocked, DirtyCheckout, Issue, PluginContext, PutAway


class @class@Strategy:
    """Never touches anything."""

    restores = False

    def __init__(self, ctx: PluginContext) -> None:
        self._session = ctx.session

    def plan(self, checkout: DirtyCheckout) -> tuple[Issue, ...]:
        """Why the work is in the way."""
        return (
            Issue(
                code="dirty_lane_repo",
                scope="repo",
                subject=checkout.repo,
                message=f"{checkout.repo} has {len(checkout.files)} uncommitted files",
                hint="commit them first",
            ),
        )

    def put_away(self, checkout: DirtyCheckout) -> PutAway:
        """Refuse."""
        issue = self.plan(checkout)[0]
        raise Blocked(issue.code, issue.message, scope=issue.scope, subject=issue.subject, hint=issue.hint)

    def restore(self, checkout: DirtyCheckout, saved_id: str) -> tuple[Issue, ...]:
        """There is never anything to put back."""
        return ()
'''

_PLATFORM = '''\
"""A code host. Every call that is not written yet says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from gr2.api import AuthStatus, Capabilities, PluginContext, PullRef, Unsupported


class @class@Platform:
    """Repositories whose URL begins with `PREFIX`."""

    PREFIX = "https://@name@.example/"

    def __init__(self, ctx: PluginContext) -> None:
        self._session = ctx.session

    def matches(self, url: str) -> bool:
        """Whether `url` is on this platform."""
        return url.startswith(self.PREFIX)

    def auth_status(self, url: str) -> AuthStatus:
        """Nobody is signed in yet."""
        return AuthStatus(signed_in=False, message="signing in is not written yet")

    def capabilities(self, url: str) -> Capabilities:
        """What this platform can do."""
        return Capabilities(draft=False)

    def pr_ref(self, ref: PullRef) -> str:
        """The ref that holds a pull request's head."""
        return f"refs/pull/{ref.number}/head"

@calls@

def _unwritten(what: str) -> NoReturn:
    raise Unsupported(f"@name@ cannot {what} yet")
'''

_CALLS = (
    ("create_pr(self, new: Any, *, timeout: float | None = None) -> Any", "open pull requests"),
    ("get_pr(self, ref: PullRef, *, timeout: float | None = None) -> Any", "read pull requests"),
    ("list_prs(self, url: str, **query: Any) -> Any", "list pull requests"),
    ("update_pr_body(self, ref: PullRef, body: str, *, timeout: float | None = None) -> None", "edit pull requests"),
    ("mark_ready(self, ref: PullRef, *, timeout: float | None = None) -> None", "take pull requests out of draft"),
    ("pr_checks(self, ref: PullRef, *, timeout: float | None = None) -> Any", "read checks"),
    ("pr_reviews(self, ref: PullRef, *, timeout: float | None = None) -> Any", "read reviews"),
    ("merge_pr(self, ref: PullRef, **how: Any) -> Any", "merge"),
    ("enable_auto_merge(self, ref: PullRef, **how: Any) -> None", "merge by itself"),
    (
        "prs_overview(self, refs: Sequence[PullRef], *, timeout: float | None = None) -> Mapping[PullRef, Any]",
        "read many pull requests at once",
    ),
    (
        "branch_heads(self, urls: Sequence[str], *, timeout: float | None = None) -> Mapping[str, Any]",
        "read many branches at once",
    ),
)


def _calls() -> str:
    return "\n".join(
        f'    def {signature}:\n        """Not written yet."""\n        _unwritten("{what}")\n'
        for signature, what in _CALLS
    )


_PLATFORM_TEST = """

def test_it_takes_its_own_urls_only() -> None:
    platform = @class@Platform(PluginContext(name="@name@", session=None))

    assert platform.matches("https://@name@.example/shop/app.git")
    assert not platform.matches("https://example.org/shop/app.git")
"""

# kind: (further tests, what they import of gr2, and of the plugin itself)
_TESTS = {
    "constraint": (
        _CONSTRAINT_TEST,
        "from gr2.api import OperationContext, Spec\n",
        "\nfrom @package@.plugin import gr2_check_operation\n",
    ),
    "platform": (
        _PLATFORM_TEST,
        "from gr2.api import PluginContext\n",
        "\nfrom @package@.platform import @class@Platform\n",
    ),
}

# kind: (hookspec, what it is, module, suffix of the object's name)
KINDS = {
    "platform": ("gr2_platform_adapters", "A code host", "platform", "Platform"),
    "strategy": ("gr2_dirty_strategies", "A dirty strategy", "strategy", "Strategy"),
    "runtime": ("gr2_hook_runtimes", "A hook runtime", "runtime", "Runtime"),
    "sink": ("gr2_event_sinks", "An event sink", "sink", "Sink"),
    "constraint": ("gr2_check_operation", "A constraint", "plugin", ""),
    "command": ("gr2_commands", "A command", "command", ""),
    "doctor": ("gr2_doctor_checks", "A doctor check", "doctor", "Check"),
}
_BODIES = {
    "platform": _PLATFORM,
    "strategy": _STRATEGY,
    "runtime": _RUNTIME,
    "sink": _SINK,
    "command": _COMMAND,
    "doctor": _DOCTOR,
}


def files_of(kind: str, name: str) -> dict[str, str]:
    """The files of a new plugin: relative path to text. `kind` is one of `KINDS`."""
    hook, what, module, suffix = KINDS[kind]
    package = f"gr2_{name.replace('-', '_')}"
    words = "".join(part[:1].upper() + part[1:] for part in name.split("-") if part) or "Plugin"
    test, api, own = _TESTS.get(kind, ("", "", ""))
    known = {
        "test": test,
        "api": api,
        "own": own,
        "calls": _calls(),
        "hook": hook,
        "what": what,
        "module": module,
        "object": "COMMAND" if kind == "command" else f"{words}{suffix}",
        "more": ', "pydantic>=2.7,<3"' if kind == "sink" else "",
        "package": package,
        "class": words,
        "name": name,
    }
    folder = f"src/{package}"
    texts = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"{folder}/__init__.py": f'"""{what} for gr2."""\n',
        f"{folder}/plugin.py": _CONSTRAINT if kind == "constraint" else _REGISTERS,
        "tests/test_plugin.py": _TEST,
    }
    if kind in _BODIES:
        texts[f"{folder}/{module}.py"] = _BODIES[kind]
    if kind == "sink":
        texts[f"{folder}/settings.py"] = _SINK_SETTINGS
        texts[f"{folder}/plugin.py"] = _REGISTERS.replace(
            "gr2_api = 1\n", 'gr2_api = 1\ngr2_settings = "@package@.settings:Settings"\n'
        )
    return {path: _filled(text, known) for path, text in texts.items()}


def _filled(text: str, known: dict[str, str]) -> str:
    # In order: earlier values may hold later placeholders.
    for key, value in known.items():
        text = text.replace(f"@{key}@", value)
    return text
