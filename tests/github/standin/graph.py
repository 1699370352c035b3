"""The GraphQL side: resolvers for `schema.graphql`, and errors in GitHub's form."""

from __future__ import annotations

import os
import re
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, execute, parse, validate

from tests.github.standin.repository import CheckReport, Pull, Refused, Repository, ReviewReport

_SDL = os.path.join(os.path.dirname(__file__), "schema.graphql")
_NEWER = (
    "isInMergeQueue: Boolean!",
    "rules(first: Int): RepositoryRuleConnection",
    "mergeQueue(branch: String): MergeQueue",
)
_NEWEST = ("allowedMergeMethods: [PullRequestAllowedMergeMethods!]",)


def load_schema(*, older: bool = False, middle: bool = False) -> GraphQLSchema:
    """The schema; `older`: without what GitHub Enterprise Server 3.8 lacks; `middle`: without the newest alone."""
    with open(_SDL, encoding="utf-8") as file:
        text = file.read()
    for line in (*(_NEWER if older else ()), *(_NEWEST if older or middle else ())):
        assert line in text
        text = text.replace(line, "")
    return build_schema(text)


def answer(hub: Any, schema: GraphQLSchema, query: str, variables: dict[str, Any], login: str) -> dict[str, Any]:
    """What `POST /graphql` answers, always with status 200."""
    document = parse(query)
    invalid = validate(schema, document)
    if invalid:
        return {"errors": [_undefined(error) for error in invalid]}
    result = execute(schema, document, root_value=_Root(hub, login), variable_values=variables)
    found: dict[str, Any] = {"data": result.data}
    if result.errors:
        found["errors"] = [_row(error) for error in result.errors]
    return found


def _undefined(error: GraphQLError) -> dict[str, Any]:
    match = re.match(r"Cannot query field '(\w+)' on type '(\w+)'", error.message)
    if match is None:
        return {"message": error.message}
    field, kind = match.groups()
    return {
        "path": ["query", field],
        "extensions": {"code": "undefinedField", "typeName": kind, "fieldName": field},
        "message": f"Field '{field}' doesn't exist on type '{kind}'",
    }


def _row(error: GraphQLError) -> dict[str, Any]:
    if not error.extensions:
        raise AssertionError(f"the stand-in failed: {error!r}") from error.original_error
    return {"type": error.extensions["type"], "path": list(error.path or ()), "message": error.message}


def not_found(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": "NOT_FOUND"})


def _unprocessable(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": "UNPROCESSABLE"})


def _page(rows: list[Any], first: int | None, after: str | None) -> dict[str, Any]:
    if first is None or not 1 <= first <= 100:
        raise GraphQLError(
            "Requesting a page without a limit of at most 100", extensions={"type": "EXCESSIVE_PAGINATION"}
        )
    start = int(after) if after else 0
    shown = rows[start : start + first]
    more = start + len(shown) < len(rows)
    return {"nodes": shown, "pageInfo": {"hasNextPage": more, "endCursor": str(start + len(shown)) if shown else None}}


class _Root:
    def __init__(self, hub: Any, login: str) -> None:
        self._hub = hub
        self.viewer = {"login": login}

    def repository(self, info: Any, owner: str, name: str, followRenames: bool = True) -> Any:
        found = self._hub.find(owner, name)
        if found is None:
            raise not_found(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return _Repository(found)

    def markPullRequestReadyForReview(self, info: Any, input: dict[str, Any]) -> Any:
        pull = self._hub.pull_by_id(input["pullRequestId"])
        pull.draft = False
        return {"pullRequest": _Pull(pull)}

    def enablePullRequestAutoMerge(self, info: Any, input: dict[str, Any]) -> Any:
        pull = self._hub.pull_by_id(input["pullRequestId"])
        repository = pull.repository
        pull.refresh()
        if not repository.auto_merge_allowed:
            raise _unprocessable("Auto merge is not allowed for this repository")
        if input.get("expectedHeadOid") not in {None, pull.head_sha}:
            raise _unprocessable("Head sha can't be different from the expected head sha")
        if input["mergeMethod"].lower() not in repository.methods:
            raise _unprocessable(
                f"Merge method {input['mergeMethod'].lower()} merging is not allowed on this repository"
            )
        if not repository.unmet(pull):
            raise _unprocessable("Pull request Pull request is in clean status")
        pull.auto_merge = input["mergeMethod"].lower()
        return {"pullRequest": _Pull(pull)}

    def enqueuePullRequest(self, info: Any, input: dict[str, Any]) -> Any:
        pull = self._hub.pull_by_id(input["pullRequestId"])
        pull.refresh()
        if input.get("expectedHeadOid") not in {None, pull.head_sha}:
            raise _unprocessable("The head of the pull request has changed")
        pull.queued = True
        return {"mergeQueueEntry": {"id": f"MQE_{pull.id}"}}


class _Repository:
    def __init__(self, found: Repository) -> None:
        self._found = found
        self.id = f"R_{found.full_name}"
        self.url = f"https://github.com/{found.full_name}"
        self.nameWithOwner = found.full_name
        self.mergeCommitAllowed = "merge" in found.methods
        self.squashMergeAllowed = "squash" in found.methods
        self.rebaseMergeAllowed = "rebase" in found.methods
        self.autoMergeAllowed = found.auto_merge_allowed

    def defaultBranchRef(self, info: Any) -> Any:
        name = self._found.git("symbolic-ref", "--short", "HEAD")
        return _ref(self._found, name) if self._found.branch(name) else None

    def mergeQueue(self, info: Any, branch: str | None = None) -> Any:
        return {"id": "MQ_1"} if self._found.rule(branch or "main").merge_queue else None

    def refs(self, info: Any, refPrefix: str, first: int | None = None, after: str | None = None) -> Any:
        rows = [{"name": name, "target": _commit(self._found, sha)} for name, sha in self._found.branches().items()]
        return _page(rows, first, after)

    def pullRequest(self, info: Any, number: int) -> Any:
        pull = self._found.pulls.get(number)
        if pull is None:
            raise not_found(f"Could not resolve to a PullRequest with the number of {number}.")
        return _Pull(pull)

    def pullRequests(
        self,
        info: Any,
        first: int | None = None,
        after: str | None = None,
        headRefName: str | None = None,
        baseRefName: str | None = None,
        states: list[str] | None = None,
        orderBy: Any = None,
    ) -> Any:
        rows = [
            _Pull(pull)
            for pull in self._found.pulls.values()
            if headRefName in {None, pull.head}
            and baseRefName in {None, pull.base}
            and (states is None or pull.state in states)
        ]
        return _page(rows, first, after)


def _ref(repository: Repository, name: str) -> dict[str, Any]:
    rule = repository.rule(name)
    plain = None if rule.hidden or rule.ruleset or rule == type(rule)() else rule
    rules = [
        {
            "type": "PULL_REQUEST",
            "parameters": {
                "__typename": "PullRequestParameters",
                "requiredApprovingReviewCount": rule.approvals,
                "requireCodeOwnerReview": rule.code_owners,
                "allowedMergeMethods": [method.upper() for method in rule.methods] or None,
            },
        },
        {
            "type": "REQUIRED_STATUS_CHECKS",
            "parameters": {
                "__typename": "RequiredStatusChecksParameters",
                "requiredStatusChecks": [{"context": name} for name in rule.checks],
            },
        },
        {"type": "DELETION", "parameters": None},
        *([{"type": "REQUIRED_LINEAR_HISTORY", "parameters": None}] if rule.linear else []),
    ]
    return {
        "name": name,
        "target": _commit(repository, repository.branch(name)),
        "refUpdateRule": plain
        and {
            "requiredApprovingReviewCount": plain.approvals,
            "requiredStatusCheckContexts": list(plain.checks),
            "requiresCodeOwnerReviews": plain.code_owners,
            "requiresLinearHistory": plain.linear,
        },
        "rules": {"nodes": rules if rule.ruleset and not rule.hidden else []},
    }


class _Pull:
    def __init__(self, found: Pull) -> None:
        found.refresh()
        self._found = found
        self.id, self.number, self.title, self.body = found.id, found.number, found.title, found.body
        self.state, self.isDraft = found.state, found.draft
        self.url = f"https://github.com/{found.repository.full_name}/pull/{found.number}"
        self.updatedAt = "2026-01-02T03:04:05Z"
        self.author = {"__typename": "User", "login": found.author} if found.author else None
        self.baseRefName, self.headRefName, self.headRefOid = found.base, found.head, found.head_sha
        self.isCrossRepository = found.head_repository is not found.repository
        self.headRepository = _Repository(found.head_repository) if found.head_repository else None
        self.mergeCommit = _commit(found.repository, found.merge_sha) if found.merge_sha else None
        self.autoMergeRequest = {"enabledAt": "2026-01-02T03:04:05Z"} if found.auto_merge else None
        self.isInMergeQueue = found.queued

    def mergeable(self, info: Any) -> str:
        return self._found.mergeable()

    def baseRef(self, info: Any) -> Any:
        repository = self._found.repository
        return _ref(repository, self._found.base) if repository.branch(self._found.base) else None

    def mergeStateStatus(self, info: Any) -> str:
        pull, repository = self._found, self._found.repository
        if pull.state != "OPEN":
            return "UNKNOWN"
        if pull.draft:
            return "DRAFT"
        if not repository.merged_tree(pull.base, pull.head_sha):
            return "DIRTY"
        unmet = repository.unmet(pull)
        if unmet and all("up to date" in reason for reason in unmet):
            return "BEHIND"
        failing = any(run.conclusion == "FAILURE" for run in repository.current_checks(pull.head_sha))
        return "BLOCKED" if unmet else "UNSTABLE" if failing else "CLEAN"

    def reviewDecision(self, info: Any) -> str | None:
        rule = self._found.repository.rule(self._found.base)
        if not rule.approvals and not rule.code_owners:
            return None
        unmet = " ".join(self._found.repository.unmet(self._found))
        if "Changes were requested" in unmet:
            return "CHANGES_REQUESTED"
        return "REVIEW_REQUIRED" if "review" in unmet else "APPROVED"

    def commits(self, info: Any, first: int | None = None, last: int | None = None) -> Any:
        return {"nodes": [{"commit": _commit(self._found.repository, self._found.head_sha)}]}

    def reviews(self, info: Any, first: int | None = None, after: str | None = None) -> Any:
        return _page([_review(self._found.repository, review) for review in self._found.reviews], first, after)


def _review(repository: Repository, review: ReviewReport) -> dict[str, Any]:
    return {
        "author": {"__typename": "User", "login": review.user} if review.user else None,
        "authorCanPushToRepository": review.can_push,
        "state": review.state,
        "submittedAt": None if review.state == "PENDING" else _when(review.when),
        "commit": _commit(repository, review.sha),
    }


def _commit(repository: Repository, sha: str) -> dict[str, Any]:
    def rollup(info: Any) -> Any:
        reports = repository.current_checks(sha)
        if not reports:
            return None
        return {
            "contexts": lambda info, first=None, after=None: _page(
                [_context(repository, r) for r in reports], first, after
            )
        }

    return {"__typename": "Commit", "oid": sha, "statusCheckRollup": rollup}


def _context(repository: Repository, report: CheckReport) -> dict[str, Any]:
    def required(info: Any, pullRequestNumber: int = 0, pullRequestId: str = "") -> bool:
        return report.required or report.name in repository.rule(repository.pulls[pullRequestNumber].base).checks

    if report.is_status:
        states = {"SUCCESS": "SUCCESS", "FAILURE": "FAILURE", None: "PENDING"}
        return {
            "__typename": "StatusContext",
            "context": report.name,
            "state": states[report.conclusion],
            "targetUrl": None,
            "createdAt": _when(report.when),
            "isRequired": required,
        }
    return {
        "__typename": "CheckRun",
        "name": report.name,
        "status": report.status,
        "conclusion": report.conclusion,
        "detailsUrl": f"https://ci.example.org/{report.when}",
        "startedAt": _when(report.when) if report.started else None,
        "isRequired": required,
        "checkSuite": {
            "app": {"slug": "github-actions"},
            "workflowRun": {"event": report.event, "workflow": {"name": report.workflow}},
        },
    }


def _when(number: int) -> str:
    return f"2026-01-02T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


__all__ = ["Refused", "answer", "load_schema", "not_found"]
