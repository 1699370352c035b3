"""What environment the commands of people and of repositories get (contract, pages 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping

from gr2.session import Session

# For what a repository brought along: no tokens, nothing a person did not mean to hand out.
_ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM")
_ALLOWED_PREFIXES = ("LC_", "XDG_")


def gr2_variables(
    session: Session, *, operation_id: str, repo: str = "", unit: str = "", lane: str = "", port_base: int = 0
) -> dict[str, str]:
    """The `GR2_*` variables that tell a command where it runs. Those without a value here are left out."""
    values = {
        "GR2_WORKSPACE": session.root,
        "GR2_UNIT": unit,
        "GR2_LANE": lane,
        "GR2_REPO": repo,
        "GR2_ACTOR": session.actor,
        "GR2_OPERATION_ID": operation_id,
        "GR2_LANE_PORT_BASE": str(port_base) if port_base else "",
    }
    return {key: value for key, value in values.items() if value}


def callers_environment(session: Session, variables: Mapping[str, str]) -> dict[str, str]:
    """The caller's whole environment with `variables` in place of any `GR2_*` of the same names."""
    replaced = {
        "GR2_WORKSPACE",
        "GR2_UNIT",
        "GR2_LANE",
        "GR2_REPO",
        "GR2_ACTOR",
        "GR2_OPERATION_ID",
        "GR2_LANE_PORT_BASE",
    }
    kept = {key: value for key, value in session.asked.environ.items() if key not in replaced}
    return {**kept, **variables}


def bare_environment(session: Session, variables: Mapping[str, str]) -> dict[str, str]:
    """The little that a repository's own command gets: the allow-list, what the user's configuration passes on, and
    `variables`."""
    wanted = {*_ALLOWED, *session.settings.hook_env_pass}
    kept = {
        key: value
        for key, value in session.asked.environ.items()
        if key in wanted or (key.startswith(_ALLOWED_PREFIXES) and not key.startswith("GR2_"))
    }
    return {**kept, **variables}
