"""Settings of plugins are checked by the plugin's own model."""

from __future__ import annotations

from typing import Any

import pytest

from gr2.errors import Failed, Invalid
from gr2.plugin.manager import Plugins, open_plugins
from gr2.session import Session
from tests.plugin.conftest import Place

PLUGIN = """
from gr2.api import Provider, hookimpl
gr2_api = 1
gr2_settings = "keeper_model:Settings"
@hookimpl
def gr2_dirty_strategies():
    return [Provider("keep", "keeper_model:Keep", "Keeps.")]
"""
MODEL = """
from pydantic import BaseModel
class Settings(BaseModel):
    host: str = "example.org"
    retries: int = 3
class Keep:
    def __init__(self, ctx): self.settings = ctx.settings
"""


@pytest.fixture
def opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens plugins with the given user configuration and spec."""

    def open_them(
        *, config: str = "", spec: str = "", model: str = MODEL, plugin: str = PLUGIN
    ) -> tuple[Session, Plugins]:
        monkeypatch.syspath_prepend(place.folder)
        place.install("keeper", plugin, more={"keeper_model.py": model})
        place.configure(config)
        place.world.write_spec(repos=(), units=(), extra=spec)
        session = place.world.session(env=place.env())
        return session, open_plugins(session.settings, session.asked.environ)

    return open_them


def test_the_models_defaults_hold_without_settings(opened: Any) -> None:
    session, plugins = opened()

    made = plugins.make("strategy", "keep", session)

    assert (made.settings.host, made.settings.retries) == ("example.org", 3)


def test_the_spec_wins_over_the_users_configuration_key_by_key(opened: Any) -> None:
    session, plugins = opened(
        config='[plugins.keeper]\nhost = "users"\nretries = 5\n', spec='[plugins.keeper]\nhost = "specs"\n'
    )

    made = plugins.make("strategy", "keep", session)

    assert (made.settings.host, made.settings.retries) == ("specs", 5)


def test_an_unknown_key_is_invalid_config_with_a_suggestion(opened: Any) -> None:
    session, plugins = opened(spec="[plugins.keeper]\nretrys = 5\n")

    with pytest.raises(Invalid) as raised:
        plugins.make("strategy", "keep", session)

    assert raised.value.code == "invalid_config"
    assert raised.value.subject == "plugins.keeper.retrys"
    assert raised.value.details == {"suggestion": "retries"}


def test_a_wrong_value_is_invalid_config_and_names_its_key(opened: Any) -> None:
    session, plugins = opened(config='[plugins.keeper]\nretries = "many"\n')

    with pytest.raises(Invalid) as raised:
        plugins.make("strategy", "keep", session)

    assert raised.value.subject == "plugins.keeper.retries"


@pytest.mark.parametrize("model", ["1/0", "raise SystemExit", "Settings = 3", ""])
def test_a_model_that_fails_is_plugin_failed(opened: Any, model: str) -> None:
    source = f"class Keep:\n    def __init__(self, ctx): pass\n{model}\n"
    session, plugins = opened(model=source, config="[plugins.keeper]\nretries = 1\n")

    with pytest.raises(Failed) as raised:
        plugins.make("strategy", "keep", session)

    assert raised.value.code == "plugin_failed"


def test_validation_of_the_spec_reports_wrong_settings_and_settings_of_nobody(opened: Any) -> None:
    session, plugins = opened(spec="[plugins.keeper]\nretrys = 5\n[plugins.keepr]\n[plugins.distant]\n")

    issues = plugins.validate_spec(session.spec, session.root)

    assert [(issue.code, issue.subject, issue.blocking) for issue in issues] == [
        ("unknown_plugin", "plugins.distant", False),
        ("invalid_config", "plugins.keeper.retrys", True),
        ("unknown_plugin", "plugins.keepr", False),
    ]
    assert issues[2].details == {"suggestion": "keeper"}


def test_a_thing_may_have_a_table_of_its_own(opened: Any) -> None:
    plugin = PLUGIN.replace('"keeper_model:Settings"', '{"keep": "keeper_model:Settings"}')
    session, plugins = opened(plugin=plugin, config="[plugins.keep]\nretries = 9\n")

    assert plugins.make("strategy", "keep", session).settings.retries == 9
