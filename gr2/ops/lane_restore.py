"""Putting saved work back into a lane that is entered (contract, page 3)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gr2.errors import Gr2Error
from gr2.model.hints import quoted
from gr2.model.lane import Lane
from gr2.model.outcome import Issue
from gr2.model.spec import Unit
from gr2.ops.lane_leave import DEFAULT_STRATEGY, SavedRow, strategy_of
from gr2.ops.lease import Fence
from gr2.ops.mutation import Mutation
from gr2.store.lanes import read_unit_state, write_unit_state

if TYPE_CHECKING:
    from gr2.store.saved import Saved


class Restoring:
    """The saved work that waits in one lane, and its way back when that is `wanted`.

    restored: what came back. issues: `saved_work` (not blocking) for what still waits, `restore_conflict` for what
    cannot come back.
    """

    def __init__(self, run: Mutation, unit: Unit, lane: Lane, fence: Fence, *, wanted: bool) -> None:
        self._run = run
        self._session = run.session
        self._unit = unit
        self._lane = lane
        self._fence = fence
        self._wanted = wanted
        self.restored: list[SavedRow] = []
        self.issues: list[Issue] = []

    def run(self) -> None:
        """Put back the newest save of each repo, if wanted."""
        layout = self._session.layout
        if not os.path.isdir(layout.saved):
            return
        from gr2.store.saved import waiting

        found = waiting(layout, unit=self._unit.name, lane=self._lane.name)
        chosen = self._chosen(found) if self._wanted else []
        if chosen:
            self._note(chosen)
        for saved in chosen:
            self._fence.recheck()
            if self._restore(saved):
                self.restored.append(SavedRow(repo=saved.repo, files=saved.files, saved_id=saved.id))
        tried = {saved.id for saved in chosen}
        left = [saved for saved in found if saved.id not in tried]
        if left:
            self.issues.append(self._waiting(left))

    @property
    def note(self) -> dict[str, object] | None:
        """What was chosen, to be remembered for as long as the unit is in the lane: the same command again changes
        nothing, and after a kill it goes on with the same."""
        noted: dict[str, object] = read_unit_state(self._session.layout, self._unit.name).get("restoring") or {}
        return noted if noted.get("lane") == self._lane.name else None

    def _chosen(self, found: list[Saved]) -> list[Saved]:
        """What to put back: the newest of each repo, unless it is older than what came back in this stay already."""
        newest = {saved.repo: saved for saved in found}
        for saved in self._earlier():
            other = newest.get(saved.repo)
            if other is not None and other.id != saved.id and other.created_at <= saved.created_at:
                del newest[saved.repo]
        return [newest[repo] for repo in self._lane.repos if repo in newest]

    def _earlier(self) -> list[Saved]:
        from gr2.store.saved import read_saved

        ids = (self.note or {}).get("saved", [])
        assert isinstance(ids, list)
        found = [read_saved(self._session.layout, saved_id) for saved_id in ids]
        return [saved for saved in found if saved is not None]

    def _note(self, chosen: list[Saved]) -> None:
        state = read_unit_state(self._session.layout, self._unit.name)
        repos = {saved.repo for saved in chosen}
        kept = [saved.id for saved in self._earlier() if saved.repo not in repos]
        noted = {"lane": self._lane.name, "saved": [*kept, *(saved.id for saved in chosen)]}
        write_unit_state(self._session.layout, self._unit.name, {**state, "restoring": noted})

    def _restore(self, saved: Saved) -> bool:
        from gr2.plugin.protocols import DirtyCheckout

        checkout = DirtyCheckout(
            path=self._session.layout.at(saved.path),
            scope="lane",
            repo=saved.repo,
            unit=self._unit.name,
            lane=self._lane.name,
            operation_id=self._run.operation_id,
        )
        try:
            issues = strategy_of(self._session, DEFAULT_STRATEGY).restore(checkout, saved.id)
        except Gr2Error as error:
            issues = (Issue.from_error(error),)
        self.issues += issues
        return not any(issue.blocking for issue in issues)

    def _waiting(self, left: list[Saved]) -> Issue:
        count = len(left)
        many = "s" if count != 1 else ""
        more = "more " if self._wanted else ""
        hint = "gr2 saved list" if self._wanted else f"gr2 lane enter {quoted(self._lane.id)} --restore"
        return Issue(
            code="saved_work",
            scope="lane",
            subject=self._lane.id,
            message=f"{count} {more}piece{many} of saved work wait{'' if many else 's'} in {self._lane.id}",
            hint=hint,
            blocking=False,
            details={
                "waiting": count,
                "saved": [{"id": saved.id, "repo": saved.repo, "files": list(saved.files)} for saved in left],
            },
        )
