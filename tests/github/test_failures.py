"""What goes wrong between gr2 and GitHub, each as its typed error with a hint; and which of it may have happened."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from gr2_github.address import Address

from gr2.api import (
    AlreadyExists,
    AuthFailed,
    NewPullRequest,
    NotFound,
    NotMergeable,
    OutcomeUnknown,
    PlatformError,
    ProtocolError,
    PullRef,
    RateLimited,
    Transient,
    Unsupported,
)
from gr2_github import queries
from tests.github.standin.desk import Desk
from tests.github.standin.hub import Fault, Hub

QUICK = {"GR2_PLATFORM_TIMEOUT": "4"}
LIMITED = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000090", "Date": "Fri, 15 Jan 2027 08:00:00 GMT"}


def status(number: int, message: str = "", *, headers: Mapping[str, str] | None = None, **more: Any) -> Fault:
    return Fault(kind="status", status=number, body={"message": message, **more}, headers=headers or {})


def new(url: str, **changes: Any) -> NewPullRequest:
    values = {"title": "title", "body": "body", "base": "main", "head": "topic", **changes}
    return NewPullRequest(url=url, **values)


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault(kind="bad_gateway"), Transient, "platform_unreachable"),
        (status(500, "Server Error"), Transient, "platform_unreachable"),
        (status(503, "Service unavailable"), Transient, "platform_unreachable"),
        (Fault(kind="drop"), Transient, "platform_unreachable"),
        (Fault(kind="cut"), Transient, "platform_unreachable"),
        (Fault(kind="garbage"), ProtocolError, "platform_protocol"),
        (status(401, "Bad credentials"), AuthFailed, "platform_auth"),
        (status(403, "Resource not accessible by integration"), AuthFailed, "platform_forbidden"),
        (status(404, "Not Found"), NotFound, "unknown_pr"),
        (status(451, "Repository access blocked"), NotFound, "unknown_pr"),
        (status(418, "I'm a teapot"), ProtocolError, "platform_refused"),
        (status(200), ProtocolError, "platform_protocol"),
        (status(200, data=[]), ProtocolError, "platform_protocol"),
        (status(200, data={"repository": {"pullRequest": {"number": -1}}}), ProtocolError, "platform_protocol"),
        (
            status(200, data=None, errors=[{"message": "Something went wrong while executing your query."}]),
            Transient,
            "",
        ),
        (status(200, data=None, errors=[{"type": "FORBIDDEN", "message": "no"}]), AuthFailed, "platform_forbidden"),
        (status(200, data=None, errors=[{"type": "SERVICE_UNAVAILABLE", "message": "no"}]), Transient, ""),
        (status(200, data=None, errors=[{"message": "no idea"}]), ProtocolError, "platform_refused"),
        (status(200, data=None, errors=["odd"]), ProtocolError, ""),
    ],
)
def test_a_read_that_fails_says_how(desk: Desk, fault: Fault, error: type[PlatformError], code: str) -> None:
    _, ref = desk.opened()
    desk.hub.faults.append(replace(fault))

    with pytest.raises(error) as raised:
        desk.adapter.get_pr(ref)

    assert raised.value.code == (code or raised.value.default_code)
    assert raised.value.message[0].islower() or raised.value.message.startswith("acme/")
    assert not raised.value.message.endswith(".")
    assert desk.adapter.get_pr(ref).title == "title", "the next one works"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        *[(what, kind) for what in ("create", "merge") for kind in ("bad_gateway", "drop", "cut", "garbage", "hang")],
        *[(what, kind) for what in ("body", "ready", "auto") for kind in ("cut", "garbage")],
    ],
)
def test_a_write_whose_answer_is_lost_may_have_happened(desk: Desk, what: str, kind: str, after: bool) -> None:
    url, ref = desk.opened(draft=what == "ready")
    head = desk.branch(url, "topic")
    desk.push(url, "other", {"other.txt": "one\n"})
    desk.repository(url).rules["main"] = type(desk.repository(url).rule("x"))(checks=("ci",) if what == "auto" else ())
    adapter = desk.another_adapter(env=QUICK if kind == "hang" else {})
    on = {"create": "POST /repos", "body": "PATCH", "merge": "PUT"}.get(what, "mutation")
    desk.hub.faults.append(Fault(kind=kind, on=on, after=after))

    with pytest.raises(OutcomeUnknown) as raised:
        if what == "create":
            adapter.create_pr(new(url, head="other"))
        elif what == "body":
            adapter.update_pr_body(ref, "other body")
        elif what == "ready":
            adapter.mark_ready(ref)
        elif what == "merge":
            adapter.merge_pr(ref, method="merge", expected_head=head)
        else:
            adapter.enable_auto_merge(ref, method="merge", expected_head=head)

    assert "may have happened" in raised.value.message
    assert desk.hub.count(on) == 1, "writes are never sent again"
    now = desk.adapter.get_pr(ref)
    happened = {
        "create": len(desk.adapter.list_prs(url)) == 2,
        "body": now.body == "other body",
        "ready": not now.draft,
        "merge": now.state == "merged",
        "auto": now.auto_merge,
    }
    assert happened[what] is after


def test_a_read_that_hangs_ends_at_its_deadline(desk: Desk) -> None:
    _, ref = desk.opened()
    desk.hub.faults.append(Fault(kind="hang", times=2))

    with pytest.raises(Transient, match=r"did not answer within 0\.7 s"):
        desk.another_adapter(env={"GR2_PLATFORM_TIMEOUT": "0.7"}).get_pr(ref)
    with pytest.raises(Transient, match=r"within 0\.5 s"):
        desk.adapter.get_pr(ref, timeout=0.5)


@pytest.mark.parametrize("write", [False, True])
def test_a_github_that_cannot_be_reached_was_not_written_to(desk: Desk, write: bool) -> None:
    _, ref = desk.opened()
    desk.world.write(os.path.join(desk.gh_config, "config.yml"), "http_unix_socket: /nowhere/at/all\n")

    with pytest.raises(Transient, match="cannot be reached"):
        desk.adapter.update_pr_body(ref, "x") if write else desk.adapter.get_pr(ref)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (status(403, "API rate limit exceeded for user ID 1.", headers=LIMITED), 90),
        (status(429, "API rate limit exceeded", headers=LIMITED), 90),
        (status(403, "You have exceeded a secondary rate limit.", headers={"Retry-After": "7"}), 7),
        (status(429, "slow down", headers={"Retry-After": "3"}), 3),
        (status(403, "You have exceeded a secondary rate limit."), 60),
        (status(200, data=None, errors=[{"type": "RATE_LIMITED", "message": "no"}], headers=LIMITED), 90),
        (status(200, errors=[{"type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": "no"}]), 60),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_a_rate_limit_says_how_long_to_rest(desk: Desk, fault: Fault, seconds: float, write: bool) -> None:
    url, ref = desk.opened(draft=True)
    desk.hub.faults.append(replace(fault, on="mutation" if write else ""))

    with pytest.raises(RateLimited) as raised:
        desk.adapter.mark_ready(ref) if write else desk.adapter.prs_overview([ref])

    assert raised.value.retry_after == seconds
    assert raised.value.code == "rate_limited"
    assert desk.pull(url, ref.number).draft


def test_who_is_not_signed_in_is_told_what_to_type(desk: Desk) -> None:
    _, ref = desk.opened()
    os.unlink(os.path.join(desk.gh_config, "hosts.yml"))

    with pytest.raises(AuthFailed) as raised:
        desk.adapter.get_pr(ref)

    assert (raised.value.code, raised.value.hint) == ("platform_auth", "gh auth login --hostname github.com")
    assert desk.adapter.auth_status(ref.url).signed_in is False
    assert desk.hub.count() == 0


def test_a_token_that_github_no_longer_takes_is_not_shown(desk: Desk) -> None:
    _, ref = desk.opened()
    desk.sign_in("github.com", token="gho_revoked")

    with pytest.raises(AuthFailed) as raised:
        desk.adapter.get_pr(ref)

    assert raised.value.code == "platform_auth"
    assert "gho_" not in repr(vars(raised.value))


def test_a_token_without_the_scope_is_told_which_one(desk: Desk) -> None:
    _, ref = desk.opened()
    headers = {"X-OAuth-Scopes": "gist", "X-Accepted-OAuth-Scopes": "repo"}
    said = "Your token has not been granted the required scopes. The 'x' field requires one of: ['read:org']"
    rows = [{"type": "INSUFFICIENT_SCOPES", "message": said}]
    desk.hub.faults += [status(404, "Not Found", headers=headers), status(403, "no", headers=headers)]
    desk.hub.faults += [status(200, data=None, errors=rows)]

    hints = []
    for _ in range(3):
        with pytest.raises(PlatformError) as raised:
            desk.adapter.get_pr(ref)
        hints.append(raised.value.hint)

    refresh = "gh auth refresh --hostname github.com --scopes"
    assert hints == [f"{refresh} repo", f"{refresh} repo", f"{refresh} read:org"]


def test_an_organisation_with_single_sign_on_is_told_apart(desk: Desk) -> None:
    _, ref = desk.opened()
    headers = {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso"}
    desk.hub.faults.append(status(403, "Resource protected by organization SAML enforcement.", headers=headers))

    with pytest.raises(AuthFailed, match="SAML") as raised:
        desk.adapter.get_pr(ref)

    assert raised.value.code == "platform_forbidden"
    assert "authorise" in raised.value.hint


def test_checks_the_token_may_not_see_are_an_error_and_not_no_checks(desk: Desk) -> None:
    _, ref = desk.opened()
    adapter = desk.adapter
    whole = _overview_answer(desk, ref)
    whole["data"]["r0"]["p1"]["commits"]["nodes"][0]["commit"]["statusCheckRollup"] = None
    path = ["r0", "p1", "commits", "nodes", 0, "commit", "statusCheckRollup"]
    whole["errors"] = [
        {"type": "FORBIDDEN", "path": path, "message": "Resource not accessible by personal access token"}
    ]
    desk.hub.faults.append(Fault(kind="status", status=200, body=whole))

    with pytest.raises(AuthFailed, match="not accessible") as raised:
        adapter.prs_overview([ref])

    assert raised.value.code == "platform_forbidden"


def test_rules_the_token_may_not_see_are_no_error(desk: Desk) -> None:
    _, ref = desk.opened()
    whole = _overview_answer(desk, ref)
    whole["data"]["r0"]["p1"]["baseRef"]["refUpdateRule"] = None
    path = ["r0", "p1", "baseRef", "refUpdateRule"]
    whole["errors"] = [{"type": "FORBIDDEN", "path": path, "message": "Must have admin rights to Repository."}]
    desk.hub.faults.append(Fault(kind="status", status=200, body=whole))

    assert desk.adapter.prs_overview([ref])[ref].pull.title == "title"


def _overview_answer(desk: Desk, ref: PullRef) -> dict[str, Any]:

    address = Address(host="github.com", owner="acme", name=desk.repository(ref.url).name)
    query = queries.overview([(address, [ref.number])], modern=True, methods=True)
    body = {"query": query, "variables": queries.named([address])}
    hub: Hub = desk.hub
    found = hub.answer("POST", "/graphql", "api.github.com", next(iter(hub.accounts)), body).body
    assert "errors" not in found
    return dict(json.loads(json.dumps(found)))


def test_what_changed_while_it_was_read_is_read_again_and_not_believed(desk: Desk) -> None:
    _, ref = desk.opened()
    whole = _overview_answer(desk, ref)
    whole["data"]["r0"]["p1"]["commits"]["nodes"][0]["commit"]["oid"] = "0" * 40
    desk.hub.faults.append(Fault(kind="status", status=200, body=whole))

    with pytest.raises(Transient, match="changed meanwhile"):
        desk.adapter.prs_overview([ref])


def test_pages_that_never_end_are_an_error(desk: Desk) -> None:
    url, _ = desk.opened()
    page = {"pageInfo": {"hasNextPage": True, "endCursor": "same"}, "nodes": []}
    endless = {"data": {"repository": {"pullRequests": page}}}
    desk.hub.faults.append(Fault(kind="status", status=200, body=endless, times=99))

    with pytest.raises(ProtocolError, match="do not end"):
        desk.adapter.list_prs(url)

    assert desk.hub.count() == 2


@pytest.mark.parametrize(
    ("changes", "error", "code", "words"),
    [
        ({"head": "absent"}, ProtocolError, "platform_refused", "PullRequest head invalid"),
        ({"base": "absent"}, ProtocolError, "platform_refused", "PullRequest base invalid"),
        ({"head": "main"}, NotMergeable, "no_commits", "No commits between main and main"),
        ({"draft": True}, Unsupported, "unsupported", "drafts"),
        ({"title": " "}, ProtocolError, "platform_refused", "title can't be blank"),
        ({"head": "taken"}, AlreadyExists, "pr_exists", "already exists"),
    ],
)
def test_a_pull_request_github_does_not_open_is_told_why(
    desk: Desk, changes: dict[str, Any], error: type[PlatformError], code: str, words: str
) -> None:
    url = desk.new_repository()
    desk.repository(url).drafts_allowed = False
    for branch in ("topic", "taken"):
        desk.push(url, branch, {f"{branch}.txt": "one\n"})
    first = desk.adapter.create_pr(new(url, head="taken"))

    with pytest.raises(error, match=words) as raised:
        desk.adapter.create_pr(new(url, **changes))

    assert raised.value.code == code
    if isinstance(raised.value, AlreadyExists):
        assert raised.value.number == first.ref.number
    assert len(desk.repository(url).pulls) == 1


def test_what_github_says_cannot_move_the_cursor(desk: Desk) -> None:
    _, ref = desk.opened()
    desk.hub.faults.append(status(403, "\x1b[2J\u202e" + "x" * 5000 + "\nsecond line"))

    with pytest.raises(AuthFailed) as raised:
        desk.adapter.get_pr(ref)

    assert not [char for char in raised.value.message if ord(char) < 32 or char == "\u202e"]
    assert len(raised.value.message) < 500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("headRefOid", "--upload-pack=evil"),
        ("headRefOid", "HEAD"),
        ("state", "WHATEVER"),
        ("number", 7),
        ("title", None),
        ("mergeCommit", {"oid": "x" * 40}),
    ],
)
def test_an_answer_that_makes_no_sense_is_not_believed(desk: Desk, field: str, value: Any) -> None:
    _, ref = desk.opened()
    whole = _overview_answer(desk, ref)
    whole["data"]["r0"]["p1"][field] = value
    desk.hub.faults.append(Fault(kind="status", status=200, body=whole))

    with pytest.raises(ProtocolError):
        desk.adapter.prs_overview([ref])


def test_a_link_that_is_none_is_not_handed_on(desk: Desk) -> None:
    _, ref = desk.opened()
    whole = _overview_answer(desk, ref)
    whole["data"]["r0"]["p1"]["url"] = "javascript:alert(1)"
    desk.hub.faults.append(Fault(kind="status", status=200, body=whole))

    assert desk.adapter.prs_overview([ref])[ref].pull.web_url == ""


def test_an_answer_that_is_nested_too_deeply_is_no_crash(desk: Desk) -> None:
    _, ref = desk.opened()
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    desk.hub.faults.append(Fault(kind="status", status=200, body={"data": {"repository": deep}}))

    with pytest.raises(PlatformError):
        desk.adapter.get_pr(ref)
