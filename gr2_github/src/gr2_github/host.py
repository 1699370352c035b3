"""Typed questions to GitHub: one function a question, pages and older hosts included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gr2.api import NotFound, ProtocolError, Transient
from gr2_github import queries
from gr2_github.address import Address
from gr2_github.errors import RATE_LIMITED, Request, first_line

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gr2_github import documents
    from gr2_github.gh import Gh, GraphAnswer

    Model = TypeVar("Model", bound=BaseModel)

# What a token may lack the permission to see without anything being decided wrongly.
_BEARABLE = {"refUpdateRule", "rules", "parameters", "workflowRun", "workflow", "app", "headRepository", "mergeQueue"}
OVERVIEW_CHUNK = 25
HEADS_CHUNK = 100


def checked(model: type[Model], value: Any, request: Request) -> Model:
    """`value` as `model`. Raises ProtocolError naming the first thing that is wrong."""
    from pydantic import ValidationError

    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ProtocolError(
            f"{request.what}: the answer of {request.host} makes no sense: {first_line(where)}: {first['msg'].lower()}",
            subject=request.subject,
        ) from error


class Host:
    """The questions. Remembers which hosts are too old for the newest fields, and which only for the very newest."""

    def __init__(self, gh: Gh) -> None:
        self._gh = gh
        self._older: set[str] = set()
        self._without_methods: set[str] = set()

    def viewer(self, host: str, *, timeout: float | None = None) -> str:
        """The login of whoever gh is signed in as."""
        request = Request(host=host, what="asking who gh is signed in as", write=False, subject=host)
        found = self._gh.graphql(request, queries.VIEWER, {}, timeout=timeout).require()
        viewer = found.get("viewer")
        login = viewer.get("login") if isinstance(viewer, dict) else None
        if not isinstance(login, str):
            raise ProtocolError(f"{host} does not say who gh is signed in as", subject=host)
        return login

    def abilities(self, address: Address) -> documents.Abilities:
        """What the repository allows."""
        from gr2_github.documents import Abilities

        request = _reading(address, "what it allows")
        answer = self._asked(request, lambda modern: queries.abilities(modern=modern), _variables(address), None)
        return checked(Abilities, _repository(answer.require(bearable=_bearable), request), request)

    def pull(self, address: Address, number: int, *, timeout: float | None = None) -> documents.Pull:
        """One pull request. Raises NotFound."""
        from gr2_github.documents import Pull

        request = _reading(address, f"#{number}", number)
        text = lambda modern: queries.pull(number, modern=modern)  # noqa: E731
        answer = self._asked(request, text, _variables(address), timeout)
        found = _repository(answer.require(bearable=_bearable), request).get("pullRequest")
        return checked(Pull, found, request)

    def pulls(
        self, address: Address, *, head: str, base: str, states: Sequence[str], timeout: float | None = None
    ) -> tuple[documents.Pull, ...]:
        """All pull requests, oldest first, all pages."""
        from gr2_github.documents import Pulls

        request = _reading(address, "its pull requests")
        variables = {**_variables(address), "head": head or None, "base": base or None, "states": list(states)}
        found: list[documents.Pull] = []
        after: str | None = None
        while True:
            text = lambda modern: queries.pulls(modern=modern)  # noqa: E731
            answer = self._asked(request, text, {**variables, "after": after}, timeout)
            page = checked(Pulls, _repository(answer.require(bearable=_bearable), request).get("pullRequests"), request)
            found += page.nodes
            if not page.page_info.has_next_page:
                return tuple(found)
            after = _onward(page.page_info, after, request)

    def overview(
        self, wanted: Mapping[Address, Sequence[int]], *, timeout: float | None = None
    ) -> dict[tuple[Address, int], documents.WholePull]:
        """Everything about the pull requests `wanted`, all on one host, in one request for every 25 of them. Those
        GitHub does not find are left out."""
        flat = [(address, number) for address, numbers in wanted.items() for number in sorted(set(numbers))]
        found: dict[tuple[Address, int], documents.WholePull] = {}
        for start in range(0, len(flat), OVERVIEW_CHUNK):
            groups: dict[Address, list[int]] = {}
            for address, number in flat[start : start + OVERVIEW_CHUNK]:
                groups.setdefault(address, []).append(number)
            found.update(self._overview(tuple(groups.items()), timeout))
        return found

    def _overview(
        self, groups: Sequence[tuple[Address, Sequence[int]]], timeout: float | None
    ) -> dict[tuple[Address, int], documents.WholePull]:
        from gr2_github.documents import WholePull

        host = groups[0][0].host
        request = Request(host=host, what="reading pull requests", write=False, subject=host)

        def text(modern: bool) -> str:
            return queries.overview(groups, modern=modern, methods=host not in self._without_methods)

        answer = self._asked(request, text, queries.named([address for address, _ in groups]), timeout)
        data = answer.require(bearable=lambda row: _bearable(row) or _absent(row))
        found = {}
        for index, (address, numbers) in enumerate(groups):
            repository = data.get(f"r{index}")
            for number in numbers:
                raw = repository.get(f"p{number}") if isinstance(repository, dict) else None
                if raw is not None:
                    single = _reading(address, f"#{number}", number)
                    found[address, number] = self._completed(checked(WholePull, raw, single), address, single, timeout)
        return found

    def _completed(
        self, pull: documents.WholePull, address: Address, request: Request, timeout: float | None
    ) -> documents.WholePull:
        """The pull request with the further pages of its checks and reviews."""
        from gr2_github.documents import MoreChecks, MoreReviews

        if pull.reviews is None:
            raise ProtocolError(f"{request.what}: {request.host} does not tell its reviews", subject=request.subject)
        last = _last(pull.commits)
        if last is not None and last.oid != pull.head_ref_oid:
            raise Transient(f"{request.what}: it changed meanwhile", subject=request.subject)
        reviews, contexts = list(pull.reviews.nodes), list(_contexts(last))
        page, after = pull.reviews.page_info, None
        while page.has_next_page:
            after = _onward(page, after, request)
            more = self._page(MoreReviews, queries.more_reviews(pull.number), address, request, after, timeout).reviews
            reviews += more.nodes
            page = more.page_info
        rollup = last.status_check_rollup if last else None
        after = None
        while last and rollup and rollup.contexts.page_info.has_next_page:
            after = _onward(rollup.contexts.page_info, after, request)
            found = self._page(MoreChecks, queries.more_checks(pull.number), address, request, after, timeout)
            further = _last(found.commits)
            if further is None or further.oid != last.oid:
                raise Transient(f"{request.what}: it changed meanwhile", subject=request.subject)
            rollup = further.status_check_rollup
            contexts += _contexts(further)
        return pull.model_copy(
            update={
                "reviews": pull.reviews.model_copy(update={"nodes": tuple(reviews)}),
                "commits": _with_contexts(pull.commits, contexts),
            }
        )

    def _page(
        self, model: type[Model], text: str, address: Address, request: Request, after: str, timeout: float | None
    ) -> Model:
        answer = self._gh.graphql(request, text, {**_variables(address), "after": after}, timeout=timeout)
        found = _repository(answer.require(bearable=_bearable), request).get("pullRequest")
        return checked(model, found, request)

    def heads(
        self, addresses: Sequence[Address], *, timeout: float | None = None
    ) -> dict[Address, documents.RepositoryHeads]:
        """The branches of many repositories on one host, one request for every 100 of them. Left out are those GitHub
        does not find, and those with more branches than a page holds."""
        from gr2_github.documents import RepositoryHeads

        found = {}
        for start in range(0, len(addresses), HEADS_CHUNK):
            chunk = addresses[start : start + HEADS_CHUNK]
            host = chunk[0].host
            request = Request(host=host, what="reading branches", write=False, subject=host)
            answer = self._gh.graphql(request, queries.heads(len(chunk)), queries.named(chunk), timeout=timeout)
            data = answer.require(bearable=lambda row: len(_path(row)) > 0 and not _is_rate(row))
            for index, address in enumerate(chunk):
                raw = data.get(f"r{index}")
                if isinstance(raw, dict) and raw.get("refs"):
                    heads = checked(RepositoryHeads, raw, request)
                    if not heads.refs.page_info.has_next_page:
                        found[address] = heads
        return found

    def _asked(
        self, request: Request, text: Callable[[bool], str], variables: Mapping[str, Any], timeout: float | None
    ) -> GraphAnswer:
        modern = request.host not in self._older
        answer = self._gh.graphql(request, text(modern), variables, timeout=timeout)
        if modern and answer.is_for_newer_host:
            # Everything that is not known there is told at once, so that one more request is enough.
            newest = answer.unknown_fields == {queries.METHODS}
            (self._without_methods if newest else self._older).add(request.host)
            answer = self._gh.graphql(request, text(newest), variables, timeout=timeout)
        return answer


def pull_subject(address: Address, number: int) -> str:
    """How messages name a pull request."""
    return f"{address}#{number}"


def _reading(address: Address, what: str, number: int | None = None) -> Request:
    subject = str(address) if number is None else pull_subject(address, number)
    words = f"reading {subject}" if number is not None else f"reading {address}: {what}"
    return Request(host=address.host, what=words, write=False, subject=subject)


def _variables(address: Address) -> dict[str, Any]:
    return {"owner": address.owner, "name": address.name}


def _repository(data: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    found = data.get("repository")
    if not isinstance(found, dict):
        raise NotFound(
            f"{request.what}: it does not exist, or the account of gh may not see it", subject=request.subject
        )
    return found


def _path(row: Mapping[str, Any]) -> list[Any]:
    found = row.get("path")
    return found if isinstance(found, list) else []


def _is_rate(row: Mapping[str, Any]) -> bool:
    return row.get("type") in RATE_LIMITED


def _bearable(row: Mapping[str, Any]) -> bool:
    names = [part for part in _path(row) if isinstance(part, str)]
    return (
        row.get("type") in {"FORBIDDEN", "NOT_FOUND", "INSUFFICIENT_SCOPES"} and bool(names) and names[-1] in _BEARABLE
    )


def _absent(row: Mapping[str, Any]) -> bool:
    # `r0` or `r0.p7`: the repository or the pull request itself, not something inside it.
    return row.get("type") == "NOT_FOUND" and 1 <= len(_path(row)) <= 2


def _onward(page: documents.PageInfo, before: str | None, request: Request) -> str:
    if not page.end_cursor or page.end_cursor == before:
        raise ProtocolError(f"{request.what}: the pages of {request.host} do not end", subject=request.subject)
    return page.end_cursor


def _last(commits: documents.Commits) -> documents.Commit | None:
    return commits.nodes[-1].commit if commits.nodes else None


def _contexts(commit: documents.Commit | None) -> tuple[documents.Context, ...]:
    return commit.status_check_rollup.contexts.nodes if commit and commit.status_check_rollup else ()


def _with_contexts(commits: documents.Commits, contexts: Sequence[documents.Context]) -> documents.Commits:
    last = _last(commits)
    if last is None or last.status_check_rollup is None:
        return commits
    rollup = last.status_check_rollup
    whole = rollup.model_copy(update={"contexts": rollup.contexts.model_copy(update={"nodes": tuple(contexts)})})
    node = commits.nodes[-1].model_copy(update={"commit": last.model_copy(update={"status_check_rollup": whole})})
    return commits.model_copy(update={"nodes": (node,)})


def contexts_of(pull: documents.WholePull) -> tuple[documents.Context, ...]:
    """The check runs and statuses of its head."""
    return _contexts(_last(pull.commits))
