"""What this package provides to gr2."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1


@hookimpl
def gr2_platform_adapters() -> tuple[Provider, ...]:
    """The platform, imported only when a repo is on it."""
    return (Provider("patchwork", "gr2_platform_example.platform:Patchwork", "One JSON file a pull request."),)
