"""What is made of whatever gh prints, down to the bytes: never an exception of Python's own."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from gr2_github.answer import Answer, parse
from gr2_github.documents import WholePull
from gr2_github.echo import is_echo, may_be_changed
from gr2_github.errors import Request, graphql_refusal, refusal
from gr2_github.host import checked, contexts_of
from hypothesis import given
from hypothesis import strategies as st

from gr2.api import PlatformError, PullRef
from gr2_github import reading

READING = Request(host="github.com", what="reading o/n#1", write=False)
SHA = "0123456789abcdef0123456789abcdef01234567"
PAGE = {"hasNextPage": False, "endCursor": None}
RUN = {
    "__typename": "CheckRun",
    "name": "ci",
    "status": "COMPLETED",
    "conclusion": "SUCCESS",
    "detailsUrl": "https://ci.example.org/1",
    "startedAt": "2026-01-02T03:04:05Z",
    "isRequired": True,
    "checkSuite": {"app": {"slug": "ci"}, "workflowRun": {"event": "push", "workflow": {"name": "CI"}}},
}
STATUS = {
    "__typename": "StatusContext",
    "context": "old",
    "state": "SUCCESS",
    "targetUrl": None,
    "createdAt": "x",
    "isRequired": False,
}
RULE = {
    "type": "PULL_REQUEST",
    "parameters": {"__typename": "PullRequestParameters", "requiredApprovingReviewCount": 1},
}
WHOLE: dict[str, Any] = {
    "id": "PR_1",
    "number": 1,
    "title": "t",
    "body": "b",
    "state": "OPEN",
    "isDraft": False,
    "url": "https://github.com/o/n/pull/1",
    "updatedAt": "2026-01-02T03:04:05Z",
    "baseRefName": "main",
    "headRefName": "topic",
    "headRefOid": SHA,
    "isCrossRepository": True,
    "author": {"login": "robin"},
    "headRepository": {"url": "https://github.com/f/n"},
    "mergeable": "MERGEABLE",
    "mergeCommit": {"oid": SHA},
    "autoMergeRequest": {"enabledAt": "2026-01-02T03:04:05Z"},
    "isInMergeQueue": False,
    "mergeStateStatus": "BLOCKED",
    "reviewDecision": "REVIEW_REQUIRED",
    "baseRef": {
        "refUpdateRule": {
            "requiredApprovingReviewCount": 1,
            "requiredStatusCheckContexts": ["ci", None],
            "requiresCodeOwnerReviews": True,
        },
        "rules": {"nodes": [RULE, None, {"type": "DELETION", "parameters": None}]},
    },
    "commits": {
        "nodes": [
            {"commit": {"oid": SHA, "statusCheckRollup": {"contexts": {"pageInfo": PAGE, "nodes": [RUN, STATUS]}}}}
        ]
    },
    "reviews": {
        "pageInfo": PAGE,
        "nodes": [
            {
                "author": {"login": "casey"},
                "authorCanPushToRepository": True,
                "state": "APPROVED",
                "submittedAt": "2026-01-02T03:04:05Z",
                "commit": {"oid": SHA},
            }
        ],
    },
}


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*at, key))
    return found


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["--upload-pack=x", "\x1b[2J", "HEAD", "../..", "javascript:alert(1)"]),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


def read(raw: Any) -> tuple[Any, ...]:
    whole = checked(WholePull, raw, READING)
    checks = reading.checks(contexts_of(whole))
    reviews = reading.reviews(whole.reviews.nodes if whole.reviews else ())
    pull = reading.pull_request(PullRef(url="u", number=1), whole)
    return pull, checks, reviews, reading.demands(whole, checks, reviews)


@given(where=st.sampled_from(paths(WHOLE)), value=ODD)
def test_one_odd_value_anywhere_is_read_or_refused_and_never_a_crash(where: tuple[Any, ...], value: Any) -> None:
    raw = copy.deepcopy(WHOLE)
    inner = raw
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    try:
        pull, checks, _, _ = read(raw)
    except PlatformError as error:
        assert error.code == "platform_protocol"
        return
    assert len(pull.head_sha) in {40, 64} and set(pull.head_sha) <= set("0123456789abcdef")
    assert pull.web_url.startswith("http") or pull.web_url == ""
    assert all(check.url.startswith("http") or check.url == "" for check in checks)


@pytest.mark.parametrize(
    "where", [path for path in paths(WHOLE) if isinstance(path[-1], str)], ids=lambda where: ".".join(map(str, where))
)
def test_a_field_that_is_missing_is_read_or_refused_and_never_a_crash(where: tuple[Any, ...]) -> None:
    raw = copy.deepcopy(WHOLE)
    inner = raw
    for key in where[:-1]:
        inner = inner[key]
    del inner[where[-1]]
    if where[-1] in {"headRefOid", "state", "reviews", "commits", "oid"}:
        with pytest.raises(PlatformError):
            read(raw)
        return
    try:
        read(raw)
    except PlatformError as error:
        assert error.code == "platform_protocol"


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(printed: bytes) -> None:
    for whole in (printed, b"HTTP/2.0 200 OK\n" + printed, b"HTTP/1.1 403 Forbidden\nRetry-After: x\r\n\r\n" + printed):
        answer = parse(whole, whole=True)
        if answer is not None:
            assert answer.message is not None
            assert answer.retry_after(0) > 0
            assert isinstance(refusal(READING, answer, now=0), PlatformError)


@given(st.dictionaries(st.sampled_from(["type", "message", "path", "extensions"]), ODD))
def test_any_graphql_error_is_one_of_gr2_s(row: dict[str, Any]) -> None:
    found = graphql_refusal(READING, row, Answer(status=200), now=0)
    assert isinstance(found, PlatformError)
    assert not found.message.endswith(".")


def test_an_answer_has_status_headers_and_body() -> None:
    printed = b"HTTP/2.0 201 Created\nContent-Type: application/json\r\nX-Odd:\r\n\r\n{}\r\n\r\n"
    found = parse(printed, whole=True)
    assert found is not None
    assert (found.status, found.body, found.whole) == (201, b"{}\r\n\r\n", True)
    assert found.headers == {"content-type": "application/json", "x-odd": ""}
    without = parse(b"HTTP/1.1 204 No Content\n\r\n", whole=True)
    assert without is not None and (without.headers, without.body, without.whole) == ({}, b"", True)
    cut = parse(b"HTTP/1.1 200 OK\nContent-Type: application", whole=True)
    assert cut is not None and cut.whole is False
    assert parse(b"gh: no\nHTTP/1.1 200 OK\n\r\n", whole=True) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {
                "message": "Validation Failed",
                "errors": [{"resource": "PullRequest", "field": "base", "code": "invalid"}],
            },
            "Validation Failed: PullRequest base invalid",
        ),
        ({"message": "Validation Failed", "errors": [{"message": "one"}, "two"]}, "Validation Failed: one; two"),
        ({"message": "Not Found"}, "Not Found"),
        ({"errors": "odd"}, ""),
        (["odd"], ""),
    ],
)
def test_what_github_says_in_words_is_found(body: Any, message: str) -> None:
    assert Answer(status=422, body=json.dumps(body).encode()).message == message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:00 GMT"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000"}, 100),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "800"}, 1),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000", "date": "Thu, 01 Jan 1970 00:10:00 GMT"}, 400),
        ({"x-ratelimit-remaining": "4000", "x-ratelimit-reset": "1000"}, 60),
        ({}, 60),
    ],
)
def test_the_time_to_rest_is_by_the_server_s_clock(headers: dict[str, str], seconds: float) -> None:
    assert Answer(status=403, headers=headers).retry_after(900.0) == seconds


@given(st.text())
def test_a_text_is_its_own_echo(text: str) -> None:
    assert is_echo(text, text)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a\x1b[31mb", "a^[[31mb"),
        ("a\x1cb", "a^\\b"),
        ("a\x9bb", "a\\233b"),
        ("a\\u001b[31mb", "a\\^[[31mb"),
        ("tab\tline\nreturn\r", "tab\tline\nreturn\r"),
    ],
)
def test_what_gh_makes_of_control_characters_is_recognised(sent: str, read: str) -> None:
    assert is_echo(sent, read)
    assert sent == read or may_be_changed(read)
    assert not is_echo(sent, read + "x")
    assert not is_echo(sent, "x" + read)


@given(st.text(alphabet="ab^[\\u01 \n"), st.text(alphabet="ab^[\\u01 \n"))
def test_different_texts_without_control_characters_are_told_apart(one: str, other: str) -> None:
    if "\\u00" not in one:
        assert is_echo(one, other) == (one == other)
