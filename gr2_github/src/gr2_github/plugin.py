"""What this distribution registers with gr2."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1
gr2_settings = {"": "gr2_github.settings:GitHubSettings"}


@hookimpl
def gr2_platform_adapters() -> tuple[Provider, ...]:
    """GitHub, over the gh command."""
    return (Provider("github", "gr2_github.platform:GitHubPlatform", "GitHub and GitHub Enterprise, over gh."),)
