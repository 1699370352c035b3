"""What this distribution registers with gr2."""

from __future__ import annotations

from gr2.api import Provider, hookimpl

gr2_api = 1
gr2_settings = {"": "gr2_github.settings:GitHubSettings"}


@hookimpl
def gr2_platform_adapters() -> tuple[Provider, ...]:
    """GitHub, over the gh command."""
    return (Provider("github", "gr2_github.platform:GitHubPlatform", "GitHub and GitHub Enterprise, over gh."),)


@hookimpl
def gr2_doctor_checks() -> tuple[Provider, ...]:
    """Whether there is a gh, and whether it is signed in."""
    return (Provider("gh", "gr2_github.doctor:GhCheck", "gh is there and signed in."),)
