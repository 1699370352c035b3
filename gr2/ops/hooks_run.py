"""`gr2 hooks run`: one lifecycle hook, now, whatever its `when` says."""

from __future__ import annotations

from contextlib import nullcontext

from gr2.errors import Blocked, Invalid
from gr2.model.hints import quoted
from gr2.model.hooks import Hook
from gr2.model.lane import REVIEW_KIND
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.ops.context import find_repo, lane_around, lane_of, split_lane, unknown
from gr2.ops.failures import resolve_retried
from gr2.ops.hook_places import HookPlace, HooksReader
from gr2.ops.hook_run import HookFailure, HookRunner, Ran, output_path
from gr2.ops.hook_trust import Trust
from gr2.ops.lease import guard
from gr2.ops.lease_grant import refuse_unusable
from gr2.ops.mutation import Mutation, mutation
from gr2.session import Session
from gr2.store.failures import blocking_run

TAIL = 4000


@dataclass(frozen=True, kw_only=True)
class HookRun:
    """One run of a hook in the checkout `path`. The tails are of at most 4,000 characters; all that was kept is in the
    files `output` + `.stdout` and `.stderr`."""

    repo: str
    stage: str
    hook_name: str
    path: str
    exit_code: int
    duration_ms: int
    timed_out: bool
    stdout_tail: str
    stderr_tail: str
    output: str


@dataclass(frozen=True, kw_only=True)
class HooksRunResult(MutationResult):
    """How the hook ended; `failed` when it did, whatever its `on_failure` says."""

    results: tuple[HookRun, ...]


def hooks_run(
    session: Session, repo: str, name: str, *, lane: str = "", stage: str = "", trust_hooks: bool = False
) -> HooksRunResult:
    """Run the hook `name` of the repo, in the lane named or around the current directory, else in the shared checkout.

    Raises Invalid `unknown_hook`, `no_hooks`, `invalid_hooks`; Blocked `untrusted_hooks`, `review_lane`, `no_value`,
    `lane_frozen`, `lease_conflict`, `lease_lost`, `unresolved_failure`.
    """
    place = _place(session, repo, lane)
    unit, lane_name = place.unit_name, place.lane_name
    with mutation(session, "hooks.run", unit=unit, lane=lane_name, repos=(repo,), lock=None, markers=False) as run:
        if lane_name:
            refuse_unusable(session, unit, lane_name)
        with guard(run.session, unit, lane_name, mode="exec") if lane_name else nullcontext():
            return _Manual(run, place).run(name, stage, trust_hooks=trust_hooks)


def _place(session: Session, repo: str, lane: str) -> HookPlace:
    found = find_repo(session, repo)
    named = lane or session.asked.lane or session.asked.environ.get("GR2_LANE", "")
    around = None if named else lane_around(session)
    if named:
        unit, name = split_lane(session, named)
    elif around is not None:
        unit, name = around
    else:
        return HookPlace(repo=found, path=found.path)
    unit, its = lane_of(session, f"{unit.name}/{name}")
    if repo not in its.repos:
        raise unknown("repo", repo, its.repos, hint=f"gr2 lane show {quoted(its.id)}")
    return HookPlace(repo=found, path=f"{unit.path}/lanes/{its.name}/repos/{repo}", unit=unit, lane=its)


class _Manual:
    def __init__(self, run: Mutation, place: HookPlace) -> None:
        self._run = run
        self._place = place
        self._reader = HooksReader(run.session)

    def run(self, name: str, stage: str, *, trust_hooks: bool) -> HooksRunResult:
        place, run = self._place, self._run
        file = self._reader.read(place)
        if file is None:
            raise self._no_file()
        hook = _pick(place.repo.name, file.hooks, name, stage)
        self._refuse_marked(hook)
        runner = HookRunner(run, self._reader)
        trust = Trust(run.session, all_hooks=trust_hooks)
        if not trust.allows(place, file):
            trust.refuse(place)
        self._refuse(runner, hook, trust)
        try:
            ran = runner.execute(place, hook)
        except HookFailure as error:
            return self._result(hook, runner.last, Status.FAILED, (Issue.from_error(error),))
        if ran.outcome.exit_code == 0:
            resolve_retried(run, unit=place.unit_name, lane=place.lane_name, repos=(place.repo.name,), hook=hook)
        # Whatever its failure means to others, it is all that was asked for.
        status = Status.SUCCESS if ran.outcome.exit_code == 0 else Status.FAILED
        return self._result(hook, ran, status, tuple(runner.issues))

    def _no_file(self) -> Invalid:
        repo = self._place.repo.name
        if not self._reader.issues:
            return Invalid("no_hooks", f"{repo} has no hooks", scope="repo", subject=repo, hint="gr2 hooks list")
        first = self._reader.issues[0]
        error = Invalid(first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint)
        error.__dict__["issues"] = tuple(self._reader.issues)
        return error

    def _refuse_marked(self, hook: Hook) -> None:
        """Raise Blocked `unresolved_failure` for a failure here that is not of this hook."""
        place = self._place
        refusal = blocking_run(
            self._run.session.layout,
            command=self._run.command,
            stage=hook.stage,
            hook_name=hook.name,
            repo=place.repo.name,
            unit=place.unit_name,
            lane=place.lane_name,
        )
        if refusal is not None:
            raise refusal

    def _refuse(self, runner: HookRunner, hook: Hook, trust: Trust) -> None:
        """Raise Blocked for what keeps the hook from running; the log says so, too."""
        place = self._place
        if place.lane is not None and place.lane.kind == REVIEW_KIND:
            runner.skip(place, hook, "review_lane")
            raise Blocked("review_lane", "hooks never run in the lane of a review", scope="lane", subject=place.lane.id)
        if place.lacks(self._run.session, hook):
            runner.skip(place, hook, "no_value")
            message = f"hook {hook.name} uses a variable that has no value in {place.path}"
            hint = "--lane UNIT/LANE" if place.lane is None else ""
            raise Blocked("no_value", message, scope="hook", subject=hook.name, hint=hint)
        for issue in trust.issues:
            runner.skip(place, hook, "untrusted")
            raise Blocked(
                issue.code, issue.message, scope="hook", subject=issue.subject, hint=issue.hint, details=issue.details
            )

    def _result(self, hook: Hook, ran: Ran | None, status: Status, issues: tuple[Issue, ...]) -> HooksRunResult:
        assert ran is not None
        row = HookRun(
            repo=self._place.repo.name,
            stage=hook.stage,
            hook_name=hook.name,
            path=self._place.path,
            exit_code=ran.outcome.exit_code,
            duration_ms=ran.outcome.duration_ms,
            timed_out=ran.outcome.timed_out,
            stdout_tail=text_tail(ran.outcome.stdout),
            stderr_tail=text_tail(ran.outcome.stderr),
            output=output_path(ran.started_id),
        )
        return HooksRunResult(status=status, issues=issues, operation_id=self._run.operation_id, results=(row,))


def text_tail(stream: bytes) -> str:
    """The last 4,000 characters of a stream."""
    return stream[-4 * TAIL :].decode(errors="replace")[-TAIL:]


def _pick(repo: str, hooks: tuple[Hook, ...], name: str, stage: str) -> Hook:
    found = [hook for hook in hooks if hook.name == name and stage in {"", hook.stage}]
    if not found:
        raise unknown("hook", name, (hook.name for hook in hooks), hint=f"gr2 hooks list {repo}")
    if len(found) > 1:
        stages = [hook.stage for hook in found]
        raise Invalid(
            "ambiguous_hook",
            f"{repo} has a hook {name!r} in {' and '.join(stages)}",
            scope="hook",
            subject=name,
            hint=f"--stage {stages[0]}",
            details={"stages": stages},
        )
    return found[0]
