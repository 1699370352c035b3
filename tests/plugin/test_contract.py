"""gr2's own plugin and the shipped ones keep the contract of every plugin."""

from __future__ import annotations

import importlib.util

import pytest

import gr2.api
from gr2.testing import PluginContract


class TestBuiltin(PluginContract):
    target = "gr2.builtin.plugin"


# The core's tests pass without the shipped plugins.
if importlib.util.find_spec("gr2_github"):

    class TestGithub(PluginContract):
        target = "gr2_github.plugin"


if importlib.util.find_spec("gr2_hooks"):

    class TestHooks(PluginContract):
        target = "gr2_hooks.plugin"

    class TestIdentity(PluginContract):
        target = "gr2_hooks.identity"


def test_every_name_of_the_api_can_be_imported() -> None:
    for name in gr2.api.__all__:
        assert getattr(gr2.api, name) is not None
    assert set(dir(gr2.api)) == set(gr2.api.__all__)


def test_the_api_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        gr2.api.Nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_hookimpl_marks_as_pluggy_does() -> None:
    import pluggy

    def ours() -> None: ...
    def theirs() -> None: ...

    gr2.api.hookimpl(ours)
    pluggy.HookimplMarker("gr2")(theirs)

    assert vars(ours) == vars(theirs)
