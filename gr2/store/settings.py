"""What the user decides outside the spec: environment variables and the user's configuration file.

Precedence: flag, environment, spec, user configuration (contract, page 2). Flags are applied by the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gr2.edges.user_dirs import user_config
from gr2.errors import Invalid
from gr2.model.hints import quoted
from gr2.model.records import dataclass

CONFIG_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one run. `config` is the user's whole configuration file as parsed; `config_path` where it is."""

    config: Mapping[str, Any] = field(default_factory=dict)
    config_path: str = ""
    git_stall_seconds: float = 60.0
    outbox_max_bytes: int = 10_000_000
    platform_timeout_seconds: float = 30.0
    disabled_plugins: tuple[str, ...] = ()
    prefer: Mapping[str, str] = field(default_factory=dict)
    event_sinks: tuple[str, ...] = ()
    hook_env_pass: tuple[str, ...] = ()
    trusted_urls: tuple[str, ...] = ()
    trust_hooks: bool = False

    def plugin(self, name: str) -> Mapping[str, Any]:
        """The user's settings for the plugin `name`."""
        found = self.config.get("plugins", {}).get(name, {})
        return found if isinstance(found, dict) else {}


def config_path(environ: Mapping[str, str]) -> str:
    """Where the user's configuration file is: `GR2_CONFIG`, else `gr2/config.toml` where platformdirs says."""
    named = environ.get("GR2_CONFIG")
    if named:
        return os.path.abspath(named)
    return os.path.join(user_config(environ), "config.toml")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read environment and configuration. Raises Invalid `invalid_config` naming the key that is wrong."""
    path = config_path(environ)
    config = _read_config(path)
    hooks, events, plugins = (_table(config, name, path) for name in ("hooks", "events", "plugins"))
    disabled = _texts(plugins, "plugins.disabled", path)
    from_environ = tuple(name.strip() for name in environ.get("GR2_DISABLE_PLUGINS", "").split(",") if name.strip())
    max_bytes = _variable(environ, "GR2_OUTBOX_MAX_BYTES") or _number(
        events.get("max_bytes", 10_000_000), "events.max_bytes", path
    )
    return Settings(
        config=config,
        config_path=path,
        git_stall_seconds=_variable(environ, "GR2_GIT_STALL_SECONDS") or 60.0,
        outbox_max_bytes=int(max_bytes),
        platform_timeout_seconds=_variable(environ, "GR2_PLATFORM_TIMEOUT") or 30.0,
        disabled_plugins=(*from_environ, *disabled),
        prefer={key: str(value) for key, value in _table(plugins, "prefer", path).items()},
        event_sinks=_texts(events, "events.sinks", path),
        hook_env_pass=_texts(hooks, "hooks.env_pass", path),
        trusted_urls=_texts(hooks, "hooks.trusted_urls", path),
        trust_hooks=environ.get("GR2_TRUST_HOOKS") == "1",
    )


def _read_config(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(CONFIG_LIMIT + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _wrong(path, "", f"cannot be read: {os.strerror(error.errno or 0).lower()}") from error
    if len(data) > CONFIG_LIMIT:
        raise _wrong(path, "", "is over 1 MiB")
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _wrong(path, "", f"is not TOML: {error}") from error


def _table(config: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    found = config.get(key, {})
    if not isinstance(found, dict):
        raise _wrong(path, key, "must be a table")
    return found


def _texts(table: Mapping[str, Any], key: str, path: str) -> tuple[str, ...]:
    found = table.get(key.rpartition(".")[2], [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise _wrong(path, key, "must be a list of strings")
    return tuple(found)


def _variable(environ: Mapping[str, str], name: str) -> float | None:
    """The number that an environment variable holds, None when it is not set."""
    if name not in environ:
        return None
    number = _positive(environ[name])
    if number is None:
        raise Invalid("invalid_config", f"{name} must be a positive number", subject=name, hint=f"unset {name}")
    return number


def _number(value: Any, key: str, path: str) -> float:
    number = _positive(value)
    if number is None:
        raise _wrong(path, key, "must be a positive number")
    return number


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if not isinstance(value, bool) and 0 < number < 1e15 else None


def _wrong(path: str, key: str, reason: str) -> Invalid:
    return Invalid(
        "invalid_config",
        f"{key or os.path.basename(path)} {reason}",
        subject=key or path,
        hint=f"edit {quoted(path)}",
        details={"path": path},
    )
