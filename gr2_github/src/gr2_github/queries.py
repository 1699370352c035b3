"""The GraphQL gr2 asks. Owner, name and branch names are always variables; only numbers are written into the text.

`modern` says whether the host knows what GitHub Enterprise Server 3.8 does not: rulesets and merge queues; `methods`,
whether it knows the merge methods of a ruleset, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from gr2_github.address import Address

PAGE = 100

METHODS = "allowedMergeMethods"

VIEWER = "query { viewer { login } }"

_PULL = """
fragment Pull on PullRequest {
  id number title body state isDraft url updatedAt
  baseRefName headRefName headRefOid isCrossRepository
  author { login }
  headRepository { url }
  mergeable
  mergeCommit { oid }
  autoMergeRequest { enabledAt }
  %s
}
"""
_CONTEXTS = """
contexts(first: 100%(after)s) {
  pageInfo { hasNextPage endCursor }
  nodes {
    __typename
    ... on CheckRun {
      name status conclusion detailsUrl startedAt isRequired(pullRequestNumber: %(number)d)
      checkSuite { app { slug } workflowRun { event workflow { name } } }
    }
    ... on StatusContext { context state targetUrl createdAt isRequired(pullRequestNumber: %(number)d) }
  }
}
"""
_REVIEWS = """
reviews(first: 100%(after)s) {
  pageInfo { hasNextPage endCursor }
  nodes { author { login } authorCanPushToRepository state submittedAt commit { oid } }
}
"""
_OVERVIEW = """
...Pull
mergeStateStatus reviewDecision
baseRef {
  target { oid }
  refUpdateRule {
    requiredApprovingReviewCount requiredStatusCheckContexts requiresCodeOwnerReviews
    requiresLinearHistory
  }
  %(rules)s
}
commits(last: 1) { nodes { commit { oid statusCheckRollup { %(contexts)s } } } }
%(reviews)s
"""
_RULES = """
rules(first: 100) {
  nodes {
    type
    parameters {
      __typename
      ... on PullRequestParameters { requiredApprovingReviewCount requireCodeOwnerReview %s }
      ... on RequiredStatusChecksParameters { requiredStatusChecks { context } }
    }
  }
}
"""

MARK_READY = """
mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }
"""
AUTO_MERGE = """
mutation($id: ID!, $method: PullRequestMergeMethod!, $head: GitObjectID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method, expectedHeadOid: $head}) {
    pullRequest { autoMergeRequest { enabledAt } }
  }
}
"""
ENQUEUE = """
mutation($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { id } }
}
"""


def pull(number: int, *, modern: bool) -> str:
    """One pull request: `$owner`, `$name`."""
    return f"""{_pull(modern)}
query($owner: String!, $name: String!) {{
  repository(owner: $owner, name: $name) {{ pullRequest(number: {number}) {{ ...Pull }} }}
}}"""


def pulls(*, modern: bool) -> str:
    """A page of a repository's pull requests by number: `$owner $name $head $base $states $after`."""
    return f"""{_pull(modern)}
query($owner: String!, $name: String!, $head: String, $base: String, $states: [PullRequestState!], $after: String) {{
  repository(owner: $owner, name: $name) {{
    pullRequests(
      first: {PAGE}, after: $after, headRefName: $head, baseRefName: $base, states: $states,
      orderBy: {{field: CREATED_AT, direction: ASC}}
    ) {{
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ ...Pull }}
    }}
  }}
}}"""


def overview(groups: Sequence[tuple[Address, Sequence[int]]], *, modern: bool, methods: bool) -> str:
    """Everything about many pull requests of several repositories: `$o0 $n0`, `$o1 $n1`, … The answer has `r0`,
    `r1`, … with `p<number>` in each."""
    rules = _RULES % (METHODS if methods else "") if modern else ""
    parts = []
    for index, (_, numbers) in enumerate(groups):
        inner = "\n".join(
            f"p{number}: pullRequest(number: {number}) {{"
            + _OVERVIEW
            % {
                "rules": rules,
                "contexts": _CONTEXTS % {"after": "", "number": number},
                "reviews": _REVIEWS % {"after": ""},
            }
            + "}"
            for number in numbers
        )
        parts.append(f"r{index}: repository(owner: $o{index}, name: $n{index}) {{ {inner} }}")
    return _pull(modern) + _batch(len(groups), parts)


def more_checks(number: int) -> str:
    """A further page of checks: `$owner $name $after`."""
    contexts = _CONTEXTS % {"after": ", after: $after", "number": number}
    return _further(number, f"commits(last: 1) {{ nodes {{ commit {{ oid statusCheckRollup {{ {contexts} }} }} }} }}")


def more_reviews(number: int) -> str:
    """A further page of reviews: `$owner $name $after`."""
    return _further(number, _REVIEWS % {"after": ", after: $after"})


def heads(count: int) -> str:
    """The branches of `count` repositories: `$o0 $n0`, … The answer has `r0`, `r1`, …"""
    parts = [
        f"""r{index}: repository(owner: $o{index}, name: $n{index}) {{
  defaultBranchRef {{ name }}
  refs(refPrefix: "refs/heads/", first: {PAGE}) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{ name target {{ oid }} }}
  }}
}}"""
        for index in range(count)
    ]
    return _batch(count, parts)


def abilities(*, modern: bool) -> str:
    """What a repository allows: `$owner $name`."""
    queue = "mergeQueue { id }" if modern else ""
    return f"""query($owner: String!, $name: String!) {{
  repository(owner: $owner, name: $name) {{
    mergeCommitAllowed squashMergeAllowed rebaseMergeAllowed autoMergeAllowed {queue}
  }}
}}"""


def named(addresses: Sequence[Address]) -> dict[str, str]:
    """The variables of `overview` and `heads`."""
    found = {}
    for index, address in enumerate(addresses):
        found[f"o{index}"], found[f"n{index}"] = address.owner, address.name
    return found


def _pull(modern: bool) -> str:
    return _PULL % ("isInMergeQueue" if modern else "")


def _batch(count: int, parts: Sequence[str]) -> str:
    names = " ".join(f"$o{index}: String! $n{index}: String!" for index in range(count))
    return f"query({names}) {{\n" + "\n".join(parts) + "\n}"


def _further(number: int, inner: str) -> str:
    return f"""query($owner: String!, $name: String!, $after: String!) {{
  repository(owner: $owner, name: $name) {{ pullRequest(number: {number}) {{ {inner} }} }}
}}"""
