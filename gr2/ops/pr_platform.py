"""Which platform a repo is on, and how gr2 talks to it: deadlines, retries, and what an outage means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from gr2.errors import Failed, Invalid
from gr2.model.outcome import Issue
from gr2.model.platform_error import NotFound, PlatformError, RateLimited, Transient, Unsupported
from gr2.model.pull_request import Demands, Overview, PullRef
from gr2.model.spec import Repo
from gr2.ops.pr_policy import Policy
from gr2.plugin.protocols import PlatformAdapter
from gr2.session import Session

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long one command waits and retries in all."""
_PAUSES = (0.5, 2.0)
_SLICE = 0.1


class Platforms:
    """The platforms of one command. `session`: the one whose children belong to the command.

    policies: what was read already, by repo, base and the base's commit.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: dict[str, PlatformAdapter] = {}
        self._left = PATIENCE_SECONDS
        self.policies: dict[tuple[str, str, str], Policy] = {}

    @property
    def timeout(self) -> float:
        """Seconds that a single request may take."""
        return self._session.settings.platform_timeout_seconds

    def adapter(self, name: str) -> PlatformAdapter:
        """The adapter called `name`. Raises Invalid `unknown_plugin`, Failed `plugin_failed`."""
        if name not in self._made:
            self._made[name] = self._session.plugins.make("platform", name, self._session)
        return self._made[name]

    def name_for(self, repo: Repo) -> str:
        """The platform of a repo: the spec's, else the only one whose adapter knows the URL.

        Raises Invalid `platform_ambiguous` naming them, `platform_unknown`.
        """
        if repo.platform:
            self.adapter(repo.platform)
            return repo.platform
        names = self._session.plugins.names("platform")
        found = [name for name in names if self.adapter(name).matches(repo.url)]
        if len(found) == 1:
            return str(found[0])
        if found:
            raise Invalid(
                "platform_ambiguous",
                f"several platforms know the repo {repo.name}: {', '.join(found)}",
                scope="platform",
                subject=repo.name,
                hint=f'say which in the spec: platform = "{found[0]}" in the [[repos]] of {repo.name}',
                details={"repo": repo.name, "platforms": found},
            )
        raise Invalid(
            "platform_unknown",
            f"no platform knows the repo {repo.name}",
            scope="platform",
            subject=repo.name,
            hint=f"install its plugin, or name one of {', '.join(names)} as its platform in the spec",
            details={"repo": repo.name, "platforms": list(names)},
        )

    def read(self, ask: Callable[[], T]) -> T:
        """The answer to a question, asked again after a transient error or a rate limit while there is patience: what
        did not answer for long is expected to take as long again."""
        clock = self._session.clock
        for number, pause in enumerate((*_PAUSES, None)):
            began = clock.monotonic()
            try:
                return ask()
            except (Transient, RateLimited) as error:
                lasted = clock.monotonic() - began
                if number:
                    self._left -= lasted
                if pause is None:
                    raise
                wanted, again = (error.retry_after, 0.0) if isinstance(error, RateLimited) else (pause, lasted)
                if wanted + again > self._left:
                    raise
                self.wait(wanted)
        raise AssertionError("the last pause is None")

    def wait(self, seconds: float) -> None:
        """Let time pass, at the expense of the command's patience. Raises Interrupted."""
        self._left -= seconds
        while seconds > 0:
            self._session.runner.cancellation.check()
            self._session.clock.sleep(min(seconds, _SLICE))
            seconds -= _SLICE
        self._session.runner.cancellation.check()

    def overviews(self, name: str, refs: Sequence[PullRef]) -> Mapping[PullRef, Overview]:
        """Everything about many pull requests of one platform, in its batch form where it has one."""
        adapter = self.adapter(name)
        try:
            return self.read(lambda: adapter.prs_overview(refs, timeout=self.timeout))
        except Unsupported:
            found = {}
            for ref in refs:
                try:
                    found[ref] = self._overview(adapter, ref)
                except NotFound:
                    continue
            return found

    def _overview(self, adapter: PlatformAdapter, ref: PullRef) -> Overview:
        pull = self.read(lambda: adapter.get_pr(ref, timeout=self.timeout))
        checks = self.read(lambda: adapter.pr_checks(ref, timeout=self.timeout))
        reviews = self.read(lambda: adapter.pr_reviews(ref, timeout=self.timeout))
        demanded = tuple(check.name for check in checks if check.required)
        return Overview(pull=pull, checks=checks, reviews=reviews, demands=Demands(checks=demanded))


def about(error: PlatformError | Failed, name: str, *, repo: str, number: int | None = None) -> Issue:
    """The issue for an error about one pull request, called `name` ("repo#n")."""
    details = {**error.details, "repo": repo, "pr_number": number}
    kind = getattr(error, "kind", "")
    if kind:
        details["kind"] = kind
    if isinstance(error, RateLimited):
        details["retry_after"] = error.retry_after
    return Issue(
        code=error.code,
        scope="platform",
        subject=name,
        message=f"{name}: {error.message}",
        hint=error.hint,
        details=details,
    )


def degraded(error: PlatformError, platform: str, repos: Sequence[str]) -> Issue:
    """The issue for a platform that cannot be asked: what is shown is the last known state."""
    return Issue(
        code="platform_degraded",
        scope="platform",
        subject=platform,
        message=f"{platform} cannot be asked, so this is the last known state of {', '.join(repos)}: {error.message}",
        hint=error.hint or "run the same command again later",
        blocking=False,
        details={**error.details, "code": error.code, "kind": error.kind, "repos": list(repos)},
    )
