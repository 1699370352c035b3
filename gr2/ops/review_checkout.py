"""`review checkout-pr`: somebody's pull request in a lane of its own, to be read and tried.

What is in it is a stranger's: no lifecycle hook, projection or submodule of it is used, no filter that its attributes
name is run, and nothing is copied into it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gr2.edges.files import failed_write
from gr2.edges.git import Git, GitError, Place
from gr2.edges.git.refs import head_branch, head_commit, read_ref
from gr2.errors import Blocked, Invalid
from gr2.model.hints import quoted
from gr2.model.lane import REVIEW_KIND, Lane, LaneState
from gr2.model.outcome import MutationResult, Status
from gr2.model.platform_error import NotFound
from gr2.model.pull_request import PullRef, PullRequest
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.ops.checkouts import inspect, lane_checkouts
from gr2.ops.context import find_repo, unit_of
from gr2.ops.lane_build import build_lane
from gr2.ops.lane_plan import LaneRequest, Planner
from gr2.ops.lane_view import LaneView, view_of
from gr2.ops.lease import guard
from gr2.ops.materialize import MakeCheckout, refuse_links
from gr2.ops.mutation import Mutation, mutation
from gr2.ops.pr_platform import Platforms
from gr2.ops.pr_policy import fetched
from gr2.session import Session
from gr2.store.journal import checkout_change
from gr2.store.lanes import read_lane
from gr2.store.mirrors import inspect_mirror

REVIEWED = "refs/gr2/review"
"""In the checkout: the head of the pull request that it was last moved to."""
_NO_FILTERS = "# Written by gr2: what is reviewed chooses no program to run.\n* -filter\n"


@dataclass(frozen=True, kw_only=True)
class ReviewedPull:
    """The pull request that is reviewed."""

    repo: str
    pr_number: int
    title: str
    author: str
    url: str | None
    base: str
    head: str
    head_sha: str
    state: str


@dataclass(frozen=True, kw_only=True)
class ReviewCheckoutResult(MutationResult):
    """The review lane. old_sha: where it was before, None when it was made now."""

    lane: LaneView
    pr: ReviewedPull
    old_sha: str | None
    new_sha: str


@dataclass(frozen=True, kw_only=True)
class ReviewStep(MakeCheckout):
    """A checkout of a stranger's commit, in the lane's directory of drafts."""

    draft: str = ""

    def run(self, run: Mutation) -> Mapping[str, Any]:
        os.makedirs(os.path.dirname(self.draft), exist_ok=True)
        head = self.build(run, self.draft)
        run.session.git.run(["update-ref", REVIEWED, head], at=Place.checkout(self.draft))
        return {"head": head}

    def _check_out(self, session: Session, draft: str, branch: str) -> None:
        without_filters(draft)
        super()._check_out(session, draft, branch)


def without_filters(checkout: str) -> None:
    """Let no attribute of the commits checked out here name a filter (gitattributes(5): this file wins)."""
    folder = os.path.join(checkout, ".git/info")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "attributes"), "w", encoding="utf-8") as file:
        file.write(_NO_FILTERS)


def checkout_pull(session: Session, repo_name: str, number: int) -> ReviewCheckoutResult:
    """Have the current head of `repo#number` in the lane `review-<repo>-<number>` of the unit in context.

    Raises Invalid `unknown_pr`, `unknown_repo`; Blocked `review_lane_diverged` when the lane holds work of its own,
    `lane_exists` when another lane has the name, or what a constraint or lease says.
    """
    unit, repo = unit_of(session), find_repo(session, repo_name)
    name = f"review-{repo.name}-{number}"
    with mutation(session, "review.checkout-pr", unit=unit.name, lane=name, repos=(repo.name,)) as run:
        pull, ref = _pull(run.session, repo, number)
        lane = read_lane(run.session.layout, unit, name)
        if lane is None:
            request = LaneRequest(name=name, repos=(repo.name,), branch=name, base=pull.base, kind=REVIEW_KIND)
            planned = Planner(run, unit, name, request).lane()
            new = fetched(run.session, repo, ref)
            old = None
            lane = build_lane(run, unit, planned, _steps(new))
        else:
            _refuse_other(lane, repo)
            new = fetched(run.session, repo, ref)
            old = None
            if os.path.lexists(run.session.layout.lane_checkout(unit.path, lane.name, repo.name)):
                old = _move(run, unit, lane, repo, new)
            else:
                _make_again(run, unit, lane, repo, new)
        return ReviewCheckoutResult(
            status=Status.SUCCESS,
            operation_id=run.operation_id,
            lane=view_of(run.session, unit, lane),
            pr=replace(_shown(repo, pull), head_sha=new),
            old_sha=old,
            new_sha=new,
        )


def _pull(session: Session, repo: Repo, number: int) -> tuple[PullRequest, str]:
    platforms = Platforms(session)
    adapter = platforms.adapter(platforms.name_for(repo))
    ref = PullRef(url=repo.url, number=number)
    try:
        pull = platforms.read(lambda: adapter.get_pr(ref, timeout=platforms.timeout))
    except NotFound as error:
        if error.code != "unknown_pr":
            raise
        raise Invalid(
            "unknown_pr",
            f"there is no {repo.name}#{number}",
            scope="platform",
            subject=f"{repo.name}#{number}",
            details={"repo": repo.name, "pr_number": number},
        ) from error
    return pull, adapter.pr_ref(ref)


def _steps(commit: str) -> Any:
    def step(session: Session, unit: Unit, lane: Lane, repo: Repo, draft: str) -> ReviewStep:
        return ReviewStep(
            repo=repo,
            path=f"{unit.path}/lanes/{lane.name}/repos/{repo.name}",
            scope="lane",
            unit=unit.name,
            lane=lane.name,
            branch=lane.branch_map[repo.name],
            start=commit,
            start_is_commit=True,
            draft=os.path.join(draft, "repos", repo.name),
        )

    return step


def _refuse_other(lane: Lane, repo: Repo) -> None:
    if lane.kind != REVIEW_KIND or lane.repos != (repo.name,):
        raise Blocked(
            "lane_exists",
            f"the lane {lane.id} is no review of {repo.name}",
            scope="lane",
            subject=lane.id,
            hint=f"gr2 lane show {quoted(lane.id)}",
        )
    if lane.state is LaneState.FROZEN:
        message = f"the lane is frozen: {lane.reason or 'no reason given'}"
        hint = f"gr2 lane unfreeze {quoted(lane.id)}"
        raise Blocked("lane_frozen", message, scope="lane", subject=lane.id, hint=hint)


def _make_again(run: Mutation, unit: Unit, lane: Lane, repo: Repo, new: str) -> None:
    """Make the checkout of a lane that has lost it."""
    layout = run.session.layout
    final = layout.lane_checkout(unit.path, lane.name, repo.name)
    refuse_links(run.session.root, layout.relative(final))
    draft = run.scratch("lane")
    _steps(new)(run.session, unit, lane, repo, draft).run(run)
    try:
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(os.path.join(draft, "repos", repo.name), final)
    except OSError as error:
        raise failed_write(error, final) from error


def _move(run: Mutation, unit: Unit, lane: Lane, repo: Repo, new: str) -> str:
    """Bring the lane's checkout to `new`, unless it holds work of its own. Gives where it was."""
    session = run.session
    fence = guard(session, unit.name, lane.name)
    path = f"{unit.path}/lanes/{lane.name}/repos/{repo.name}"
    with checkout_change(session, path, what="review", operation_id=run.operation_id) as change:
        checkout = session.layout.at(path)
        git_dir = os.path.join(checkout, ".git")
        old = head_commit(git_dir)
        known = {read_ref(git_dir, REVIEWED) or _start_of_base(session, lane, repo), new}
        (row,), problems = inspect(session, lane_checkouts(unit, lane))
        if problems or old is None:
            raise _diverged(lane, "git cannot tell its state")
        if row.dirty or row.in_progress:
            raise _diverged(lane, "it has uncommitted files")
        if head_branch(git_dir) != lane.branch_map.get(repo.name) or old not in known:
            raise _diverged(lane, "it has commits of its own, or another branch is checked out")
        without_filters(checkout)
        if old != new:
            fence.recheck()
            change.note(update={"kind": "fast-forward", "from": old, "to": new})
            _switch(change.git, Place.checkout(checkout), lane, lane.branch_map[repo.name], new)
        change.git.run(["update-ref", REVIEWED, new], at=Place.checkout(checkout))
    return old


def _start_of_base(session: Session, lane: Lane, repo: Repo) -> str | None:
    """Where `apply` puts a checkout of this lane that it makes again."""
    mirror = inspect_mirror(session.layout.mirror(repo.name))
    return mirror.branches().get(lane.base_map.get(repo.name, ""))


def _switch(git: Git, place: Place, lane: Lane, branch: str, commit: str) -> None:
    # Ignored files are the reviewer's: git is not to overwrite them.
    args = ["checkout", "--quiet", "--no-overwrite-ignore", "--no-track", "-B", branch, commit, "--"]
    try:
        git.run(args, at=place)
    except GitError as error:
        if "would be overwritten" in error.stderr:
            raise _diverged(lane, "an ignored file of yours is in the way of the new commits") from error
        raise


def _diverged(lane: Lane, reason: str) -> Blocked:
    return Blocked(
        "review_lane_diverged",
        f"the review lane {lane.id} was left as it is: {reason}",
        scope="lane",
        subject=lane.id,
        hint="keep what you need on another branch, then "
        f"gr2 lane archive {quoted(lane.id)} --force, and check it out again",
    )


def _shown(repo: Repo, pull: PullRequest) -> ReviewedPull:
    return ReviewedPull(
        repo=repo.name,
        pr_number=pull.ref.number,
        title=pull.title,
        author=pull.author,
        url=pull.web_url or None,
        base=pull.base,
        head=pull.head,
        head_sha=pull.head_sha,
        state=pull.state,
    )
