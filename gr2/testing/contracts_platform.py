"""What every platform adapter must do: `PlatformContract`, a suite that adapters inherit and run against themselves.

    class TestMine(PlatformContract):
        @pytest.fixture
        def platform(self, ...) -> PlatformUnderTest:
            ...

The platform may be the real one or a stand-in; its repositories must be real git repositories, so that merges are too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pytest

from gr2.model.platform_error import (
    AlreadyExists,
    Conflict,
    HeadMoved,
    NotFound,
    NotMergeable,
    PlatformError,
    Unsupported,
)
from gr2.model.pull_request import CheckState, MergeMethod, NewPullRequest, PullRef, PullRequest, Verdict
from gr2.plugin.protocols import PlatformAdapter

UNSEEN = "0123456789abcdef0123456789abcdef01234567"
TEXTS = (
    "plain",
    "quotes ' \" ` and \\ and $HOME $(id) %s {0}",
    "@/etc/passwd",
    "-leading dash",
    "--body-file=/etc/passwd",
    "emoji 🦊 and ünïcödé and \u202eright to left",
    "<!-- a comment --> <b>html</b> [link](x)",
)
BODIES = (*TEXTS, "", "one\ntwo\n\nfour\n", "tab\tand trailing space \n", "x" * 60_000)
BRANCHES = (
    "plain",
    "with/slash",
    "quote'\"`",
    "dollar$HOME",
    "a{b}&c;d|e<f>g",
    "ünïcödé-🦊",
    "#42",
    "at@sign",
    "%2F+=,!",
)


class PlatformUnderTest(Protocol):
    """What a subclass's `platform` fixture hands out. A repository is known by its URL."""

    adapter: PlatformAdapter
    author: str
    """The login the adapter acts as."""
    users: tuple[str, ...]
    """At least two other logins that can review."""

    def new_repository(self) -> str:
        """The URL of a new repository whose only branch is `main`, with at least one commit."""

    def push(self, repository: str, branch: str, files: Mapping[str, str]) -> str:
        """Commit `files` on `branch`, made from `main` as it is when it is new; the new commit's SHA."""

    def branch(self, repository: str, branch: str) -> str:
        """The SHA of a branch, "" when there is none."""

    def read(self, repository: str, commit: str) -> Mapping[str, str]:
        """Every file of a commit: path to content."""

    def ref(self, repository: str, name: str) -> str:
        """What the full reference `name`, fetched with git from the repository's URL, is; "" when it is not there."""

    def set_check(self, repository: str, number: int, name: str, state: CheckState) -> None:
        """Report a check on the pull request's current head."""

    def submit_review(self, repository: str, number: int, user: str, verdict: Verdict) -> None:
        """Review the pull request's current head."""

    def close(self, repository: str, number: int) -> None:
        """Close the pull request without merging it."""


class PlatformContract:
    """The suite. A subclass provides the fixture `platform`."""

    @pytest.fixture
    def platform(self) -> PlatformUnderTest:
        """The platform to be tested."""
        raise NotImplementedError("a subclass of PlatformContract provides the fixture `platform`")

    @pytest.fixture
    def repository(self, platform: PlatformUnderTest) -> str:
        """A fresh repository with a branch `topic` that has one commit more than `main`."""
        repository = platform.new_repository()
        platform.push(repository, "topic", {"topic.txt": "one\n"})
        return repository

    # What it is

    def test_it_knows_its_own_repositories(self, platform: PlatformUnderTest, repository: str) -> None:
        assert platform.adapter.matches(repository) is True
        assert platform.adapter.matches("https://nobody.example.org/never/heard.git") is False

    def test_it_says_who_asks(self, platform: PlatformUnderTest, repository: str) -> None:
        status = platform.adapter.auth_status(repository)
        assert status.signed_in
        assert status.user == platform.author

    # Opening and reading

    def test_a_new_pull_request_is_open_and_read_back_the_same(
        self, platform: PlatformUnderTest, repository: str
    ) -> None:
        made = _create(platform, repository, title="A title", body="A body")

        read = platform.adapter.get_pr(made.ref)

        assert made.ref.url == repository
        assert made.ref.number >= 1
        assert (read.title, read.body, read.base, read.head) == ("A title", "A body", "main", "topic")
        assert (read.state, read.draft, read.merge_sha) == ("open", False, None)
        assert read.head_sha == platform.branch(repository, "topic")
        assert read.author == platform.author

    @pytest.mark.parametrize("title", TEXTS)
    def test_a_title_arrives_byte_for_byte(self, platform: PlatformUnderTest, repository: str, title: str) -> None:
        made = _create(platform, repository, title=title)
        assert platform.adapter.get_pr(made.ref).title == title

    @pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
    def test_a_body_arrives_byte_for_byte(self, platform: PlatformUnderTest, repository: str, body: str) -> None:
        made = _create(platform, repository, body=body)
        assert platform.adapter.get_pr(made.ref).body == body

    @pytest.mark.parametrize("branch", BRANCHES)
    def test_any_branch_name_git_allows_can_be_a_head(self, platform: PlatformUnderTest, branch: str) -> None:
        repository = platform.new_repository()
        head = platform.push(repository, branch, {"a": "b\n"})

        made = _create(platform, repository, head=branch)

        assert (made.head, made.head_sha) == (branch, head)
        assert [found.ref for found in platform.adapter.list_prs(repository, head=branch, base="main")] == [made.ref]

    def test_a_second_one_for_the_same_head_and_base_is_refused(
        self, platform: PlatformUnderTest, repository: str
    ) -> None:
        first = _create(platform, repository)

        with pytest.raises(AlreadyExists) as refused:
            _create(platform, repository)

        assert refused.value.number in {None, first.ref.number}
        assert [found.ref for found in platform.adapter.list_prs(repository)] == [first.ref]

    def test_a_head_without_commits_of_its_own_is_refused(self, platform: PlatformUnderTest, repository: str) -> None:
        with pytest.raises(PlatformError):
            _create(platform, repository, head="main")
        assert platform.adapter.list_prs(repository, state="all") == ()

    def test_a_draft_is_a_draft_until_it_is_ready(self, platform: PlatformUnderTest, repository: str) -> None:
        if not platform.adapter.capabilities(repository).draft:
            return
        made = _create(platform, repository, draft=True)
        assert platform.adapter.get_pr(made.ref).draft is True

        platform.adapter.mark_ready(made.ref)
        platform.adapter.mark_ready(made.ref)

        assert platform.adapter.get_pr(made.ref).draft is False

    def test_what_is_not_there_is_not_found(self, platform: PlatformUnderTest, repository: str) -> None:
        missing = PullRef(url=repository, number=987_654)
        with pytest.raises(NotFound):
            platform.adapter.get_pr(missing)
        with pytest.raises(NotFound):
            platform.adapter.update_pr_body(missing, "text")
        with pytest.raises(NotFound):
            platform.adapter.merge_pr(missing, method="merge", expected_head=UNSEEN)

    def test_a_list_is_by_head_base_and_state(self, platform: PlatformUnderTest, repository: str) -> None:
        platform.push(repository, "other", {"other.txt": "one\n"})
        platform.push(repository, "release", {"release.txt": "one\n"})
        topic = _create(platform, repository).ref
        other = _create(platform, repository, head="other").ref
        onto = _create(platform, repository, base="release").ref
        platform.close(repository, other.number)

        def numbers(head: str = "", base: str = "", state: str = "open") -> set[int]:
            found = platform.adapter.list_prs(repository, head=head, base=base, state=state)  # type: ignore[arg-type]
            return {pull.ref.number for pull in found}

        assert numbers() == {topic.number, onto.number}
        assert numbers(head="topic") == {topic.number, onto.number}
        assert numbers(head="topic", base="main") == {topic.number}
        assert numbers(head="other") == set()
        assert numbers(state="closed") == {other.number}
        assert numbers(state="all") == {topic.number, other.number, onto.number}

    def test_a_body_is_replaced_and_the_title_stays(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository, title="  spaces  stay", body="before")

        platform.adapter.update_pr_body(made.ref, "after\n\n- line\n")

        read = platform.adapter.get_pr(made.ref)
        assert (read.title, read.body) == (made.title, "after\n\n- line\n")

    def test_the_head_follows_the_branch(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)

        moved = platform.push(repository, "topic", {"more.txt": "more\n"})

        assert platform.adapter.get_pr(made.ref).head_sha == moved
        assert platform.ref(repository, platform.adapter.pr_ref(made.ref)) == moved

    def test_the_review_ref_can_be_fetched(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        name = platform.adapter.pr_ref(made.ref)
        assert name.startswith("refs/")
        assert platform.ref(repository, name) == made.head_sha

    # Checks and reviews

    def test_checks_are_the_newest_of_each_name(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        assert platform.adapter.pr_checks(made.ref) == ()
        for name, state in (("ci", "pending"), ("lint", "passing"), ("ci", "failing"), ("docs", "skipped")):
            platform.set_check(repository, made.ref.number, name, state)  # type: ignore[arg-type]

        found = {check.name: check.state for check in platform.adapter.pr_checks(made.ref)}

        assert found == {"ci": "failing", "lint": "passing", "docs": "skipped"}

    def test_checks_of_an_older_head_do_not_count(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        platform.set_check(repository, made.ref.number, "ci", "passing")

        platform.push(repository, "topic", {"more.txt": "more\n"})

        assert platform.adapter.pr_checks(made.ref) == ()

    def test_reviews_come_in_order_with_their_commits(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        one, two = platform.users[:2]
        platform.submit_review(repository, made.ref.number, one, "changes_requested")
        moved = platform.push(repository, "topic", {"more.txt": "more\n"})
        assert platform.adapter.get_pr(made.ref).head_sha == moved
        platform.submit_review(repository, made.ref.number, two, "commented")
        platform.submit_review(repository, made.ref.number, one, "approved")

        found = [(each.reviewer, each.verdict, each.commit) for each in platform.adapter.pr_reviews(made.ref)]

        assert found == [
            (one, "changes_requested", made.head_sha),
            (two, "commented", moved),
            (one, "approved", moved),
        ]

    # Merging

    def test_mergeability_is_told_in_the_end(self, platform: PlatformUnderTest, repository: str) -> None:
        clean = _create(platform, repository)
        platform.push(repository, "clash", {"same.txt": "from the branch\n"})
        clash = _create(platform, repository, head="clash")
        platform.push(repository, "main", {"same.txt": "from main\n"})

        assert _mergeable(platform, clean.ref) == "yes"
        assert _mergeable(platform, clash.ref) == "no"

    @pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
    def test_a_merge_puts_the_change_on_the_base(
        self, platform: PlatformUnderTest, repository: str, method: MergeMethod
    ) -> None:
        if method not in platform.adapter.capabilities(repository).merge_methods:
            return
        before = platform.push(repository, "main", {"main.txt": "main\n"})
        made = _create(platform, repository, title="the title")

        merged = platform.adapter.merge_pr(made.ref, method=method, expected_head=made.head_sha)

        read = platform.adapter.get_pr(made.ref)
        assert merged.queued is False
        assert merged.merge_sha == read.merge_sha == platform.branch(repository, "main") != before
        assert read.state == "merged"
        files = platform.read(repository, "main")
        assert (files["topic.txt"], files["main.txt"]) == ("one\n", "main\n")
        assert platform.branch(repository, "topic") == made.head_sha, "branches are not deleted"

    def test_a_merge_of_an_unexpected_head_is_refused(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        before = platform.branch(repository, "main")
        platform.push(repository, "topic", {"more.txt": "more\n"})

        with pytest.raises(HeadMoved):
            platform.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

        assert platform.adapter.get_pr(made.ref).state == "open"
        assert platform.branch(repository, "main") == before

    def test_a_merge_that_conflicts_is_refused(self, platform: PlatformUnderTest, repository: str) -> None:
        head = platform.push(repository, "clash", {"same.txt": "from the branch\n"})
        clash = _create(platform, repository, head="clash")
        before = platform.push(repository, "main", {"same.txt": "from main\n"})
        assert _mergeable(platform, clash.ref) == "no"

        with pytest.raises((Conflict, NotMergeable)):
            platform.adapter.merge_pr(clash.ref, method="merge", expected_head=head)

        assert platform.adapter.get_pr(clash.ref).state == "open"
        assert platform.branch(repository, "main") == before

    def test_a_merged_pull_request_is_not_merged_again(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        platform.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)
        before = platform.branch(repository, "main")

        with pytest.raises(PlatformError):
            platform.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

        assert platform.branch(repository, "main") == before

    def test_a_closed_pull_request_is_not_merged(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        platform.close(repository, made.ref.number)
        assert platform.adapter.get_pr(made.ref).state == "closed"

        with pytest.raises(PlatformError):
            platform.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

        assert platform.branch(repository, "main") != made.head_sha

    def test_a_draft_is_not_merged(self, platform: PlatformUnderTest, repository: str) -> None:
        if not platform.adapter.capabilities(repository).draft:
            return
        made = _create(platform, repository, draft=True)
        with pytest.raises(PlatformError):
            platform.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)
        assert platform.adapter.get_pr(made.ref).state == "open"

    def test_auto_merge_needs_the_expected_head(self, platform: PlatformUnderTest, repository: str) -> None:
        made = _create(platform, repository)
        platform.set_check(repository, made.ref.number, "ci", "pending")
        if not platform.adapter.capabilities(repository).auto_merge:
            with pytest.raises(Unsupported):
                platform.adapter.enable_auto_merge(made.ref, method="merge", expected_head=made.head_sha)
            return

        with pytest.raises(HeadMoved):
            platform.adapter.enable_auto_merge(made.ref, method="merge", expected_head=UNSEEN)

        assert platform.adapter.get_pr(made.ref).auto_merge is False

    # The batch forms

    def test_an_overview_tells_what_single_questions_tell(self, platform: PlatformUnderTest, repository: str) -> None:
        other = platform.new_repository()
        platform.push(other, "topic", {"a": "b\n"})
        first, second = _create(platform, repository), _create(platform, other)
        platform.set_check(repository, first.ref.number, "ci", "failing")
        platform.submit_review(other, second.ref.number, platform.users[0], "approved")
        missing = PullRef(url=repository, number=987_654)
        if not platform.adapter.capabilities(repository).overview:
            with pytest.raises(Unsupported):
                platform.adapter.prs_overview([first.ref])
            return

        found = platform.adapter.prs_overview([first.ref, second.ref, missing])

        assert set(found) == {first.ref, second.ref}
        for ref in (first.ref, second.ref):
            alone = platform.adapter.get_pr(ref)
            assert (found[ref].pull.head_sha, found[ref].pull.title) == (alone.head_sha, alone.title)
            assert found[ref].checks == platform.adapter.pr_checks(ref)
            assert found[ref].reviews == platform.adapter.pr_reviews(ref)

    def test_branch_heads_are_told_for_many_repositories(self, platform: PlatformUnderTest, repository: str) -> None:
        other = platform.new_repository()
        if not platform.adapter.capabilities(repository).heads:
            with pytest.raises(Unsupported):
                platform.adapter.branch_heads([repository])
            return

        found = platform.adapter.branch_heads([repository, other])

        assert dict(found[repository].branches) == {
            "main": platform.branch(repository, "main"),
            "topic": platform.branch(repository, "topic"),
        }
        assert dict(found[other].branches) == {"main": platform.branch(other, "main")}
        assert found[other].default_branch in {"main", ""}


def _create(
    platform: PlatformUnderTest,
    repository: str,
    *,
    title: str = "title",
    body: str = "body",
    base: str = "main",
    head: str = "topic",
    draft: bool = False,
) -> PullRequest:
    new = NewPullRequest(url=repository, title=title, body=body, base=base, head=head, draft=draft)
    return platform.adapter.create_pr(new)


def _mergeable(platform: PlatformUnderTest, ref: PullRef) -> str:
    """Platforms may take a moment to find out; nobody waits longer than twenty questions."""
    import time

    answer = "unknown"
    for _ in range(20):
        answer = platform.adapter.get_pr(ref).mergeable
        if answer != "unknown":
            return answer
        time.sleep(0.1)
    return answer
