"""The user's directories are those of platformdirs."""

from __future__ import annotations

import platformdirs
import pytest

from gr2.edges.user_dirs import user_cache, user_config, user_state


@pytest.mark.parametrize("value", [None, "", "  ", "relative/path", "/somewhere/else"])
@pytest.mark.parametrize(
    ("ours", "theirs", "variable"),
    [
        (user_cache, platformdirs.user_cache_dir, "XDG_CACHE_HOME"),
        (user_config, platformdirs.user_config_dir, "XDG_CONFIG_HOME"),
        (user_state, platformdirs.user_state_dir, "XDG_STATE_HOME"),
    ],
)
def test_it_is_where_platformdirs_has_it(
    ours: object, theirs: object, variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(ours)
    assert callable(theirs)
    monkeypatch.setenv("HOME", "/home/somebody")
    environ = {"HOME": "/home/somebody"}
    if value is None:
        monkeypatch.delenv(variable, raising=False)
    else:
        monkeypatch.setenv(variable, value)
        environ[variable] = value

    assert ours(environ) == theirs("gr2", appauthor=False)
