"""What this distribution provides."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1


@hookimpl
def gr2_hook_runtimes() -> tuple[Provider, ...]:
    """`runtime = "uv"`."""
    return (Provider("uv", "gr2_runtime_uv.runtime:UvRuntime", "A program in the repository's own uv environment."),)
