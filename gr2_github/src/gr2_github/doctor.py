"""`gr2 doctor`: is there a gh, and is it signed in where the spec's repositories are. Contacts nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gr2.api import AuthFailed, CheckRow, PluginContext, Session
from gr2_github.address import GITHUB, hosts_of_gh
from gr2_github.platform import GitHubPlatform

# `gh help environment`: which variables hold a token for which hosts. Only whether they are there is looked at.
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKENS = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


class GhCheck:
    """The check; see `gr2.api.DoctorCheck`."""

    def __init__(self, context: PluginContext) -> None:
        self._session: Session = context.session
        self._platform = GitHubPlatform(context)

    def run(self) -> tuple[CheckRow, ...]:
        hosts = self._platform.hosts_of(repo.url for repo in self._session.spec.repos)
        if not hosts:
            return (CheckRow(id="gh", result="skip", message="no repo is on GitHub"),)
        return (self._program(), *self._sign_ins(hosts))

    def fix(self, row: CheckRow) -> CheckRow:
        return row

    def _program(self) -> CheckRow:
        try:
            return CheckRow(id="gh", result="ok", message=self._platform.gh_in_use())
        except AuthFailed as error:
            return CheckRow(id="gh", result="warn", message=error.message, hint=error.hint)

    def _sign_ins(self, hosts: tuple[str, ...]) -> Iterator[CheckRow]:
        environ = self._session.asked.environ
        for host in hosts:
            if is_signed_in(host, environ):
                yield CheckRow(id=f"gh.{host}", result="ok", message=f"gh is signed in to {host}")
            else:
                hint = f"gh auth login --hostname {host}"
                yield CheckRow(id=f"gh.{host}", result="warn", message=f"gh is not signed in to {host}", hint=hint)


def is_signed_in(host: str, environ: Mapping[str, str]) -> bool:
    """Whether gh has something to show at `host`; that it is accepted only the host could say."""
    without_default = {name: value for name, value in environ.items() if name != "GH_HOST"}
    names = _TOKENS if host == GITHUB else _ENTERPRISE_TOKENS
    return host in hosts_of_gh(without_default) or any(environ.get(name) for name in names)
