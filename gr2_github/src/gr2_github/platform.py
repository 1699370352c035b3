"""The `github` platform: GitHub and GitHub Enterprise, asked through the gh command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from gr2.api import (
    AlreadyExists,
    AuthFailed,
    AuthStatus,
    Capabilities,
    Check,
    Heads,
    Merged,
    MergeMethod,
    NewPullRequest,
    NotFound,
    NotMergeable,
    OutcomeUnknown,
    Overview,
    PlatformError,
    PluginContext,
    ProtocolError,
    PullRef,
    PullRequest,
    Review,
    Session,
    Unsupported,
)
from gr2_github import echo, merging, queries, reading
from gr2_github.address import GITHUB, Address, Rewrites, address_of, hosts_of_gh
from gr2_github.errors import Request, first_line
from gr2_github.gh import Gh
from gr2_github.host import Host, checked, contexts_of, pull_subject

if TYPE_CHECKING:
    from gr2_github import documents

# Characters, as GitHub counts them ("body is too long (maximum is 65536 characters)").
BODY_LIMIT = 65_536
_STATES = {"open": ("OPEN",), "closed": ("CLOSED",), "merged": ("MERGED",), "all": ("OPEN", "CLOSED", "MERGED")}


class GitHubPlatform:
    """The adapter; see `gr2.api.PlatformAdapter` for what each method promises."""

    def __init__(self, context: PluginContext) -> None:
        session: Session = context.session
        self._environ = session.asked.environ
        self._configured: tuple[str, ...] = context.settings.hosts if context.configured else ()
        own = session.settings.plugin("github").get("hosts", [])
        self._users_own = {host.lower() for host in own if isinstance(host, str)} if isinstance(own, list) else set()
        self._gh_hosts: tuple[str, ...] | None = None
        self._rewrites = Rewrites(session.git)
        self._gh = Gh(session, trusted=self._trusts)
        self._host = Host(self._gh)
        self._abilities: dict[Address, Capabilities] = {}
        self._memory = echo.Memory()

    def matches(self, url: str) -> bool:
        found = address_of(url)
        if found is not None and self._knows(found.host):
            return True
        rewritten = address_of(self._rewrites.apply(url)) if _may_be_rewritten(url) else None
        return rewritten is not None and self._knows(rewritten.host)

    def auth_status(self, url: str) -> AuthStatus:
        try:
            return AuthStatus(signed_in=True, user=self._host.viewer(self._address(url).host))
        except AuthFailed as error:
            return AuthStatus(signed_in=False, message=error.message)

    def capabilities(self, url: str) -> Capabilities:
        address = self._address(url)
        if address not in self._abilities:
            found = self._host.abilities(address)
            allowed: dict[MergeMethod, bool] = {
                "merge": found.merge_commit_allowed,
                "squash": found.squash_merge_allowed,
                "rebase": found.rebase_merge_allowed,
            }
            self._abilities[address] = Capabilities(
                draft=True,
                auto_merge=found.auto_merge_allowed,
                merge_queue=found.merge_queue is not None,
                overview=True,
                heads=True,
                merge_methods=tuple(method for method, yes in allowed.items() if yes),
                body_limit=BODY_LIMIT,
            )
        return self._abilities[address]

    def hosts_of(self, urls: Iterable[str]) -> tuple[str, ...]:
        """The hosts of those of `urls` that this platform knows, sorted."""
        found = {self._address(url).host for url in urls if self.matches(url)}
        return tuple(sorted(found))

    def gh_in_use(self) -> str:
        """gh's version and where it is, for people. Raises AuthFailed `platform_missing`."""
        return self._gh.in_use

    def create_pr(self, new: NewPullRequest, *, timeout: float | None = None) -> PullRequest:
        from gr2_github.documents import RestPull

        _refuse_long(new.body)
        address = self._address(new.url)
        request = Request(
            host=address.host, what=f"opening a pull request in {address}", write=True, subject=str(address)
        )
        body = {"title": new.title, "body": new.body, "base": new.base, "head": new.head, "draft": new.draft}
        self._memory.keep((address, new.head, new.base), title=new.title, body=new.body)
        answer = self._gh.rest(request, "POST", f"{address.path}/pulls", body, timeout=timeout)
        if answer.status == 422:
            raise self._not_opened(new, request, answer.message, timeout)
        try:
            found = checked(RestPull, self._gh.document(request, answer), request)
        except ProtocolError as error:
            raise _unreadable(error, answer.status) from error
        return self._memory.restored(address, reading.created(PullRef(url=new.url, number=found.number), found))

    def get_pr(self, ref: PullRef, *, timeout: float | None = None) -> PullRequest:
        address = self._address(ref.url)
        return self._pull(ref, self._host.pull(address, ref.number, timeout=timeout))

    def list_prs(
        self,
        url: str,
        *,
        head: str = "",
        base: str = "",
        state: Literal["open", "closed", "merged", "all"] = "open",
        timeout: float | None = None,
    ) -> tuple[PullRequest, ...]:
        address = self._address(url)
        found = self._host.pulls(address, head=head, base=base, states=_STATES[state], timeout=timeout)
        mine = (pull for pull in found if not (head and pull.is_cross_repository))
        return tuple(
            self._pull(PullRef(url=url, number=pull.number), pull)
            for pull in sorted(mine, key=lambda pull: pull.number)
        )

    def update_pr_body(self, ref: PullRef, body: str, *, timeout: float | None = None) -> None:
        _refuse_long(body)
        address = self._address(ref.url)
        self._refuse_to_damage(address, ref.number, body, timeout)
        request = self._changing("changing the body of", address, ref)
        self._memory.keep((address, ref.number), body=body)
        answer = self._gh.rest(request, "PATCH", f"{address.path}/pulls/{ref.number}", {"body": body}, timeout=timeout)
        self._gh.document(request, answer)

    def mark_ready(self, ref: PullRef, *, timeout: float | None = None) -> None:
        address = self._address(ref.url)
        found = self._host.pull(address, ref.number, timeout=timeout)
        if found.is_draft and found.state == "OPEN":
            request = self._changing("marking as ready", address, ref)
            self._gh.graphql(request, queries.MARK_READY, {"id": found.id}, timeout=timeout).require()

    def pr_checks(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Check, ...]:
        return self._whole(ref, timeout).checks

    def pr_reviews(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Review, ...]:
        return self._whole(ref, timeout).reviews

    def merge_pr(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> Merged:
        address = self._address(ref.url)
        request = self._changing("merging", address, ref)
        wanted = {"merge_method": method, "sha": expected_head}
        answer = self._gh.rest(request, "PUT", f"{address.path}/pulls/{ref.number}/merge", wanted, timeout=timeout)
        if 200 <= answer.status < 300:
            return Merged(merge_sha=merging.sha_of(request, self._gh.document(request, answer)))
        if answer.status not in {405, 409, 422}:
            raise self._gh.refusal(request, answer)
        # Nothing was merged. What GitHub says in words differs from rule to rule: the facts tell what it is.
        found = self._host.pull(address, ref.number, timeout=timeout)
        error = merging.refused(request, found, answer, method=method, expected_head=expected_head)
        if error is not None:
            raise error
        return self._enqueue(address, found, request, expected_head, timeout)

    def enable_auto_merge(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> None:
        address = self._address(ref.url)
        found = self._host.pull(address, ref.number, timeout=timeout)
        request = self._changing("turning on auto-merge for", address, ref)
        merging.require_open(request, found, expected_head)
        variables = {"id": found.id, "method": method.upper(), "head": expected_head}
        answer = self._gh.graphql(request, queries.AUTO_MERGE, variables, timeout=timeout)
        if answer.rows:
            error = answer.error(answer.rows[0])
            if isinstance(error, Unsupported):
                again = self._host.pull(address, ref.number, timeout=timeout)
                merging.require_open(request, again, expected_head)
                raise merging.auto_merge_refused(request, error)
            raise error

    def pr_ref(self, ref: PullRef) -> str:
        return f"refs/pull/{ref.number}/head"

    def prs_overview(self, refs: Sequence[PullRef], *, timeout: float | None = None) -> Mapping[PullRef, Overview]:
        by_host: dict[str, dict[Address, list[int]]] = {}
        for ref in refs:
            address = self._address(ref.url)
            by_host.setdefault(address.host, {}).setdefault(address, []).append(ref.number)
        found: dict[tuple[Address, int], documents.WholePull] = {}
        for wanted in by_host.values():
            found.update(self._host.overview(wanted, timeout=timeout))
        overviews = {}
        for ref in refs:
            whole = found.get((self._address(ref.url), ref.number))
            if whole is not None:
                overviews[ref] = self._overview(ref, whole)
        return overviews

    def branch_heads(self, urls: Sequence[str], *, timeout: float | None = None) -> Mapping[str, Heads]:
        by_host: dict[str, dict[Address, None]] = {}
        addresses = {}
        for url in urls:
            address = self._try_address(url)
            if address is not None:
                addresses[url] = address
                by_host.setdefault(address.host, {})[address] = None
        found: dict[Address, documents.RepositoryHeads] = {}
        for wanted in by_host.values():
            found.update(self._host.heads(tuple(wanted), timeout=timeout))
        return {
            url: Heads(
                url=url,
                branches={branch.name: branch.target.oid for branch in found[address].refs.nodes},
                default_branch=_name(found[address].default_branch_ref),
            )
            for url, address in addresses.items()
            if address in found
        }

    # Which repository, on which host

    def _knows(self, host: str) -> bool:
        return host == GITHUB or host in (self._configured or self._signed_in)

    def _trusts(self, host: str) -> bool:
        """Whether gh may be asked for `host`. A spec alone is not enough: gh would send `GH_ENTERPRISE_TOKEN` to any
        host it is given."""
        return host == GITHUB or host in self._users_own or host in self._signed_in

    @property
    def _signed_in(self) -> tuple[str, ...]:
        if self._gh_hosts is None:
            self._gh_hosts = hosts_of_gh(self._environ)
        return self._gh_hosts

    def _address(self, url: str) -> Address:
        found = self._try_address(url)
        if found is None:
            raise NotFound(
                "the URL names no owner/name on a GitHub",
                code="platform_unknown",
                subject=first_line(url),
                hint="gr2 spec show",
            )
        return found

    def _try_address(self, url: str) -> Address | None:
        found = address_of(url)
        if found is not None and self._knows(found.host):
            return found
        rewritten = address_of(self._rewrites.apply(url)) if _may_be_rewritten(url) else None
        if rewritten is not None and self._knows(rewritten.host):
            return rewritten
        if found is not None and "." not in found.host:
            # A name that only ~/.ssh/config knows: gh's own default host is meant.
            return replace(found, host=self._environ.get("GH_HOST", "").lower() or GITHUB)
        return found

    # Reading

    def _pull(self, ref: PullRef, found: documents.Pull) -> PullRequest:
        if found.number != ref.number:
            raise ProtocolError(f"asked for #{ref.number}, and told of #{found.number}", subject=ref.url)
        return self._memory.restored(self._address(ref.url), reading.pull_request(ref, found))

    def _whole(self, ref: PullRef, timeout: float | None) -> Overview:
        found = self.prs_overview([ref], timeout=timeout)
        if ref not in found:
            subject = pull_subject(self._address(ref.url), ref.number)
            raise NotFound(f"{subject} does not exist, or the account of gh may not see it", subject=subject)
        return found[ref]

    def _overview(self, ref: PullRef, whole: documents.WholePull) -> Overview:
        checks = reading.checks(contexts_of(whole))
        reviews = reading.reviews(whole.reviews.nodes if whole.reviews else ())
        base = whole.base_ref.target if whole.base_ref else None
        return Overview(
            pull=replace(self._pull(ref, whole), base_sha=base.oid if base else ""),
            checks=checks,
            reviews=reviews,
            demands=reading.demands(whole, checks, reviews),
        )

    # Changing

    def _changing(self, doing: str, address: Address, ref: PullRef) -> Request:
        subject = pull_subject(address, ref.number)
        return Request(host=address.host, what=f"{doing} {subject}", write=True, subject=subject)

    def _not_opened(self, new: NewPullRequest, request: Request, said: str, timeout: float | None) -> PlatformError:
        reason = first_line(said)
        if "already exists" in said:
            return AlreadyExists(
                f"{request.what}: {reason}", number=self._number_of(new, timeout), subject=request.subject
            )
        if "No commits between" in said:
            return NotMergeable(f"{request.what}: {reason}", code="no_commits", subject=request.subject)
        if "raft pull request" in said:
            return Unsupported(f"{request.what}: drafts are not supported there", subject=request.subject)
        return ProtocolError(f"{request.what}: {reason}", code="platform_refused", subject=request.subject)

    def _number_of(self, new: NewPullRequest, timeout: float | None) -> int | None:
        try:
            found = self.list_prs(new.url, head=new.head, base=new.base, timeout=timeout)
        except PlatformError:
            return None
        return found[0].ref.number if found else None

    def _refuse_to_damage(self, address: Address, number: int, body: str, timeout: float | None) -> None:
        """Raise Unsupported when `body` may hold a person's text that gh changed on the way here."""
        if self._memory.is_exact(address, number) or not echo.may_be_changed(body):
            return
        subject = pull_subject(address, number)
        if not self._gh.tells_by_length or not self._has_told_length(address, number, timeout):
            raise Unsupported(
                f"the body of {subject} may hold control characters, which gh does not hand over as they are, "
                "so it is left alone",
                subject=subject,
                hint="change what stands between gr2's markers by hand, or remove ^X and \\u00xx from the body",
            )

    def _has_told_length(self, address: Address, number: int, timeout: float | None) -> bool:
        subject = pull_subject(address, number)
        request = Request(host=address.host, what=f"reading {subject}", write=False, subject=subject)
        # Uncompressed, GitHub says how long its answer is.
        headers = ("Accept-Encoding: identity",)
        answer = self._gh.rest(request, "GET", f"{address.path}/pulls/{number}", timeout=timeout, headers=headers)
        self._gh.document(request, answer)
        return answer.headers.get("content-length") == str(len(answer.body))

    def _enqueue(
        self, address: Address, found: documents.Pull, request: Request, expected_head: str, timeout: float | None
    ) -> Merged:
        variables = {"id": found.id, "head": expected_head}
        answer = self._gh.graphql(request, queries.ENQUEUE, variables, timeout=timeout)
        if answer.rows:
            error = answer.error(answer.rows[0])
            if isinstance(error, Unsupported):
                again = self._host.pull(address, found.number, timeout=timeout)
                merging.require_open(request, again, expected_head)
                raise NotMergeable(error.message, subject=request.subject, details=error.details)
            raise error
        return Merged(merge_sha=None, queued=True)


def _may_be_rewritten(url: str) -> bool:
    # Paths stay paths: there is no need to ask git for every repository on disk.
    return bool(url) and not url.startswith((".", "/", "file:"))


def _name(found: documents.DefaultBranch | None) -> str:
    return found.name if found else ""


def _refuse_long(body: str) -> None:
    if len(body) > BODY_LIMIT:
        raise ProtocolError(f"the body is over {BODY_LIMIT} characters", code="body_too_long")


def _unreadable(error: ProtocolError, status: int) -> PlatformError:
    """A 2xx that cannot be read: the pull request may well have been made."""
    if not 200 <= status < 300:
        return error
    return OutcomeUnknown(error.message, subject=error.subject, hint="run the same command again: gr2 looks first")
