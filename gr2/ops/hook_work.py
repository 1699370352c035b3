"""What checkouts still owe: projections, then `on_materialize` hooks. Planned here, done by `apply` and by whatever
makes lanes (contract, page 4).

A checkout owes a hook until it completed there, crash or not: nothing else has to be remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field

from gr2.errors import Gr2Error
from gr2.model.hints import place_at
from gr2.model.hooks import Hook, HooksFile
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.ops.hook_places import HookPlace, HooksReader
from gr2.ops.hook_run import HookRunner, details_of
from gr2.ops.hook_trust import Trust
from gr2.ops.mutation import Mutation
from gr2.ops.projections import ProjectFile, Target, clash_issue, clashes, destination_fault, examine, targets_of
from gr2.ops.steps import Step
from gr2.session import Session
from gr2.store.failures import blocking_checkout, blocking_marker
from gr2.store.hook_state import completed, take_pass
from gr2.store.hooks_file import HooksFault

STAGE = "on_materialize"


@dataclass
class HookWork:
    """What is owed. chains: steps, one list a repo. skips: hooks that do not run, and why."""

    chains: dict[str, list[Step]] = field(default_factory=dict)
    blocked: list[Operation] = field(default_factory=list)
    unaffected: list[Operation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    skips: list[tuple[HookPlace, Hook, str]] = field(default_factory=list)
    notes: list[Issue] = field(default_factory=list)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What would be done if everything were trusted."""
        return (*(step.operation for chain in self.chains.values() for step in chain), *self.unaffected)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunHook:
    """Run one `on_materialize` hook in one checkout. Without a `runner` it only describes itself."""

    place: HookPlace
    hook: Hook
    runner: HookRunner | None = None
    needs: Step | None = None
    _ended: list[bool] = field(default_factory=list)
    doing = "running its hook"

    @property
    def ended(self) -> bool:
        """Whether it ran, or was passed over."""
        return bool(self._ended)

    @property
    def operation(self) -> Operation:
        return hook_operation(self.place, self.hook)

    def run(self, run: Mutation) -> Mapping[str, object]:
        assert self.runner is not None
        place, hook = self.place, self.hook
        if take_pass(run.session.layout, place.path, stage=hook.stage, hook_name=hook.name):
            self.runner.skip(place, hook, "already_done")
            return {"skipped": "already_done"}
        ran = self.runner.execute(place, hook)
        self._ended.append(True)
        return details_of(ran, hook)


def hook_operation(place: HookPlace, hook: Hook) -> Operation:
    """What running the hook in the checkout is."""
    return Operation(
        kind="hooks.run",
        scope=place.scope,
        repo=place.repo.name,
        unit=place.unit_name,
        lane=place.lane_name,
        path=place.path,
        details={"stage": hook.stage, "hook_name": hook.name, "command": hook.command},
    )


class WorkPlanner:
    """Finds what `chosen` checkouts owe. `everyone` are those whose projections could be rivals of theirs.

    not_there: hooks files of checkouts that are still to be made, by path. made: paths of those just made. runner:
    runs the hooks; None when only planned: then hooks of every apply are not told as pending.
    """

    def __init__(
        self,
        session: Session,
        *,
        command: str,
        reader: HooksReader,
        trust: Trust,
        runner: HookRunner | None = None,
        not_there: Mapping[str, bytes | HooksFault] | None = None,
        made: Collection[str] = (),
    ) -> None:
        self._session = session
        self._command = command
        self._reader = reader
        self._trust = trust
        self._runner = runner
        self._not_there = not_there or {}
        self._made = made
        self._work = HookWork()

    def plan(self, everyone: Iterable[HookPlace], chosen: Collection[str]) -> HookWork:
        """What the checkouts of the repos called `chosen` owe."""
        found: list[tuple[HookPlace, HooksFile]] = []
        for place in everyone:
            file = self._reader.read(place, self._not_there.get(place.path))
            if file is not None:
                found.append((place, file))
        targets = {
            place.path: self._sound(place, targets_of(self._session, place, file.projections)) for place, file in found
        }
        rivals = clashes(target for some in targets.values() for target in some)
        told: set[tuple[tuple[str, str], ...]] = set()
        for place, file in found:
            if place.repo.name in chosen:
                for target in targets[place.path]:
                    group = rivals.get(target.dest, ())
                    ids = tuple(rival.id for rival in group)
                    if group and ids not in told:
                        told.add(ids)
                        self._work.issues.append(clash_issue(target.dest, group))
                self._place(place, file, targets[place.path], rivals)
        self._work.issues += [issue for issue in self._reader.issues if issue.details.get("repo") in chosen]
        return self._work

    def _sound(self, place: HookPlace, targets: Sequence[Target]) -> list[Target]:
        """The targets that may be used; the others are `invalid_hooks`."""
        sound = []
        for target in targets:
            fault = destination_fault(self._session.spec, target)
            if fault is None:
                sound.append(target)
                continue
            self._work.blocked.append(target.operation)
            key = f"{target.projection.key}.dest"
            self._work.issues.append(
                Issue(
                    code="invalid_hooks",
                    scope="hook",
                    subject=key,
                    message=f"{key} {fault} ({place.label})",
                    hint=f"edit {place_at(self._session.root, f'{place.path}/.gr2/hooks.toml')}",
                    details={"repo": place.repo.name, "path": target.dest},
                )
            )
        return sound

    def _place(
        self, place: HookPlace, file: HooksFile, targets: Sequence[Target], rivals: Mapping[str, tuple[Target, ...]]
    ) -> None:
        trusted = self._trust.allows(place, file)
        steps, stuck = self._projections(place, targets, rivals, trusted=trusted)
        hooks = self._hooks(place, file)
        if not steps and not stuck and not hooks:
            return
        operations = [step.operation for step in steps] + [hook_operation(place, hook) for hook in hooks]
        refusal = self._refusal(place)
        if refusal is not None:
            self._work.issues.append(Issue.from_error(refusal))
            self._work.blocked += [*(target.operation for target in stuck), *operations]
            return
        if not trusted:
            if steps or hooks:
                self._trust.refuse(place)
                self._work.skips += [(place, hook, "untrusted") for hook in hooks]
                self._work.unaffected += operations
            self._work.blocked += [target.operation for target in stuck]
            return
        self._work.blocked += [target.operation for target in stuck]
        if stuck:
            # A projection that blocks keeps the checkout's hooks from starting.
            self._work.unaffected += [hook_operation(place, hook) for hook in hooks]
            hooks = []
        chain = self._work.chains.setdefault(place.repo.name, [])
        previous: Step | None = None
        for step in steps:
            chain.append(step)
            previous = step
        chain += [RunHook(place=place, hook=hook, runner=self._runner, needs=previous) for hook in hooks]
        self._other_skips(place, file, ran=bool(hooks))

    def _refusal(self, place: HookPlace) -> Gr2Error | None:
        layout, unit = self._session.layout, place.unit_name
        if place.lane is not None:
            return blocking_marker(layout, command=self._command, unit=unit, lane=place.lane.name)
        return blocking_checkout(layout, command=self._command, unit=unit, repo=place.repo.name)

    def _projections(
        self, place: HookPlace, targets: Sequence[Target], rivals: Mapping[str, tuple[Target, ...]], *, trusted: bool
    ) -> tuple[list[ProjectFile], list[Target]]:
        """Steps for what is to be projected, and the targets that something is in the way of."""
        steps: list[ProjectFile] = []
        stuck: list[Target] = []
        for target in targets:
            if target.dest in rivals:
                stuck.append(target)
                continue
            previous = steps[-1] if steps else None
            step = ProjectFile(target=target, notes=self._work.notes, needs=previous)
            if place.path in self._not_there or (not trusted and target.projection.if_exists == "merge"):
                # Not there to be looked at; or nothing that a stranger's YAML could be spent time on.
                steps.append(step)
                continue
            try:
                if examine(self._session, target).kind != "none":
                    steps.append(step)
            except Gr2Error as error:
                stuck.append(target)
                self._work.issues.append(Issue.from_error(error))
        return steps, stuck

    def _hooks(self, place: HookPlace, file: HooksFile) -> list[Hook]:
        """The hooks that are owed here, or, when they are run, that run each time."""
        return [hook for hook in file.stage(STAGE) if self._is_owed(place, hook)]

    def _is_owed(self, place: HookPlace, hook: Hook) -> bool:
        if hook.when == "manual" or place.lacks(self._session, hook):
            return False
        if hook.when == "always":
            return self._runner is not None
        return place.path in self._not_there or not self._has_completed(place, hook)

    def _has_completed(self, place: HookPlace, hook: Hook) -> bool:
        return completed(self._session.layout, place.path, stage=STAGE, hook_name=hook.name)

    def _other_skips(self, place: HookPlace, file: HooksFile, *, ran: bool) -> None:
        """The hooks that do not run where others do, or in a new checkout: said once, not at every apply."""
        if not ran and place.path not in self._made:
            return
        for hook in file.stage(STAGE):
            if hook.when != "manual" and place.lacks(self._session, hook):
                self._work.skips.append((place, hook, "no_value"))
            elif hook.when == "first_materialize" and self._has_completed(place, hook):
                self._work.skips.append((place, hook, "already_done"))
