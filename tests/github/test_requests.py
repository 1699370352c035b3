"""What is asked of GitHub: how often, how, and with what in view of others."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from gr2.api import AuthFailed, NewPullRequest, OutcomeUnknown, ProtocolError, PullRef, Unsupported
from tests.github.standin.desk import Desk
from tests.github.standin.hub import TOKEN, Fault
from tests.github.standin.repository import Rule

NASTY = (
    "quotes ' \" ` \\ $HOME $(id) %s {owner} :branch",
    "@/etc/passwd",
    "-leading dash",
    "--input=/etc/passwd",
    "emoji 🦊 👩‍👩‍👧 ünïcödé",
    "escape \x1b[31mred\x1b[0m \x1b]0;title\x07 bell",
    "c1 \x9b31m and del \x7f and \u202e right to left",
    "as written in code: \\u001b[31m and \\u0080",
)


def new(url: str, **changes: object) -> NewPullRequest:
    values = {"title": "title", "body": "body", "base": "main", "head": "topic", "draft": False, **changes}
    return NewPullRequest(url=url, **values)  # type: ignore[arg-type]


def test_an_overview_of_ten_pull_requests_in_ten_repositories_is_one_request(desk: Desk) -> None:
    refs = [desk.opened()[1] for _ in range(10)]

    found = desk.adapter.prs_overview(refs)

    assert set(found) == set(refs)
    assert desk.hub.count() == 1


def test_an_overview_of_more_than_fits_takes_one_request_for_each_twenty_five(desk: Desk) -> None:
    url, first = desk.opened()
    refs = [first]
    for number in range(2, 27):
        desk.push(url, f"topic{number}", {"more.txt": f"{number}\n"})
        refs.append(desk.adapter.create_pr(new(url, head=f"topic{number}")).ref)
    desk.hub.asked.clear()

    assert set(desk.adapter.prs_overview(refs)) == set(refs)

    assert desk.hub.count() == 2


def test_the_branches_of_a_hundred_repositories_are_one_request(desk: Desk) -> None:
    one = desk.new_repository()
    urls = [one]
    for number in range(99):
        desk.hub.add("acme", f"same{number}", path=desk.repository(one).path)
        urls.append(f"git@github.com:acme/same{number}.git")

    found = desk.adapter.branch_heads(urls)

    assert set(found) == set(urls)
    assert {heads.branches["main"] for heads in found.values()} == {desk.branch(one, "main")}
    assert desk.hub.count() == 1


def test_a_repository_with_more_branches_than_a_page_is_left_out_rather_than_told_in_part(desk: Desk) -> None:
    large, small = desk.new_repository(), desk.new_repository()
    repository = desk.repository(large)
    for number in range(101):
        repository.git("update-ref", f"refs/heads/branch{number}", repository.branch("main"))

    found = desk.adapter.branch_heads([large, small, "https://github.com/acme/absent.git"])

    assert set(found) == {small}
    assert desk.hub.count() == 1


def test_lists_have_all_pages(desk: Desk) -> None:
    url, first = desk.opened()
    repository = desk.repository(url)
    for number in range(2, 206):
        pull = repository.pulls[first.number]
        repository.pulls[number] = type(pull)(**{**vars(pull), "number": number})

    found = desk.adapter.list_prs(url, state="all")

    assert [pull.ref.number for pull in found] == list(range(1, 206))
    assert desk.hub.count() == 3


def test_checks_and_reviews_have_all_pages(desk: Desk) -> None:
    url, ref = desk.opened()
    pull = desk.pull(url, ref.number)
    for number in range(205):
        desk.hub.report(pull, f"check{number:03}")
        desk.hub.review(pull, f"user{number:03}", "APPROVED")

    found = desk.adapter.prs_overview([ref])[ref]

    assert [check.name for check in found.checks] == [f"check{number:03}" for number in range(205)]
    assert [review.reviewer for review in found.reviews] == [f"user{number:03}" for number in range(205)]
    assert desk.hub.count() == 5


def test_a_pull_request_of_a_fork_is_not_taken_for_one_of_the_same_branch_name(desk: Desk) -> None:
    url = desk.new_repository()
    fork = desk.hub.add("stranger", "fork")
    fork.git("fetch", "--quiet", desk.repository(url).path, "refs/heads/*:refs/heads/*")
    desk._import(fork, "topic", {"evil.txt": "evil\n"})
    desk.repository(url).open_pull(
        title="t", body="b", base="main", head="topic", draft=False, author="stranger", source=fork
    )

    assert desk.adapter.list_prs(url, head="topic", base="main") == ()

    (found,) = desk.adapter.list_prs(url)
    assert (found.head, found.head_url) == ("topic", "https://github.com/stranger/fork")
    assert desk.ref(url, desk.adapter.pr_ref(found.ref)) == found.head_sha == fork.branch("topic")


@pytest.mark.parametrize("text", NASTY)
def test_titles_and_bodies_stand_at_github_byte_for_byte_and_are_read_back_so(desk: Desk, text: str) -> None:
    url = desk.new_repository()
    desk.push(url, "topic", {"topic.txt": "one\n"})
    body = f"{text}\n\n{text}\n"

    made = desk.adapter.create_pr(new(url, title=text, body=body))

    assert (desk.pull(url, 1).title, desk.pull(url, 1).body) == (text, body)
    assert (made.title, made.body) == (text, body)
    read = desk.adapter.prs_overview([made.ref])[made.ref].pull
    assert (read.title, read.body) == (text, body)

    desk.adapter.update_pr_body(made.ref, f"{body}links\n")

    assert (desk.pull(url, 1).title, desk.pull(url, 1).body) == (text, f"{body}links\n")
    assert desk.adapter.get_pr(made.ref).body == f"{body}links\n"


GH_VERSION = subprocess.run(["gh", "--version"], capture_output=True, check=True, text=True).stdout.split()[2]


@pytest.mark.parametrize("text", ["escape \x1b[31mred", "c1 \x9b31m", "code: \\u001b[31m"])
def test_a_body_that_gh_does_not_hand_over_as_it_is_is_never_written_back(desk: Desk, text: str) -> None:
    url, ref = desk.opened(body=text)
    read = desk.adapter.get_pr(ref).body
    if read == text:
        # This gh hands it over as it is: then it may be written back.
        desk.adapter.update_pr_body(ref, read + "\nlinks")
        assert desk.pull(url, ref.number).body == text + "\nlinks"
        return

    with pytest.raises(Unsupported, match="left alone"):
        desk.adapter.update_pr_body(ref, read + "\nlinks")

    assert desk.pull(url, ref.number).body == text


def test_a_caret_a_person_wrote_is_told_from_one_of_gh_s_where_that_can_be_done(desk: Desk) -> None:
    text = "press ^C, or match ^[a-z]+$"
    url, ref = desk.opened(body=text)
    body = desk.adapter.get_pr(ref).body + "\nlinks"

    if GH_VERSION.startswith("2.23."):
        desk.adapter.update_pr_body(ref, body)
        assert desk.pull(url, ref.number).body == body
    desk.pull(url, ref.number).body = text
    real = shutil.which("gh")
    script = "import os, sys\nprint('gh version 2.80.0 (x)') if sys.argv[1] == '--version' else "
    script += f"os.execv({real!r}, sys.argv)"
    newer = desk.another_adapter(env={"GR2_GH": _program(os.path.join(desk.world.base, "gh"), script)})
    with pytest.raises(Unsupported, match="left alone"):
        newer.update_pr_body(ref, body)

    assert desk.pull(url, ref.number).body == text


def test_sixty_kilobytes_go_through_and_more_than_github_takes_is_said_before(desk: Desk) -> None:
    url = desk.new_repository()
    desk.push(url, "topic", {"topic.txt": "one\n"})
    with pytest.raises(Exception, match="65536") as refused:
        desk.adapter.create_pr(new(url, body="x" * 65_537))
    assert getattr(refused.value, "code", "") == "body_too_long"
    assert desk.hub.count() == 0

    desk.adapter.create_pr(new(url, body="é" * 60_000))

    assert desk.pull(url, 1).body == "é" * 60_000


def test_nothing_of_what_a_person_wrote_and_no_token_is_in_an_argument(desk: Desk) -> None:
    url = desk.new_repository()
    desk.push(url, "a{owner}{branch}", {"topic.txt": "one\n"})
    adapter, seen = desk.another_adapter(), []
    adapter._gh._session.runner._trace = lambda argv: seen.append(list(argv))

    made = adapter.create_pr(new(url, title="@/etc/passwd", body="secret body", head="a{owner}{branch}"))
    adapter.list_prs(url, head="a{owner}{branch}")
    adapter.merge_pr(made.ref, method="squash", expected_head=made.head_sha)

    words = [word for argv in seen for word in argv]
    assert not [word for word in words if any(text in word for text in ("passwd", "secret", "{", TOKEN))]
    assert {argv[1] for argv in seen} == {"--version", "api"}


def test_the_token_is_gh_s_own_affair(desk: Desk) -> None:
    _, ref = desk.opened()
    adapter = desk.adapter
    adapter.get_pr(ref)

    assert desk.hub.asked[0].headers["Authorization"] == f"token {TOKEN}"
    assert TOKEN not in repr(vars(adapter)) and TOKEN not in repr(vars(adapter._gh))


def test_a_token_of_the_environment_is_used_as_gh_uses_it(desk: Desk) -> None:
    _, ref = desk.opened()
    desk.hub.accounts["from-environment"] = "casey"
    adapter = desk.another_adapter(env={"GH_TOKEN": "from-environment"})

    assert adapter.auth_status(ref.url).user == "casey"


def test_gh_is_looked_for_and_asked_for_its_version_once(desk: Desk) -> None:
    _, ref = desk.opened()
    seen: list[str] = []
    desk.adapter._gh._session.runner._trace = lambda argv: seen.append(argv[1])

    for _ in range(3):
        desk.adapter.get_pr(ref)

    assert seen == ["--version", "api", "api", "api"]


@pytest.mark.parametrize(
    "noise",
    [{"GH_FORCE_TTY": "1"}, {"CLICOLOR_FORCE": "1"}, {"GH_DEBUG": "api"}, {"DEBUG": "api"}, {"GH_PAGER": "false"}],
)
def test_how_gh_should_look_for_people_does_not_reach_what_gr2_reads(desk: Desk, noise: dict[str, str]) -> None:
    _, ref = desk.opened()
    assert desk.another_adapter(env=dict(noise)).get_pr(ref).title == "title"


def _program(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!{sys.executable}\n{text}\n")
    os.chmod(path, stat.S_IRWXU)
    return path


def test_gr2_gh_names_another_gh(desk: Desk) -> None:
    _, ref = desk.opened()
    answer = json.dumps({"data": {"viewer": {"login": "other"}}})
    answer = f"HTTP/2.0 200 OK\\r\\n\\r\\n{answer}"
    text = f"import sys\nprint('gh version 2.99.1 (2026)' if '--version' in sys.argv else '{answer}')"
    program = _program(os.path.join(desk.world.base, "my gh"), text)

    assert desk.another_adapter(env={"GR2_GH": program}).auth_status(ref.url).user == "other"
    assert desk.hub.count() == 0


def test_a_gh_that_says_something_else_than_an_answer_is_told_as_that(desk: Desk) -> None:
    _, ref = desk.opened()
    text = "import sys\nprint('gh version 2.99.1 (2026)' if '--version' in sys.argv else 'hello')"
    adapter = desk.another_adapter(env={"GR2_GH": _program(os.path.join(desk.world.base, "gh"), text)})

    with pytest.raises(ProtocolError, match="gh answered with something that is not JSON"):
        adapter.get_pr(ref)
    with pytest.raises(OutcomeUnknown, match="not JSON; it may have happened"):
        adapter.merge_pr(ref, method="merge", expected_head="a" * 40)


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("gh version 2.22.9 (2023)", "2.22 is too old"),
        ("gh version 1.9 (2021)", "1.9"),
        ("hello", "does not say that it is gh"),
    ],
)
def test_a_gh_that_is_too_old_is_said_to_be(desk: Desk, printed: str, words: str) -> None:
    _, ref = desk.opened()
    program = _program(os.path.join(desk.world.base, "gh"), f"print({printed!r})")

    with pytest.raises(AuthFailed, match=words) as refused:
        desk.another_adapter(env={"GR2_GH": program}).get_pr(ref)

    assert refused.value.code == "platform_missing"


def test_a_missing_gh_is_said_to_be_missing_and_a_program_of_the_checkout_is_not_run(desk: Desk) -> None:
    _, ref = desk.opened()
    _program(os.path.join(desk.world.root, "gh"), "raise SystemExit('not me')")

    with pytest.raises(AuthFailed, match="not found on PATH") as refused:
        desk.another_adapter(env={"PATH": ".::bin"}).get_pr(ref)

    assert refused.value.code == "platform_missing"
    assert "GR2_GH" in refused.value.hint


def test_a_pull_request_that_is_not_there_is_left_out_of_an_overview(desk: Desk) -> None:
    url, ref = desk.opened()
    absent = PullRef(url="https://github.com/acme/absent.git", number=1)

    assert set(desk.adapter.prs_overview([ref, PullRef(url=url, number=9), absent])) == {ref}


def test_a_renamed_repository_is_written_to_under_its_new_name(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.hub.renamed["acme/former"] = desk.repository(url).full_name
    former = PullRef(url="https://github.com/acme/former.git", number=ref.number)

    desk.adapter.update_pr_body(former, "new body")

    assert desk.pull(url, ref.number).body == "new body"
    assert desk.adapter.get_pr(former).body == "new body"


def test_an_older_enterprise_server_is_asked_without_what_it_does_not_know(desk: Desk) -> None:
    _, ref = desk.opened()
    desk.hub.older = True

    found = desk.adapter.prs_overview([ref])[ref]
    desk.adapter.get_pr(ref)

    assert found.pull.title == "title"
    assert desk.hub.count() == 3


def test_a_server_that_knows_rulesets_and_not_their_merge_methods_is_asked_for_the_rest(desk: Desk) -> None:
    url, ref = desk.opened()
    desk.repository(url).rules["main"] = Rule(approvals=2, ruleset=True, methods=("squash",))
    desk.hub.middle = True

    found = [desk.adapter.prs_overview([ref])[ref].demands for _ in range(2)]

    assert [(demands.approvals, demands.methods) for demands in found] == [(2, None)] * 2
    assert desk.hub.count() == 3


def test_a_text_whose_answer_was_lost_is_still_known(desk: Desk) -> None:
    url = desk.new_repository()
    desk.push(url, "topic", {"topic.txt": "one\n"})
    for on in ("POST /repos", "PATCH"):
        desk.hub.faults.append(Fault(kind="cut", on=on, after=True))
    text = "escape \x1b[31m and \\u001b"

    with pytest.raises(OutcomeUnknown):
        desk.adapter.create_pr(new(url, title=text, body=text))
    (found,) = desk.adapter.list_prs(url, head="topic")
    assert (found.title, found.body) == (text, text)
    with pytest.raises(OutcomeUnknown):
        desk.adapter.update_pr_body(found.ref, text + "links")

    assert desk.adapter.get_pr(found.ref).body == text + "links"
