"""What a provider's import path must lead to, family by family.

Each path names a class or function that takes one argument, a `PluginContext`, and returns an object of the protocol
here. (`command` is different: its path names a value, see `gr2.plugin.commands`.) Making it is cheap and contacts
nothing.

What is raised: `Gr2Error` children pass through with their code; anything else, SystemExit included, becomes
`plugin_failed`. What is printed to stdout goes to stderr.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gr2.model.outcome import Issue
from gr2.model.records import dataclass

if TYPE_CHECKING:
    from gr2.model.pull_request import (
        AuthStatus,
        Capabilities,
        Check,
        Heads,
        Merged,
        MergeMethod,
        NewPullRequest,
        Overview,
        PullRef,
        PullRequest,
        PullState,
        Review,
    )


class PlatformAdapter(Protocol):
    """A code host. It knows single pull requests only, never groups.

    `url` is a repository's URL as the spec has it. Every call ends within its deadline (`timeout` seconds, the
    platform's own default when None), and raises `PlatformError` children: reads may be retried by the caller on
    `Transient`, writes never are. A write whose answer was lost raises `OutcomeUnknown`.
    """

    def matches(self, url: str) -> bool:
        """Whether `url` is on this platform. No network."""

    def auth_status(self, url: str) -> AuthStatus:
        """Who the platform takes the caller for."""

    def capabilities(self, url: str) -> Capabilities:
        """What can be done for the repository at `url`. May cost a request for each repository: to learn only
        whether there is a batch form, call it and catch Unsupported."""

    def create_pr(self, new: NewPullRequest, *, timeout: float | None = None) -> PullRequest:
        """Open a pull request. Raises AlreadyExists when head and base have an open one."""

    def get_pr(self, ref: PullRef, *, timeout: float | None = None) -> PullRequest:
        """The pull request as it stands. Raises NotFound."""

    def list_prs(
        self,
        url: str,
        *,
        head: str = "",
        base: str = "",
        state: PullState | Literal["all"] = "open",
        timeout: float | None = None,
    ) -> tuple[PullRequest, ...]:
        """The pull requests of the repository, all pages, by number. `head` is a branch of the same repository:
        those of forks with an equal branch name are left out when it is given."""

    def update_pr_body(self, ref: PullRef, body: str, *, timeout: float | None = None) -> None:
        """Replace the body. The title stays."""

    def mark_ready(self, ref: PullRef, *, timeout: float | None = None) -> None:
        """Take it out of draft; nothing happens when it is not one."""

    def pr_checks(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Check, ...]:
        """Check runs and commit statuses on the current head, the newest of each name."""

    def pr_reviews(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Review, ...]:
        """Every review, oldest first."""

    def merge_pr(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> Merged:
        """Merge it if its head is `expected_head`. Raises HeadMoved, NotMergeable, Conflict, Queued."""

    def enable_auto_merge(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> None:
        """Have the platform merge it when its rules allow. Raises Unsupported, HeadMoved."""

    def pr_ref(self, ref: PullRef) -> str:
        """The full name of the ref in the repository that holds the current head, to be fetched for review."""

    def prs_overview(self, refs: Sequence[PullRef], *, timeout: float | None = None) -> Mapping[PullRef, Overview]:
        """Everything about many pull requests in as few requests as the platform allows; those not found are left
        out. Raises Unsupported when `capabilities().overview` is false."""

    def branch_heads(self, urls: Sequence[str], *, timeout: float | None = None) -> Mapping[str, Heads]:
        """All branch heads of many repositories; those that cannot be told are left out. Raises Unsupported when
        `capabilities().heads` is false."""


@dataclass(frozen=True, kw_only=True)
class DirtyCheckout:
    """A checkout with uncommitted work that is in the way.

    path: absolute. scope: shared, unit or lane. files: what is uncommitted, relative to the checkout, sorted.
    message: what saved work should be called. confirmed: the person said `--yes`. Repositories inside the checkout are
    part of the work when `files` names them, or when `files` is empty (not told).
    """

    path: str
    scope: str
    repo: str
    unit: str = ""
    lane: str = ""
    files: tuple[str, ...] = ()
    message: str = ""
    operation_id: str = ""
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class PutAway:
    """Where a checkout's work went. `kind` is stash or discard; `saved_id` restores it. A checkout that was clean has
    no `files` and the `saved_id` ""."""

    kind: Literal["stash", "discard"]
    files: tuple[str, ...]
    saved_id: str
    details: Mapping[str, Any] = field(default_factory=dict)


class DirtyStrategy(Protocol):
    """What happens to uncommitted work before gr2 changes a checkout. Ignored files are never touched."""

    restores: bool
    """Whether what it puts away is meant to come back, by itself after a sync, by `--restore` in a lane."""

    def plan(self, checkout: DirtyCheckout) -> tuple[Issue, ...]:
        """Why `put_away` would refuse (blocking issues: `dirty_lane_repo`, `confirmation_required`,
        `dirty_not_savable`), or nothing. Changes nothing."""

    def put_away(self, checkout: DirtyCheckout) -> PutAway:
        """Save the work, exactly, and leave the checkout clean. Killed at any point, nothing is lost.
        Raises Blocked for what `plan` would have said, Failed `disk_full` and the like with the work untouched."""

    def restore(self, checkout: DirtyCheckout, saved_id: str) -> tuple[Issue, ...]:
        """Put work back as it was, index entries included; on a conflict leave checkout and saved work as they were
        and say `restore_conflict`. A strategy that does not restore says so by `unsupported`."""


@dataclass(frozen=True, kw_only=True)
class HookRequest:
    """A lifecycle hook to run. Variables are put into the words after splitting, and never scanned again.

    command: as in hooks.toml. variables: name to value. cwd: absolute, links resolved. env: the whole environment.
    timeout_seconds: after it the whole process group ends. keep_bytes: of each stream's beginning and end.
    """

    command: str
    cwd: str
    env: Mapping[str, str]
    variables: Mapping[str, str]
    timeout_seconds: float
    keep_bytes: int = 5_000_000
    repo: str = ""
    checkout: str = ""


@dataclass(frozen=True, kw_only=True)
class HookOutcome:
    """How a hook ended: 124 timed out, 127 not found, 128+n by signal n. Streams are cut with a mark in the middle."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_ms: int
    timed_out: bool = False


class HookRuntime(Protocol):
    """A way to run a lifecycle hook's command."""

    def fault(self, command: str) -> str | None:
        """At plan time: why `command` could never run, as a lower-case sentence, or None. Runs nothing."""

    def run(self, request: HookRequest) -> HookOutcome:
        """Run it to its end, stdin closed, output captured. A command that fails is an outcome, not an error."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a batch.

    accepted: how many events, from the first on, are safe with the receiver. rejected: why the receiver will never take
    the event after those ("" if it did not say that). unavailable: why the rest must wait; retry_after in seconds.
    """

    accepted: int
    rejected: str = ""
    unavailable: str = ""
    retry_after: float | None = None


class EventSink(Protocol):
    """A receiver of events, at least once, in order. Types and versions it does not know are delivered too."""

    batch_size: int
    """How many events it takes at once."""

    def deliver(self, events: Sequence[Mapping[str, Any]], *, deadline: float) -> Delivery:
        """Pass on `events` (each a whole event as in the outbox) within `deadline` seconds."""

    def close(self) -> None:
        """Let go of connections and files."""


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One line of `doctor`. `id` is stable; `fixable` says that `fix` can help."""

    id: str
    result: Literal["ok", "warn", "fail", "skip"]
    message: str
    hint: str = ""
    fixable: bool = False


class DoctorCheck(Protocol):
    """A question `gr2 doctor` asks, and how to put it right."""

    def run(self) -> tuple[CheckRow, ...]:
        """Look. Changes nothing."""

    def fix(self, row: CheckRow) -> CheckRow:
        """Put right what `row` found (`doctor --fix`) and look again."""
