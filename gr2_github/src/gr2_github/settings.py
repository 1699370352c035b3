"""`[plugins.github]` of the user's configuration and of the spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from gr2_github.address import is_host


class GitHubSettings(BaseModel):
    """hosts: GitHub Enterprise hosts, beside github.com; when empty, those gh is signed in to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: tuple[str, ...] = ()

    @field_validator("hosts")
    @classmethod
    def _plain_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not is_host(host):
                raise ValueError(f"{host!r} is not a host name (without scheme, port and path)")
        return tuple(host.lower() for host in hosts)
