"""Something goes wrong at every single platform call of create and merge: a plain second run finishes, and there is
never a second pull request, nor a merge twice, out of order, or of a head that nobody looked at."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from gr2.errors import Gr2Error
from gr2.model.outcome import Status
from gr2.model.platform_error import PlatformError, RateLimited, Transient
from gr2.ops.pr_create import CreateRequest, create_group
from gr2.ops.pr_merge import MergeRequest, PrMergeResult, merge_group
from gr2.ops.pr_platform import Platforms
from gr2.ops.pr_status import group_status
from gr2.session import Session
from gr2.testing import World
from tests.ops.faulty_platform import ERRORS, Killed, Line, session_on
from tests.ops.pr_stage import LANE, Stage

FULL = os.environ.get("GR2_FAULTS", "") == "full"
CREATE = CreateRequest(title="Title", body="Body")


class Rerun:
    """A stage that can be put back to how it was arranged."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._copy = f"{stage.world.base}.arranged"
        os.chdir(os.path.dirname(stage.world.base))
        subprocess.run(["cp", "-a", stage.world.base, self._copy], check=True)

    def reset(self) -> None:
        """Put everything back."""
        shutil.rmtree(self.stage.world.base)
        subprocess.run(["cp", "-a", self._copy, self.stage.world.base], check=True)


def _session(world: World, line: Line) -> Session:
    return session_on(world, line, cwd=LANE)


def _faults(calls: int) -> list[tuple[int, str]]:
    """For each call a kill before or after it, a lost answer, and one of the errors by turns; one of the three where
    not everything is tried."""
    errors = list(ERRORS)
    found = []
    for number in range(1, calls + 1):
        kill = "killed after" if number % 2 else "killed before"
        each = [(number, kill), (number, "lost"), (number, errors[number % len(errors)])]
        found += each if FULL else [each[number % 3]]
    return found


def _run(work: Callable[[], object]) -> object:
    with contextlib.suppress(Killed, Gr2Error):
        return work()
    return None


def _assert_one_pull_request_each(stage: Stage) -> None:
    for repo in stage.repos:
        assert len(stage.prs(repo)) <= 1, f"a second pull request for {repo}"


def _assert_told_once(stage: Stage) -> None:
    told = [
        (each["repo"], each["pr_number"])
        for event in stage.events()
        if event["type"] == "pr.created"
        for each in event["repos"]
    ]
    assert sorted(told) == [("api", 1), ("app", 1)]


@pytest.mark.faults
@pytest.mark.parametrize("batch", [True, False])
def test_a_fault_at_every_call_of_create_never_makes_a_second_pull_request(world: World, batch: bool) -> None:
    stage = Stage(world)
    rerun = Rerun(stage)
    counted = Line(batch=batch)
    assert create_group(_session(world, counted), CREATE).status is Status.SUCCESS
    assert counted.calls.count("create_pr") == 2

    for at, how in _faults(len(counted.calls)):
        rerun.reset()
        where = f"{how} at call {at} ({counted.calls[at - 1]})"
        _run(lambda at=at, how=how: create_group(_session(world, Line(at=at, how=how, batch=batch)), CREATE))
        _assert_one_pull_request_each(stage)

        again = create_group(_session(world, Line(batch=batch)), CREATE)

        assert again.status is Status.SUCCESS, where
        assert again.group is not None
        assert again.group.state == "mergeable", where
        assert len(stage.group_files()) == 1, where
        _assert_one_pull_request_each(stage)
        _assert_told_once(stage)
        for repo in stage.repos:
            body = stage.prs(repo)[0]["body"]
            assert (body.startswith("Body\n\n"), "app#1" in body, "api#1" in body) == (True, True, True), where


@pytest.mark.faults
def test_a_fault_at_every_call_of_merge_merges_each_once_and_in_order(world: World) -> None:
    stage = Stage(world)
    assert create_group(_session(world, Line()), CREATE).status is Status.SUCCESS
    rerun = Rerun(stage)
    counted = Line()
    assert merge_group(_session(world, counted), MergeRequest()).merged == ("app", "api")
    assert counted.calls.count("merge_pr") == 2

    for at, how in _faults(len(counted.calls)):
        rerun.reset()
        where = f"{how} at call {at} ({counted.calls[at - 1]})"
        _run(lambda at=at, how=how: merge_group(_session(world, Line(at=at, how=how)), MergeRequest()))
        states = [stage.prs(repo)[0]["state"] for repo in ("app", "api")]
        assert states != ["open", "merged"], f"out of order: {where}"

        again = merge_group(_session(world, Line()), MergeRequest())

        assert again.status is Status.SUCCESS, where
        assert set(again.merged) | set(again.already_merged) == {"app", "api"}, where
        for repo in stage.repos:
            log = world.git(world.remote(repo), "log", "--merges", "--format=%P", "main").splitlines()
            assert len(log) == 1, f"{repo} merged {len(log)} times: {where}"
            assert log[0].split()[1] == stage.prs(repo)[0]["head_sha"]
        assert stage.types().count("pr.merged") == 1, where


@pytest.mark.parametrize("how", list(ERRORS))
def test_an_error_that_stays_is_said_by_its_code_and_nothing_is_merged(world: World, how: str) -> None:
    stage = Stage(world)
    create_group(_session(world, Line()), CREATE)
    before = stage.types()

    refused = merge_group(_session(world, Line(at=1, how=how, lasting=True)), MergeRequest())
    status = group_status(_session(world, Line(at=1, how=how, lasting=True)))

    expected = {
        "transient": "platform_unreachable",
        "auth": "platform_auth",
        "rate_limited": "rate_limited",
        "protocol": "platform_protocol",
        "not_found": "unknown_pr",
    }
    assert (refused.status, {issue.code for issue in refused.issues}) == (Status.FAILED, {expected[how]})
    assert (refused.merged, [issue.details["pr_number"] for issue in refused.issues]) == ((), [1, 1])
    assert [issue.code for issue in status.issues] == ["platform_degraded"]
    assert status.issues[0].details["code"] == expected[how]
    assert (status.status, status.group and status.group.state) == (Status.ATTENTION, "mergeable")
    assert stage.types() == before


def test_a_lost_answer_to_a_merge_is_read_back_and_not_sent_again(world: World) -> None:
    stage = Stage(world)
    create_group(_session(world, Line()), CREATE)
    counted = Line()
    rerun = Rerun(stage)
    merge_group(_session(world, counted), MergeRequest())
    rerun.reset()
    line = Line(at=counted.calls.index("merge_pr") + 1, how="lost")

    found = merge_group(_session(world, line), MergeRequest())

    assert (found.status, found.merged) == (Status.SUCCESS, ("app", "api"))
    assert line.calls.count("merge_pr") == 2


@pytest.mark.parametrize("repo", ["app", "api"])
def test_a_head_that_moves_while_gr2_merges_is_not_merged(world: World, repo: str) -> None:
    stage = Stage(world)
    create_group(_session(world, Line()), CREATE)
    rerun = Rerun(stage)
    counted = Line()
    merge_group(_session(world, counted), MergeRequest())
    nth = [number for number, name in enumerate(counted.calls, start=1) if name == "merge_pr"]
    at = nth[0] if repo == "app" else nth[1]
    rerun.reset()
    seen = stage.child(repo)["head_sha"]

    def push() -> None:
        world.commit(repo, {"late.txt": "late\n"}, branch="feat")

    found = _run(lambda: merge_group(_session(world, Line(at=at, before=push)), MergeRequest()))

    assert isinstance(found, PrMergeResult)
    assert [issue.code for issue in found.issues] == ["head_moved"]
    assert found.status is (Status.BLOCKED if repo == "app" else Status.PARTIAL_FAILURE)
    assert stage.prs(repo)[0]["state"] == "open"
    refused = merge_group(_session(world, Line()), MergeRequest())
    assert [issue.code for issue in refused.issues] == ["head_moved"]
    assert stage.child(repo)["head_sha"] == seen


def test_unknown_mergeability_is_waited_for_and_never_read_as_yes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from gr2.builtin.local_platform import LocalPlatform

    stage = Stage(world)
    create_group(_session(world, Line()), CREATE)
    real, asked = LocalPlatform._shown, []

    def unknown(self: LocalPlatform, url: str, pull: object) -> object:
        asked.append(url)
        return replace(real(self, url, pull), mergeable="unknown")  # type: ignore[arg-type]

    monkeypatch.setattr(LocalPlatform, "_shown", unknown)
    started = world.clock.monotonic()

    refused = merge_group(_session(world, Line()), MergeRequest())

    assert [(issue.code, issue.details["reasons"]) for issue in refused.issues] == [("not_mergeable", ["unknown"])] * 2
    assert 29 <= world.clock.monotonic() - started <= 40
    assert len(asked) > 20
    assert stage.prs("app")[0]["state"] == "open"


def test_mergeability_that_becomes_unknown_before_its_turn_is_waited_for_by_auto(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from gr2.builtin.local_platform import LocalPlatform

    stage = Stage(world)
    create_group(_session(world, Line()), CREATE)
    real, asked = LocalPlatform._shown, []

    def moving(self: LocalPlatform, url: str, pull: object) -> object:
        asked.append(url)
        shown = real(self, url, pull)  # type: ignore[arg-type]
        return replace(shown, mergeable="unknown") if len(asked) in {3, 4} else shown

    monkeypatch.setattr(LocalPlatform, "_shown", moving)
    monkeypatch.setattr(LocalPlatform, "enable_auto_merge", lambda *_, **how: pytest.fail("it was handed over"))

    merged = merge_group(_session(world, Line()), MergeRequest(auto=True))

    assert (merged.status, merged.merged, merged.issues) == (Status.SUCCESS, tuple(stage.repos), ())


@pytest.mark.parametrize(
    ("lasts", "error", "attempts"),
    [
        (30.0, Transient("no answer"), 2),
        (0.2, Transient("no connection"), 3),
        (0.2, RateLimited("too often", retry_after=60.0), 2),
    ],
    ids=["hangs", "fails", "rests"],
)
def test_waiting_and_asking_again_takes_a_minute_at_most(
    world: World, lasts: float, error: PlatformError, attempts: int
) -> None:
    platforms, moments = Platforms(world.session()), []

    def ask() -> None:
        moments.append(world.clock.monotonic())
        world.clock.advance(lasts)
        raise error

    with pytest.raises(type(error)):
        platforms.read(ask)

    assert len(moments) == attempts
    assert world.clock.monotonic() - moments[0] - lasts <= 60 + lasts


def test_what_one_question_took_is_not_there_for_the_next(world: World) -> None:
    platforms, asked = Platforms(world.session()), []

    def ask() -> None:
        asked.append(None)
        world.clock.advance(30)
        raise Transient("no answer")

    for _ in range(3):
        with pytest.raises(Transient):
            platforms.read(ask)

    assert len(asked) == 4, "one question is repeated, and then patience is over"


def test_a_status_of_ten_pull_requests_is_one_request(world: World) -> None:
    names = [f"repo{number}" for number in range(10)]
    stage = Stage(world, repos=names)
    create_group(_session(world, Line()), CREATE)
    line = Line()

    group_status(_session(world, line))

    assert line.calls == ["prs_overview"]
    assert len(stage.group()["prs"]) == 10
