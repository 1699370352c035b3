"""The `local` platform keeps the contract of all platforms, and what only it promises."""

from __future__ import annotations

import json
import os

import pytest

from gr2.api import NewPullRequest, NotMergeable, OutcomeUnknown, PlatformError, ProtocolError, PullRequest
from gr2.testing import PlatformContract, World
from tests.builtin.local_side import LocalSide


@pytest.fixture
def local(world: World) -> LocalSide:
    return LocalSide(world)


class TestLocalPlatform(PlatformContract):
    @pytest.fixture
    def platform(self, local: LocalSide) -> LocalSide:
        return local


@pytest.fixture
def repository(local: LocalSide) -> str:
    repository = local.new_repository()
    local.push(repository, "topic", {"topic.txt": "one\n"})
    return repository


def _open(local: LocalSide, repository: str, head: str = "topic") -> PullRequest:
    new = NewPullRequest(url=repository, title="title", body="body", base="main", head=head)
    return local.adapter.create_pr(new)


def _file(repository: str) -> dict:
    with open(os.path.join(repository, "gr2-prs.json"), encoding="utf-8") as file:
        return json.load(file)


def _rules(repository: str, **rules: object) -> None:
    content = {**_file(repository), "rules": {"main": rules}}
    with open(os.path.join(repository, "gr2-prs.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)


def test_pull_requests_are_in_a_file_of_the_repository(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)

    (record,) = _file(repository)["prs"]
    assert record["number"] == 1
    assert {name: record[name] for name in ("title", "body", "base", "head", "state")} == {
        "title": "title",
        "body": "body",
        "base": "main",
        "head": "topic",
        "state": "open",
    }
    assert record["head_sha"] == made.head_sha


def test_a_damaged_file_is_reported_and_left_alone(local: LocalSide, repository: str) -> None:
    path = os.path.join(repository, "gr2-prs.json")
    for damage in ("{", "[]", '{"version": 1, "prs": [{"number": "one"}]}', '{"version": 2, "prs": []}', "null"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(damage)
        with pytest.raises(ProtocolError):
            local.adapter.list_prs(repository)
        with open(path, encoding="utf-8") as file:
            assert file.read() == damage


def test_a_branch_pushed_to_its_base_by_hand_is_merged(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)

    local.world.git(repository, "update-ref", "refs/heads/main", made.head_sha)

    read = local.adapter.get_pr(made.ref)
    assert (read.state, read.merge_sha) == ("merged", made.head_sha)


def test_a_rebase_keeps_author_and_message_of_each_commit(local: LocalSide, repository: str) -> None:
    local.push(repository, "topic", {"two.txt": "two\n"})
    local.push(repository, "main", {"main.txt": "main\n"})
    before = local.world.git(repository, "log", "--format=%an %ae %ad %s", "-2", "topic")
    made = _open(local, repository)

    local.adapter.merge_pr(made.ref, method="rebase", expected_head=made.head_sha)

    assert local.world.git(repository, "log", "--format=%an %ae %ad %s", "-2", "main") == before
    assert local.world.git(repository, "log", "--merges", "--format=%H", "main") == ""
    assert set(local.read(repository, "main")) >= {"main.txt", "topic.txt", "two.txt"}


def test_a_merge_commit_has_both_parents_and_a_squash_one(local: LocalSide, repository: str) -> None:
    local.push(repository, "other", {"other.txt": "one\n"})
    main = local.push(repository, "main", {"main.txt": "main\n"})
    made, other = _open(local, repository), _open(local, repository, head="other")

    merged = local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)
    squashed = local.adapter.merge_pr(other.ref, method="squash", expected_head=other.head_sha)

    assert local.world.git(repository, "log", "-1", "--format=%P", str(merged.merge_sha)) == f"{main} {made.head_sha}"
    assert local.world.git(repository, "log", "-1", "--format=%P", str(squashed.merge_sha)) == merged.merge_sha
    assert local.world.git(repository, "log", "-1", "--format=%s", "main") == "title (#2)"


def test_what_the_base_demands_is_enforced(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)
    _rules(repository, approvals=1, checks=["ci"], methods=["squash"])
    demands = local.adapter.prs_overview([made.ref])[made.ref].demands
    assert (demands.approvals, demands.checks) == (1, ("ci",))

    with pytest.raises(NotMergeable) as refused:
        local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)
    assert refused.value.code == "method_not_allowed"
    local.set_check(repository, 1, "ci", "passing")
    local.submit_review(repository, 1, local.author, "approved")
    with pytest.raises(NotMergeable):
        local.adapter.merge_pr(made.ref, method="squash", expected_head=made.head_sha)
    local.submit_review(repository, 1, "robin", "approved")
    local.adapter.merge_pr(made.ref, method="squash", expected_head=made.head_sha)

    assert local.adapter.get_pr(made.ref).state == "merged"


def test_auto_merge_waits_for_checks_and_merges_by_itself(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)
    local.set_check(repository, 1, "ci", "pending")
    local.adapter.enable_auto_merge(made.ref, method="squash", expected_head=made.head_sha)
    assert local.adapter.get_pr(made.ref).auto_merge is True
    assert local.adapter.get_pr(made.ref).state == "open"

    local.set_check(repository, 1, "ci", "passing")

    read = local.adapter.get_pr(made.ref)
    assert (read.state, read.merge_sha) == ("merged", local.branch(repository, "main"))


def test_auto_merge_ends_when_the_head_moves(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)
    local.set_check(repository, 1, "ci", "pending")
    local.adapter.enable_auto_merge(made.ref, method="merge", expected_head=made.head_sha)

    local.push(repository, "topic", {"more.txt": "more\n"})

    read = local.adapter.get_pr(made.ref)
    assert (read.state, read.auto_merge) == ("open", False)


def test_a_merge_that_was_killed_after_the_branch_moved_is_finished(
    local: LocalSide, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gr2.builtin import local_desk
    from gr2.errors import Failed

    made = _open(local, repository)
    real, calls = local_desk.write_pulls, []

    def dies_at_the_second_write(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise Failed("disk_full", "no space left")
        real(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(local_desk, "write_pulls", dies_at_the_second_write)
        with pytest.raises(OutcomeUnknown):
            local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)
    assert _file(repository)["prs"][0]["state"] == "open"

    read = local.adapter.get_pr(made.ref)

    assert (read.state, read.merge_sha) == ("merged", local.branch(repository, "main"))
    assert "doing" not in _file(repository)


def test_a_merge_whose_git_was_killed_after_it_moved_the_branch_is_done(
    local: LocalSide, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gr2.builtin.local_git import BareRepository

    made = _open(local, repository)
    real, calls = BareRepository.move, []

    def killed_at_the_end(self: BareRepository, moves: dict[str, tuple[str, str | None]]) -> None:
        calls.append(moves)
        real(self, moves)
        real(self, {"refs/heads/main": ("0" * 39 + "1", "0" * 39 + "2")})  # what git says does not matter

    monkeypatch.setattr(BareRepository, "move", killed_at_the_end)

    merged = local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

    assert len(calls) == 1
    assert merged.merge_sha == local.branch(repository, "main") == local.adapter.get_pr(made.ref).merge_sha


@pytest.mark.parametrize("name", ["refs/heads/main", "HEAD"])
def test_a_lock_file_left_by_a_killed_git_is_no_obstacle(local: LocalSide, repository: str, name: str) -> None:
    made = _open(local, repository)
    content = _file(repository)
    content["doing"] = {"refs": ["refs/heads/main"], "number": 1, "merge_sha": "0" * 40}
    with open(os.path.join(repository, "gr2-prs.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)
    lock = os.path.join(repository, f"{name}.lock")
    with open(lock, "w", encoding="utf-8"):
        pass

    local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

    assert not os.path.exists(lock)
    assert local.adapter.get_pr(made.ref).state == "merged"


def test_a_lock_of_somebody_else_is_respected(local: LocalSide, repository: str) -> None:
    made = _open(local, repository)
    lock = os.path.join(repository, "refs/heads/main.lock")
    with open(lock, "w", encoding="utf-8"):
        pass

    with pytest.raises(PlatformError):
        local.adapter.merge_pr(made.ref, method="merge", expected_head=made.head_sha)

    assert os.path.exists(lock)
    os.unlink(lock)
    assert local.adapter.get_pr(made.ref).state == "open"


def test_a_body_over_the_limit_is_refused(local: LocalSide, repository: str) -> None:
    new = NewPullRequest(url=repository, title="t", body="x" * 65_537, base="main", head="topic")
    with pytest.raises(ProtocolError) as refused:
        local.adapter.create_pr(new)
    assert refused.value.code == "body_too_long"


def test_a_repository_that_is_away_is_a_typed_error(local: LocalSide, repository: str) -> None:
    os.rename(repository, repository + ".away")
    assert local.adapter.matches(repository)
    with pytest.raises(PlatformError) as refused:
        local.adapter.list_prs(repository)
    assert refused.value.code == "platform_unreachable"
