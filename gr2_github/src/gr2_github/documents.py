"""GitHub's answers as far as gr2 reads them, checked by pydantic. Names are GitHub's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")]
Number = Annotated[int, Field(gt=0)]


class _Graph(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, defer_build=True)


class Actor(_Graph):
    login: str


class Oid(_Graph):
    oid: Sha


class HeadRepository(_Graph):
    url: str


class AutoMerge(_Graph):
    enabled_at: str | None = None


class Pull(_Graph):
    id: str
    number: Number
    title: str
    body: str
    state: Literal["OPEN", "CLOSED", "MERGED"]
    is_draft: bool
    url: str
    updated_at: str
    base_ref_name: str
    head_ref_name: str
    head_ref_oid: Sha
    is_cross_repository: bool
    author: Actor | None
    head_repository: HeadRepository | None
    mergeable: str
    merge_commit: Oid | None
    auto_merge_request: AutoMerge | None
    is_in_merge_queue: bool = False


class PageInfo(_Graph):
    has_next_page: bool
    end_cursor: str | None = None


class Workflow(_Graph):
    name: str


class WorkflowRun(_Graph):
    event: str
    workflow: Workflow | None = None


class App(_Graph):
    slug: str


class CheckSuite(_Graph):
    app: App | None = None
    workflow_run: WorkflowRun | None = None


class CheckRun(_Graph):
    typename: Literal["CheckRun"] = Field(alias="__typename")
    name: str
    status: str
    conclusion: str | None = None
    details_url: str | None = None
    started_at: str | None = None
    is_required: bool = False
    check_suite: CheckSuite | None = None


class StatusContext(_Graph):
    typename: Literal["StatusContext"] = Field(alias="__typename")
    context: str
    state: str
    target_url: str | None = None
    created_at: str = ""
    is_required: bool = False


Context = Annotated[CheckRun | StatusContext, Field(discriminator="typename")]


class Contexts(_Graph):
    page_info: PageInfo
    nodes: tuple[Context, ...]


class Rollup(_Graph):
    contexts: Contexts


class Commit(_Graph):
    oid: Sha
    status_check_rollup: Rollup | None


class CommitNode(_Graph):
    commit: Commit


class Commits(_Graph):
    nodes: tuple[CommitNode, ...]


class ReviewNode(_Graph):
    author: Actor | None
    author_can_push_to_repository: bool
    state: str
    submitted_at: str | None = None
    commit: Oid | None


class Reviews(_Graph):
    page_info: PageInfo
    nodes: tuple[ReviewNode, ...]


class RefUpdateRule(_Graph):
    required_approving_review_count: int | None = None
    required_status_check_contexts: tuple[str | None, ...] | None = None
    requires_code_owner_reviews: bool = False
    requires_linear_history: bool = False


class RequiredCheck(_Graph):
    context: str


class RuleParameters(_Graph):
    required_approving_review_count: int | None = None
    require_code_owner_review: bool = False
    allowed_merge_methods: tuple[str, ...] | None = None
    required_status_checks: tuple[RequiredCheck, ...] = ()


class Rule(_Graph):
    type: str
    parameters: RuleParameters | None = None


class Rules(_Graph):
    nodes: tuple[Rule | None, ...] | None = None


class BranchTarget(_Graph):
    oid: Sha


class BaseRef(_Graph):
    target: BranchTarget | None = None
    ref_update_rule: RefUpdateRule | None = None
    rules: Rules | None = None


class WholePull(Pull):
    merge_state_status: str
    review_decision: str | None = None
    base_ref: BaseRef | None = None
    commits: Commits
    reviews: Reviews | None


class MoreChecks(_Graph):
    commits: Commits


class MoreReviews(_Graph):
    reviews: Reviews


class Pulls(_Graph):
    page_info: PageInfo
    nodes: tuple[Pull, ...]


class Branch(_Graph):
    name: str
    target: BranchTarget


class Branches(_Graph):
    page_info: PageInfo
    nodes: tuple[Branch, ...]


class DefaultBranch(_Graph):
    name: str


class RepositoryHeads(_Graph):
    default_branch_ref: DefaultBranch | None
    refs: Branches


class MergeQueue(_Graph):
    id: str


class Abilities(_Graph):
    merge_commit_allowed: bool
    squash_merge_allowed: bool
    rebase_merge_allowed: bool
    auto_merge_allowed: bool
    merge_queue: MergeQueue | None = None


class _Rest(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class RestUser(_Rest):
    login: str


class RestBranch(_Rest):
    ref: str
    sha: Sha


class RestPull(_Rest):
    node_id: str
    number: Number
    title: str
    body: str | None
    state: Literal["open", "closed"]
    draft: bool = False
    html_url: str
    updated_at: str = ""
    user: RestUser | None
    base: RestBranch
    head: RestBranch
    mergeable: bool | None = None


class RestMerged(_Rest):
    sha: Sha
    merged: bool
