"""The whole of the stand-in's GitHub: accounts, repositories, the REST routes, and what goes wrong on demand."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLSchema

from tests.github.standin import graph
from tests.github.standin.repository import CheckReport, Pull, Refused, Repository, ReviewReport

TOKEN = "gho_sTaNdIn0000000000000000000000000000"
LOGIN = "robin"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that arrived. `what` is `METHOD /path`, for GraphQL with the operation and its first field."""

    what: str
    host: str
    headers: Mapping[str, str]
    body: Any


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong, `times` times, for requests whose `what` matches the pattern `on`.

    kind: bad_gateway, drop, cut, hang, garbage, status, meanwhile. after: the request is carried out first, so that
    only its answer is lost. skip: how many matching requests go well before. status, headers, body: for kind status.
    act: what else happens at that moment; for kind meanwhile it is all that happens.
    """

    kind: str
    on: str = ""
    times: int = 1
    after: bool = False
    skip: int = 0
    act: Callable[[], object] = bool
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(kw_only=True)
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """`folder` holds the bare repositories, as owner/name.git; `env` is the environment of its git."""

    def __init__(self, folder: str, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = {**env, "GIT_AUTHOR_NAME": "GitHub", "GIT_AUTHOR_EMAIL": "noreply@github.test"}
        self.env |= {"GIT_COMMITTER_NAME": "GitHub", "GIT_COMMITTER_EMAIL": "noreply@github.test"}
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.accounts = {TOKEN: LOGIN}
        self.scopes = "repo, read:org"
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.older = False
        self.middle = False
        self._schemas: dict[tuple[bool, bool], GraphQLSchema] = {}
        self._ticks = 0

    # What tests arrange and look at

    def add(self, owner: str, name: str, path: str = "") -> Repository:
        """A repository over the bare repository `path`, which is made when it is not named."""
        where = path or os.path.join(self.folder, owner, f"{name}.git")
        found = Repository(owner=owner, name=name, path=where, env=self.env)
        if not path:
            os.makedirs(where)
            found.git("init", "--quiet", "--bare", "--initial-branch=main", "--template=")
        self.repositories[found.full_name.lower()] = found
        return found

    def find(self, owner: str, name: str) -> Repository | None:
        """As GitHub finds it: whatever the case, under a former name too."""
        full = f"{owner}/{name}".lower()
        return self.repositories.get(self.renamed.get(full, full))

    def report(self, pull: Pull, name: str, conclusion: str | None = "SUCCESS", **more: Any) -> None:
        """A check on the pull request's current head."""
        pull.refresh()
        status = "COMPLETED" if conclusion else "IN_PROGRESS"
        report = CheckReport(
            name=name, sha=pull.head_sha, when=self._tick(), status=status, conclusion=conclusion, **more
        )
        pull.repository.checks.append(report)
        pull.repository.settle()

    def review(self, pull: Pull, user: str, state: str, *, can_push: bool = True) -> None:
        """A review of the pull request's current head."""
        pull.refresh()
        report = ReviewReport(user=user, state=state, sha=pull.head_sha, when=self._tick(), can_push=can_push)
        pull.reviews.append(report)
        pull.repository.settle()

    def pull_by_id(self, wanted: str) -> Pull:
        for repository in self.repositories.values():
            for pull in repository.pulls.values():
                if pull.id == wanted:
                    return pull
        raise graph.not_found(f"Could not resolve to a node with the global id of '{wanted}'.")

    def count(self, pattern: str = "") -> int:
        """How many requests matched."""
        return sum(re.search(pattern, asked.what) is not None for asked in self.asked)

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks

    # Requests

    def fault_for(self, what: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.on, what):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def answer(self, method: str, path: str, host: str, token: str, body: Any) -> Reply:
        """Carry a request out."""
        with self.lock:
            login = self.accounts.get(token)
            if login is None:
                message = "Bad credentials" if token else "Requires authentication"
                return Reply(status=401, body={"message": message, "documentation_url": "https://docs.github.com/rest"})
            reply = self._route(method, path, login, body)
            reply.headers.setdefault("X-OAuth-Scopes", self.scopes)
            reply.headers.setdefault("X-RateLimit-Limit", "5000")
            reply.headers.setdefault("X-RateLimit-Remaining", "4990")
            return reply

    def _route(self, method: str, path: str, login: str, body: Any) -> Reply:
        if (method, path) == ("POST", "/graphql"):
            age = self.older, self.middle
            if age not in self._schemas:
                self._schemas[age] = graph.load_schema(older=self.older, middle=self.middle)
            schema = self._schemas[age]
            return Reply(status=200, body=graph.answer(self, schema, body["query"], body.get("variables") or {}, login))
        match = re.fullmatch(r"/repos/([^/]+)/([^/]+)/pulls(?:/(\d+))?(/merge)?", path)
        moved = re.fullmatch(r"/repositories/(\w+)-(\w+)(/pulls.*)", path)
        if moved:
            return self._route(method, f"/repos/{moved.group(1)}/{moved.group(2)}{moved.group(3)}", login, body)
        if match is None:
            return _not_found()
        owner, name, number, merge = match.groups()
        target = self.renamed.get(f"{owner}/{name}".lower())
        if target:
            where = f"https://api.github.com/repositories/{target.replace('/', '-')}{path.split(name, 1)[1]}"
            return Reply(status=307, body={"message": "Moved Permanently", "url": where}, headers={"Location": where})
        repository = self.find(owner, name)
        pull = repository.pulls.get(int(number)) if repository and number else None
        if repository is None or (number and pull is None):
            return _not_found()
        try:
            return self._pulls(method, repository, pull, login, body, merge=bool(merge))
        except Refused as refused:
            errors = {"errors": refused.errors} if refused.errors else {}
            return Reply(status=refused.status, body={"message": refused.message, **errors})

    def _pulls(
        self, method: str, repository: Repository, pull: Pull | None, login: str, body: Any, *, merge: bool
    ) -> Reply:
        if pull is None and method == "POST":
            made = repository.open_pull(
                title=body["title"],
                body=body.get("body") or "",
                base=body["base"],
                head=body["head"].partition(":")[2] if ":" in body["head"] else body["head"],
                draft=body.get("draft", False),
                author=login,
            )
            return Reply(status=201, body=_rest(made))
        if pull is not None and merge and method == "PUT":
            sha = repository.merge(pull, method=body.get("merge_method", "merge"), sha=body.get("sha", ""))
            return Reply(status=200, body={"sha": sha, "merged": True, "message": "Pull Request successfully merged"})
        if pull is not None and method == "PATCH":
            pull.title, pull.body = body.get("title", pull.title), body.get("body", pull.body)
            return Reply(status=200, body=_rest(pull))
        if pull is not None and method == "GET":
            return Reply(status=200, body=_rest(pull))
        return _not_found()


def _not_found() -> Reply:
    return Reply(status=404, body={"message": "Not Found", "documentation_url": "https://docs.github.com/rest"})


def _rest(pull: Pull) -> dict[str, Any]:
    pull.refresh()
    return {
        "node_id": pull.id,
        "number": pull.number,
        "title": pull.title,
        "body": pull.body or None,
        "state": "open" if pull.state == "OPEN" else "closed",
        "draft": pull.draft,
        "html_url": f"https://github.com/{pull.repository.full_name}/pull/{pull.number}",
        "updated_at": "2026-01-02T03:04:05Z",
        "user": {"login": pull.author},
        "base": {"ref": pull.base, "sha": pull.repository.branch(pull.base)},
        "head": {"ref": pull.head, "sha": pull.head_sha},
        "mergeable": None,
        "merged": pull.state == "MERGED",
        "merge_commit_sha": pull.merge_sha or None,
    }
