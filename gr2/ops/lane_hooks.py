"""`on_enter` and `on_exit` hooks of a lane's checkouts (contract, pages 3 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gr2.model.lane import REVIEW_KIND, Lane
from gr2.model.outcome import Issue
from gr2.model.spec import Unit
from gr2.ops.hook_seek import lane_has_hooks
from gr2.ops.mutation import Mutation

if TYPE_CHECKING:
    from gr2.model.hooks import Hook
    from gr2.ops.hook_places import HookPlace, HooksReader
    from gr2.ops.hook_run import HookRunner
    from gr2.ops.hook_trust import Trust
    from gr2.store.failures import PartialState


class LaneHooks:
    """The hooks of one stage in one lane. Whether a checkout is dirty is looked at when this is made."""

    def __init__(self, run: Mutation, unit: Unit, lane: Lane, stage: str, *, trust_hooks: bool = False) -> None:
        self._run = run
        self._lane = lane
        self._found: list[tuple[HookPlace, Hook, bool]] = []
        self._dirty: frozenset[str] = frozenset()
        self._trust_hooks = trust_hooks
        self._begun: list[str] = []
        if lane_has_hooks(run.session, unit.path, lane):
            self._read(unit, stage)

    def _read(self, unit: Unit, stage: str) -> None:
        from gr2.ops.hook_places import HooksReader, lane_places
        from gr2.ops.hook_trust import Trust

        self._reader: HooksReader = HooksReader(self._run.session, blocking=False)
        self._trust: Trust = Trust(self._run.session, all_hooks=self._trust_hooks)
        for place in lane_places(self._run.session, unit, self._lane):
            file = self._reader.read(place)
            if file is not None:
                trusted = self._trust.allows(place, file)
                self._found += [(place, hook, trusted) for hook in file.stage(stage) if hook.when != "manual"]
        if any(hook.when == "dirty" for _, hook, _ in self._found):
            self._dirty = self._look(unit)

    def _look(self, unit: Unit) -> frozenset[str]:
        from gr2.ops.checkouts import inspect, lane_checkouts

        rows, _ = inspect(self._run.session, lane_checkouts(unit, self._lane))
        return frozenset(row.path for row in rows if row.dirty)

    @property
    def any(self) -> bool:
        """Whether there is anything to run or to say."""
        return bool(self._found)

    def run(self) -> tuple[Issue, ...]:
        """Run them, one after the other, in the lane's order; gives what a person should know.

        Raises HookFailure for one that blocks: none after it was started, and its failure marker is written.
        """
        if not hasattr(self, "_reader"):
            return ()
        from gr2.ops.hook_run import HookRunner

        runner = HookRunner(self._run, self._reader, partial=self._partial)
        for place, hook, trusted in self._found:
            self._begun.append(place.repo.name)
            reason = self._skipped(runner, place, hook, trusted)
            if reason:
                runner.skip(place, hook, reason)
            else:
                runner.execute(place, hook)
        faults = () if self._lane.kind == REVIEW_KIND else tuple(self._reader.issues)
        return (*faults, *runner.issues, *self._trust.issues)

    def _skipped(self, runner: HookRunner, place: HookPlace, hook: Hook, trusted: bool) -> str:
        from gr2.store.hook_state import take_pass

        layout = runner.run.session.layout
        if self._lane.kind == REVIEW_KIND:
            return "review_lane"
        if place.lacks(runner.run.session, hook):
            return "no_value"
        if not trusted:
            self._trust.refuse(place)
            return "untrusted"
        if hook.when == "dirty" and place.path not in self._dirty:
            return "not_dirty"
        return "already_done" if take_pass(layout, place.path, stage=hook.stage, hook_name=hook.name) else ""

    def _partial(self, failed: HookPlace) -> PartialState:
        from gr2.store.failures import PartialState

        name = failed.repo.name
        done = [repo for repo in self._lane.repos if repo in self._begun and repo != name]
        pending = [repo for repo in self._lane.repos if repo not in {*done, name}]
        return PartialState(repos_completed=tuple(done), repos_pending=tuple(pending), repos_failed=(name,))
