"""Which plugin is used for a name, and what keeps one from being used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from gr2.errors import Blocked, Failed, Gr2Error, Invalid
from gr2.plugin.manager import Plugins, open_plugins
from gr2.store.settings import load_settings
from tests.plugin.conftest import COMMAND, STRATEGY, Place

KEEP = STRATEGY.format(name="keep", module="{module}", object="Keep")
HELLO = COMMAND.replace("{name}", "hello")


@pytest.fixture
def opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens the plugins of `place` in this process; gives them and the lines they warned with."""

    def open_them(*, disabled: bool = False, env: Mapping[str, str | None] | None = None) -> tuple[Plugins, list[str]]:
        monkeypatch.syspath_prepend(place.folder)
        lines: list[str] = []
        environ = place.world.environ(place.env(env))
        return open_plugins(load_settings(environ), environ, disabled=disabled, warn=lines.append), lines

    return open_them


def _install_strategy(place: Place, plugin: str, *, name: str = "keep", distribution: str = "", body: str = "") -> None:
    module = f"{plugin.replace('-', '_')}_impl"
    source = STRATEGY.format(name=name, module=module, object="Keep")
    implementation = (
        body or "class Keep:\n    def __init__(self, ctx): self.ctx = ctx\n    def hello(self): return 'hi'\n"
    )
    place.install(plugin, source, distribution=distribution, more={f"{module}.py": implementation})


def test_the_built_ins_are_always_there(opened: Any) -> None:
    plugins, _ = opened(disabled=True)

    assert set(plugins.names("strategy")) == {"stash", "block", "discard"}
    assert plugins.names("platform") == ("local",)
    assert plugins.names("runtime") == ("command",)
    assert plugins.names("sink") == ("stdout", "webhook")


def test_names_are_sorted_whatever_the_order_of_installation(place: Place, opened: Any) -> None:
    for name in ("zeta", "alpha", "mid"):
        _install_strategy(place, name, name=f"keep-{name}")

    plugins, _ = opened()

    assert plugins.names("strategy") == ("block", "discard", "keep-alpha", "keep-mid", "keep-zeta", "stash")


def test_an_unknown_name_is_invalid_and_the_near_one_is_suggested(opened: Any) -> None:
    plugins, _ = opened()

    with pytest.raises(Invalid) as raised:
        plugins.find("strategy", "stahs")

    assert raised.value.code == "unknown_plugin"
    assert raised.value.details["suggestion"] == "stash"


def test_a_name_that_only_a_broken_plugin_can_have_is_plugin_failed(place: Place, opened: Any) -> None:
    place.install("keeper", "import nothing_there")

    plugins, lines = opened()
    with pytest.raises(Failed) as raised:
        plugins.find("strategy", "preserve")

    assert raised.value.code == "plugin_failed"
    assert "keeper (gr2-keeper 1.0)" in raised.value.message
    assert len(lines) == 1


def test_two_plugins_with_one_name_conflict_when_it_is_used(place: Place, opened: Any) -> None:
    _install_strategy(place, "one")
    _install_strategy(place, "two")

    plugins, lines = opened()
    plugins.find("strategy", "stash")
    with pytest.raises(Blocked) as raised:
        plugins.find("strategy", "keep")

    assert raised.value.code == "plugin_conflict"
    assert raised.value.details["distributions"] == ["gr2-one", "gr2-two"]
    assert "gr2-one and gr2-two" in raised.value.message
    assert lines == []


@pytest.mark.parametrize("wanted", ["gr2-two", "GR2_two", "two"])
def test_prefer_decides_between_two_plugins(place: Place, opened: Any, wanted: str) -> None:
    _install_strategy(place, "one")
    _install_strategy(place, "two")
    place.configure(f'[plugins]\nprefer = {{"strategy.keep" = "{wanted}"}}\n')

    plugins, _ = opened()

    assert plugins.find("strategy", "keep").plugin.name == "two"


def test_a_plugin_that_takes_a_built_in_name_conflicts_with_gr2(place: Place, opened: Any) -> None:
    _install_strategy(place, "one", name="stash")

    plugins, _ = opened()
    with pytest.raises(Blocked) as raised:
        plugins.find("strategy", "stash")

    assert raised.value.details["distributions"] == ["gr2", "gr2-one"]


def test_two_distributions_with_one_entry_point_name_both_stay_out(place: Place) -> None:
    place.install("same", HELLO, distribution="gr2-one")
    place.install("same", f"open({place.folder!r} + '/touched', 'w')", distribution="gr2-two")

    document = place.gr2("plugins", "check", "same", "--json")

    assert document.exit_code == 1
    assert [row["state"] for row in document.json["plugins"]] == ["conflict", "conflict"]
    assert set(document.codes) == {"plugin_conflict"}
    assert "gr2-one and gr2-two" in document.json["issues"][0]["message"]
    assert not os.path.exists(os.path.join(place.folder, "touched"))
    assert place.gr2("hello").exit_code == 2


@pytest.mark.parametrize("name", ["Upper", "has_underscore", "1st", "builtin"])
def test_an_entry_point_with_a_name_that_is_not_allowed_is_not_loaded(place: Place, name: str) -> None:
    place.install(name, f"open({place.folder!r} + '/touched', 'w')", distribution="gr2-odd")

    document = place.gr2("plugins", "check", "--json")

    assert document.exit_code == 1
    assert not os.path.exists(os.path.join(place.folder, "touched"))


@pytest.mark.parametrize(
    "switch",
    [
        {"env": {"GR2_DISABLE_PLUGINS": "hello"}},
        {"env": {"GR2_DISABLE_PLUGINS": "other, gr2-hello"}},
        {"env": {"GR2_DISABLE_PLUGINS": "GR2_Hello"}},
        {"config": '[plugins]\ndisabled = ["hello"]\n'},
        {"config": '[plugins]\ndisabled = ["gr2-hello"]\n'},
        {"args": ("--no-plugins",)},
    ],
)
def test_a_disabled_plugin_is_not_imported_at_all(place: Place, switch: dict[str, Any]) -> None:
    place.install("hello", f"open({place.folder!r} + '/touched', 'w')\n" + HELLO)
    place.configure(switch.get("config", ""))
    args, env = switch.get("args", ()), switch.get("env")

    used = place.gr2(*args, "hello", env=env)
    checked = place.gr2(*args, "plugins", "list", "--json", env=env)

    assert used.exit_code == 2
    assert [row["state"] for row in checked.json["plugins"] if row["name"] == "hello"] == ["disabled"]
    assert not os.path.exists(os.path.join(place.folder, "touched"))


def test_no_plugins_may_follow_the_command_it_makes_unknown(place: Place) -> None:
    place.install("hello", f"open({place.folder!r} + '/touched', 'w')\n" + HELLO)

    ran = place.gr2("hello", "--no-plugins")

    assert ran.exit_code == 2
    assert not os.path.exists(os.path.join(place.folder, "touched"))


def test_check_leaves_disabled_plugins_alone(place: Place) -> None:
    place.install("broken", f"open({place.folder!r} + '/touched', 'w')\nraise SystemExit")

    ran = place.gr2("plugins", "check", "broken", env={"GR2_DISABLE_PLUGINS": "broken"})

    assert ran.exit_code == 0
    assert not os.path.exists(os.path.join(place.folder, "touched"))


@pytest.mark.parametrize(
    ("api", "state"), [("1", "ok"), ("2", "incompatible"), ("0", "incompatible"), ("-1", "incompatible")]
)
def test_only_this_version_of_the_api_and_the_one_before_are_loaded(place: Place, api: str, state: str) -> None:
    place.install("versioned", f"gr2_api = {api}")
    place.examine()

    row = place.row("versioned")

    assert (row["state"], row["api"]) == (state, int(api))


MISSPELT = """
from gr2.api import hookimpl
import gr2_versioned_helper
gr2_api = 1
gr2_setings = "a:B"
@hookimpl
def gr2_platfrom_adapters(): return []
@hookimpl(specname="gr2_event_sink")
def sinks(): return []
def gr2_commands(): return []
"""


def test_misspelt_hooks_are_reported_with_a_suggestion(place: Place) -> None:
    place.install("versioned", MISSPELT, more={"gr2_versioned_helper.py": ""})

    ran = place.gr2("plugins", "check", "versioned", "--json")

    messages = [issue["message"].partition(": ")[2] for issue in ran.json["issues"]]
    assert ran.exit_code == 1
    assert messages == [
        "gr2_commands is not marked with @hookimpl, so it is never called",
        "there is no hookspec gr2_platfrom_adapters, did you mean gr2_platform_adapters",
        "nothing reads the attribute gr2_setings, did you mean gr2_settings",
        "there is no hookspec gr2_event_sink, did you mean gr2_event_sinks",
    ]


def test_check_finds_what_is_named_and_cannot_be_imported_or_used(place: Place) -> None:
    _install_strategy(place, "one", body="class Other: pass")
    _install_strategy(place, "two", name="keep-two", body="class Keep: pass")
    place.install("hello", HELLO.replace('PluginCommand(name="hello"', 'PluginCommand(name="other"'))

    ran = place.gr2("plugins", "check", "--json")

    text = " ".join(issue["message"] for issue in ran.json["issues"])
    assert ran.exit_code == 1
    assert "has no attribute 'Keep'" in text
    assert "strategy keep-two (two_impl:Keep) has no plan, put_away, restore" in text
    assert "calls itself other" in text


def test_check_reports_a_command_that_takes_a_word_of_the_core(place: Place) -> None:
    place.install("thief", COMMAND.replace("{name}", "lane"))

    ran = place.gr2("plugins", "check", "thief", "--json")

    assert ran.codes == ["plugin_conflict"]
    assert "Says hello." not in place.gr2("--help").stdout


def test_an_unknown_plugin_is_invalid_with_a_suggestion(place: Place) -> None:
    place.install("hello", HELLO)

    for command in ("show", "check"):
        ran = place.gr2("plugins", command, "helo", "--json")

        assert ran.exit_code == 2
        assert ran.codes == ["unknown_plugin"]
        assert ran.json["issues"][0]["details"] == {"suggestion": "hello"}


def test_a_thing_is_made_with_its_context_and_its_methods_are_called(place: Place, opened: Any) -> None:
    _install_strategy(place, "one")

    plugins, _ = opened()
    made = plugins.make("strategy", "keep", None)

    assert made.hello() == "hi"
    assert made.ctx.name == "keep"


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit",
        "class Keep:\n    def __init__(self, ctx): raise KeyboardInterrupt\n",
        "class Keep:\n    def __init__(self, ctx): pass\n    def hello(self): raise SystemExit(0)\n",
        "class Keep:\n    def __init__(self, ctx): pass\n",
        "class Keep:\n    def __init__(self, ctx): pass\n    @property\n    def hello(self): 1/0\n",
    ],
)
def test_a_chosen_thing_that_fails_is_plugin_failed(place: Place, opened: Any, body: str) -> None:
    _install_strategy(place, "one", body=body)

    plugins, _ = opened()
    with pytest.raises(Gr2Error) as raised:
        plugins.make("strategy", "keep", None).hello()

    assert (raised.value.code, raised.value.status) == ("plugin_failed", "failed")
    assert raised.value.hint == "gr2 plugins show one"


def test_errors_of_gr2s_own_kind_pass_through_a_plugin(place: Place, opened: Any) -> None:
    body = (
        "from gr2.api import Blocked\nclass Keep:\n    def __init__(self, ctx): pass\n"
        "    def hello(self): raise Blocked('dirty_lane_repo', 'there is work')\n"
    )
    _install_strategy(place, "one", body=body)

    plugins, _ = opened()
    with pytest.raises(Blocked, match="there is work"):
        plugins.make("strategy", "keep", None).hello()


def test_what_a_plugin_prints_when_called_goes_to_stderr(
    place: Place, opened: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    body = (
        "import os\nclass Keep:\n    def __init__(self, ctx): print('made')\n"
        "    def hello(self):\n        print('python')\n        os.system('echo child')\n"
    )
    _install_strategy(place, "one", body=body)

    plugins, _ = opened()
    plugins.make("strategy", "keep", None).hello()
    os.write(1, b"ours\n")

    out, err = capfd.readouterr()
    assert out == "ours\n"
    assert "child" in err
