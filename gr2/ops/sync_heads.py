"""Which mirrors need no fetch: where a platform tells all branch heads in one request, and none moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from gr2.errors import Gr2Error
from gr2.model.outcome import Issue
from gr2.model.platform_error import PlatformError, Unsupported
from gr2.model.pull_request import Heads
from gr2.model.records import dataclass
from gr2.model.url import host_of
from gr2.ops.sync_look import RepoLook
from gr2.session import Session

if TYPE_CHECKING:
    from gr2.ops.pr_platform import Platforms


@dataclass
class Told:
    """What platforms told. unmoved: names of repos whose mirrors are what the remotes have. defaults: the remotes'
    default branches, by repo."""

    unmoved: set[str] = field(default_factory=set)
    defaults: dict[str, str] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def ask_platforms(session: Session, looks: Sequence[RepoLook]) -> Told:
    """Ask every platform once for the heads of all its repos. One that cannot be asked costs a fetch, no more."""
    told = Told()
    # A repository on this machine is fetched as fast as asked about.
    looks = [look for look in looks if look.repo.platform or host_of(look.repo.url)]
    if session.plugins is None or not looks:
        return told
    from gr2.ops.pr_platform import Platforms

    platforms = Platforms(session)
    by_platform: dict[str, list[RepoLook]] = {}
    for look in looks:
        name = _platform_of(platforms, look)
        if name:
            by_platform.setdefault(name, []).append(look)
    for name, group in by_platform.items():
        session.progress.begin(name, "telling branch heads")
        try:
            urls = [look.repo.url for look in group]
            answer = platforms.adapter(name).branch_heads(urls, timeout=platforms.timeout)
            for look in group:
                _compare(look, answer.get(look.repo.url), told)
        except Unsupported:
            pass
        except Gr2Error as error:
            session.runner.cancellation.check()
            told.issues.append(_degraded(error, name, [look.repo.name for look in group]))
        session.progress.end(name, "told branch heads")
    return told


def _platform_of(platforms: Platforms, look: RepoLook) -> str:
    try:
        return platforms.name_for(look.repo)
    except Gr2Error:
        return ""  # whatever is wrong with it matters to pull requests, not to a fetch


def _compare(look: RepoLook, heads: Heads | None, told: Told) -> None:
    if heads is None:
        return
    if heads.default_branch:
        told.defaults[look.repo.name] = heads.default_branch
    if dict(heads.branches) == dict(look.heads):
        told.unmoved.add(look.repo.name)


def _degraded(error: Gr2Error, platform: str, repos: Iterable[str]) -> Issue:
    names = list(repos)
    kind = error.kind if isinstance(error, PlatformError) else ""
    return Issue(
        code="platform_degraded",
        scope="platform",
        subject=platform,
        message=f"{platform} cannot be asked, so its {len(names)} repos were fetched one by one: {error.message}",
        hint=error.hint,
        blocking=False,
        details={**error.details, "code": error.code, "kind": kind, "repos": names},
    )
