"""The `local` platform: pull requests of bare repositories on disk.

For demonstrations, tests, and teams that share a disk. Everything is real: mergeability and merges are computed in the
bare repository, and branches move only from where they are expected. Checks and reviews come from
`gr2 local-platform`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import quote

from gr2.api import (
    AuthStatus,
    Capabilities,
    Check,
    Demands,
    HeadMoved,
    Heads,
    Merged,
    MergeMethod,
    NewPullRequest,
    NotFound,
    NotMergeable,
    Overview,
    PlatformError,
    PluginContext,
    ProtocolError,
    PullRef,
    PullRequest,
    PullState,
    Review,
    Session,
    Unsupported,
    local_path,
)
from gr2.builtin.local_desk import Desk
from gr2.builtin.local_git import PULL_REF
from gr2.builtin.local_pulls import BODY_LIMIT, LocalPull, Rules


class LocalPlatform:
    """The adapter; see `gr2.api.PlatformAdapter` for what each method promises."""

    def __init__(self, context: PluginContext) -> None:
        self._session: Session = context.session

    def matches(self, url: str) -> bool:
        path = self._path(url)
        return path is not None and not os.path.exists(os.path.join(path, ".git"))

    def auth_status(self, url: str) -> AuthStatus:
        return AuthStatus(signed_in=True, user=self.user)

    def capabilities(self, url: str) -> Capabilities:
        return Capabilities(
            draft=True,
            auto_merge=True,
            overview=True,
            heads=True,
            merge_methods=("merge", "squash", "rebase"),
            body_limit=BODY_LIMIT,
        )

    def create_pr(self, new: NewPullRequest, *, timeout: float | None = None) -> PullRequest:
        _refuse_long(new.body)
        with self.desk(new.url, timeout) as desk:
            return self._shown(new.url, desk.open_new(new))

    def get_pr(self, ref: PullRef, *, timeout: float | None = None) -> PullRequest:
        with self.desk(ref.url, timeout) as desk:
            return self._shown(ref.url, desk.pull(ref.number))

    def list_prs(
        self,
        url: str,
        *,
        head: str = "",
        base: str = "",
        state: PullState | Literal["all"] = "open",
        timeout: float | None = None,
    ) -> tuple[PullRequest, ...]:
        with self.desk(url, timeout) as desk:
            return tuple(
                self._shown(url, pull)
                for _, pull in sorted(desk.pulls.by_number.items())
                if head in {"", pull.head} and base in {"", pull.base} and state in {"all", pull.state}
            )

    def update_pr_body(self, ref: PullRef, body: str, *, timeout: float | None = None) -> None:
        _refuse_long(body)
        with self.desk(ref.url, timeout) as desk:
            if desk.pull(ref.number).body != body:
                desk.change(ref.number, body=body)

    def mark_ready(self, ref: PullRef, *, timeout: float | None = None) -> None:
        with self.desk(ref.url, timeout) as desk:
            if desk.pull(ref.number).draft:
                desk.change(ref.number, draft=False)

    def pr_checks(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Check, ...]:
        with self.desk(ref.url, timeout) as desk:
            pull = desk.pull(ref.number)
            return _checks(pull, desk.pulls.rules_of(pull.base))

    def pr_reviews(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Review, ...]:
        with self.desk(ref.url, timeout) as desk:
            return _reviews(desk.pull(ref.number))

    def merge_pr(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> Merged:
        with self.desk(ref.url, timeout) as desk:
            return Merged(merge_sha=desk.merge(ref.number, method=method, expected_head=expected_head).merge_sha)

    def enable_auto_merge(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> None:
        with self.desk(ref.url, timeout) as desk:
            pull = desk.pull(ref.number)
            if pull.state != "open":
                raise NotMergeable(f"it is {pull.state}")
            if pull.head_sha != expected_head:
                raise HeadMoved("the head is not the expected commit", found=pull.head_sha)
            if method not in desk.pulls.rules_of(pull.base).methods:
                raise Unsupported(f"the branch {pull.base} does not allow {method}", code="method_not_allowed")
            desk.change(ref.number, auto_merge=method)

    def pr_ref(self, ref: PullRef) -> str:
        return PULL_REF.format(number=ref.number)

    def prs_overview(self, refs: Sequence[PullRef], *, timeout: float | None = None) -> Mapping[PullRef, Overview]:
        found: dict[PullRef, Overview] = {}
        for url in dict.fromkeys(ref.url for ref in refs):
            with self.desk(url, timeout) as desk:
                for ref in refs:
                    if ref.url == url and ref.number in desk.pulls.by_number:
                        found[ref] = self._overview(ref, desk)
        return found

    def branch_heads(self, urls: Sequence[str], *, timeout: float | None = None) -> Mapping[str, Heads]:
        found: dict[str, Heads] = {}
        for url in urls:
            try:
                with self.desk(url, timeout) as desk:
                    found[url] = Heads(url=url, branches=desk.heads, default_branch=desk.git.default_branch())
            except PlatformError:
                continue
        return found

    @property
    def user(self) -> str:
        """The caller's login on this platform: the actor's name."""
        return self._session.actor.rpartition(":")[2]

    def desk(self, url: str, timeout: float | None = None) -> Desk:
        """The pull requests of the repository at `url`, to be used in a `with` statement."""
        path = self._path(url)
        if path is None:
            raise NotFound(f"{url} is no repository on disk", code="platform_unreachable")
        seconds = timeout if timeout is not None else self._session.settings.platform_timeout_seconds
        return Desk(self._session, path, user=self.user, timeout=seconds)

    def _path(self, url: str) -> str | None:
        return local_path(url, base=self._session.root)

    def _overview(self, ref: PullRef, desk: Desk) -> Overview:
        pull = desk.pull(ref.number)
        rules = desk.pulls.rules_of(pull.base)
        return Overview(
            pull=self._shown(ref.url, pull),
            checks=_checks(pull, rules),
            reviews=_reviews(pull),
            demands=Demands(
                approvals=rules.approvals, checks=rules.checks, met=not desk.missing(pull), methods=rules.methods
            ),
        )

    def _shown(self, url: str, pull: LocalPull) -> PullRequest:
        path = self._path(url) or ""
        return PullRequest(
            ref=PullRef(url=url, number=pull.number),
            title=pull.title,
            body=pull.body,
            base=pull.base,
            head=pull.head,
            head_sha=pull.head_sha,
            state=pull.state,
            author=pull.author,
            draft=pull.draft,
            mergeable=pull.looked.mergeable if pull.state == "open" else "unknown",
            merge_sha=pull.merge_sha,
            auto_merge=pull.auto_merge is not None,
            web_url=f"file://{quote(os.fsencode(path))}#{pull.number}",
            updated_at=pull.updated_at,
            base_sha=pull.looked.base_sha if pull.state == "open" else "",
        )


def _checks(pull: LocalPull, rules: Rules) -> tuple[Check, ...]:
    return tuple(
        Check(name=check.name, state=check.state, required=check.name in rules.checks)
        for check in pull.current_checks()
    )


def _reviews(pull: LocalPull) -> tuple[Review, ...]:
    return tuple(
        Review(reviewer=review.reviewer, verdict=review.verdict, commit=review.commit, submitted_at=review.submitted_at)
        for review in pull.reviews
    )


def _refuse_long(body: str) -> None:
    if len(body) > BODY_LIMIT:
        raise ProtocolError(f"the body is over {BODY_LIMIT} characters", code="body_too_long")
