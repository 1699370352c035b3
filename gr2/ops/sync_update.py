"""Moves one checkout to where its mirror is: put uncommitted work away, move, put it back. All of it is journaled, so
that a killed update is undone or finished by the next command, and undone at once when it fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from gr2.edges.git import Git, Place
from gr2.edges.git.door import GitError
from gr2.edges.git.refs import head_branch, head_commit
from gr2.edges.git.stale_locks import remove_stale_locks
from gr2.edges.git.status import in_progress
from gr2.errors import Failed, Gr2Error, Interrupted
from gr2.model.event.sync import SyncConflict, SyncRepoSkipped, SyncRepoUpdated
from gr2.model.hints import git_at
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.ops.lane_leave import strategy_of
from gr2.ops.lease import Fence
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Step
from gr2.ops.sync_compare import Update, about_work, update_operation
from gr2.plugin.protocols import PutAway
from gr2.session import Session
from gr2.store.journal import CheckoutChange, checkout_change
from gr2.store.snapshot import pin, unpin


@dataclass
class Effects:
    """What updating one checkout did beside moving it. away, back: the operations about its uncommitted work."""

    updated: bool = False
    away: Operation | None = None
    back: Operation | None = None
    issues: list[Issue] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class UpdateCheckout:
    """Move a checkout as `update` says. dirty: the strategy for uncommitted work. fence: the right to change its lane.
    prune: what the remote no longer has may be forgotten (not when the mirror was not fetched). effects: filled in.
    moved: called with the repo's name as soon as HEAD has moved."""

    update: Update
    strategy: str
    dirty: str
    fence: Fence | None
    prune: bool
    effects: Effects
    moved: Callable[[str], None]
    needs: Step | None = None
    doing = "updating"

    @property
    def operation(self) -> Operation:
        return update_operation(self.update)

    def run(self, run: Mutation) -> Mapping[str, Any]:
        update, checkout = self.update, self.update.seen.checkout
        if self.fence is not None:
            self.fence.recheck()
        # What tells of the move, and of the work discarded for it.
        event_ids = run.session.ids.event(), run.session.ids.event()
        try:
            with checkout_change(
                run.session, checkout.path, what="update", operation_id=run.operation_id, strategy=update.kind
            ) as change:
                self.effects.issues += change.recovered
                event = self._change(run, change, event_ids)
        except Gr2Error as error:
            self._tell_conflict(run, error)
            if error.code != "work_changed":
                self._tell_if_moved(run, event_ids)
            raise
        self.effects.updated = True
        self._tell(run, event, event_ids)
        return {
            "old_sha": event.old_sha,
            "new_sha": event.new_sha,
            "commits_pulled": event.commits_pulled,
            "branch": event.branch,
            "strategy": update.kind,
        }

    def _change(self, run: Mutation, change: CheckoutChange, event_ids: tuple[str, str]) -> SyncRepoUpdated:
        seen = self.update.seen
        if head_commit(change.place.git_dir) != seen.head or head_branch(change.place.git_dir) != seen.branch:
            message = f"{seen.checkout.path} was changed while it was looked at"
            raise Failed("work_changed", message, scope=seen.scope, hint="run the same command again")
        take_refs(run.session, change.git, seen.checkout.repo, change.place, seen.branch, whole=self.prune)
        away = self._put_away(run.session)
        self._promise(run, event_ids, self.update.to, change.place)
        new = _Move(self.update, change, run.operation_id).run()
        event = self._event(new)
        if new != self.update.to:
            self._promise(run, event_ids, new, change.place)
        self.moved(self.update.seen.checkout.repo)
        if away is not None:
            self._put_back(run.session, away)
        return event

    def _tell_if_moved(self, run: Mutation, event_ids: tuple[str, str]) -> None:
        """A git that was killed at its very end may have done its work, and what was done is told."""
        seen = self.update.seen
        new = head_commit(os.path.join(run.session.layout.at(seen.checkout.path), ".git"))
        if new is not None and seen.head is not None and new != seen.head and self._is_new(run, new):
            self.moved(seen.checkout.repo)
            self._tell(run, self._event(new), event_ids)

    def _is_new(self, run: Mutation, new: str) -> bool:
        """Whether HEAD is where this update was to bring it, and not where somebody else did."""
        if new == self.update.to:
            return True
        place = Place.checkout(run.session.layout.at(self.update.seen.checkout.path))
        git = run.session.git.undisturbed()
        try:
            return git.succeeds(["merge-base", "--is-ancestor", self.update.to, new], at=place)
        except Gr2Error:
            return False  # it did not even come as far as having the commit

    def _promise(self, run: Mutation, event_ids: tuple[str, str], new: str, place: Place) -> None:
        branch = self.update.seen.branch
        path = os.path.join(place.git_dir, "HEAD" if branch is None else f"refs/heads/{branch}")
        for event, event_id in zip((self._event(new), *self._discarded()), event_ids, strict=False):
            run.promise(event, event_id, unit=self.update.seen.checkout.unit, path=path, text=new)

    def _tell(self, run: Mutation, event: SyncRepoUpdated, event_ids: tuple[str, str]) -> None:
        for each, event_id in zip((event, *self._discarded()), event_ids, strict=False):
            run.tell(each, event_id, unit=self.update.seen.checkout.unit)

    def _event(self, new: str) -> SyncRepoUpdated:
        seen = self.update.seen
        return SyncRepoUpdated(
            repo=seen.checkout.repo,
            scope=seen.checkout.scope,
            lane_name=seen.checkout.lane,
            branch=seen.branch or "",
            old_sha=seen.head or "",
            new_sha=new,
            strategy=self.strategy,
            commits_pulled=self.update.distance.behind,
        )

    def _put_away(self, session: Session) -> PutAway | None:
        dirty = self.update.dirty
        if dirty is None:
            return None
        done = strategy_of(session, self.dirty).put_away(dirty)
        if not done.saved_id and not done.files:
            return None
        details = {"files": list(done.files), "saved_id": done.saved_id, **done.details}
        self.effects.away = about_work(self.update, f"work.{done.kind}", details)
        return done

    def _put_back(self, session: Session, away: PutAway) -> None:
        strategy = strategy_of(session, self.dirty)
        dirty = self.update.dirty
        if not strategy.restores or not away.saved_id or dirty is None:
            return
        found = strategy.restore(dirty, away.saved_id)
        if found:
            self.effects.issues.append(self._kept(away, found[0]))
        else:
            details = {"files": list(away.files), "saved_id": away.saved_id}
            self.effects.back = about_work(self.update, "work.restore", details)

    def _kept(self, away: PutAway, why: Issue) -> Issue:
        seen = self.update.seen
        return seen.issue(
            "stash_kept",
            f"the work that was stashed does not go back by itself: {why.message}",
            hint=f"{seen.git('stash', 'pop')}, or gr2 saved restore {away.saved_id} --to PATH",
            details={
                "stash": away.details.get("stash", ""),
                "saved_id": away.saved_id,
                "files": list(away.files),
                "conflicting_files": list(why.details.get("conflicting_files", ())),
            },
        )

    def _tell_conflict(self, run: Mutation, error: Gr2Error) -> None:
        if error.code in {"rebase_conflict", "merge_conflict"}:
            checkout = self.update.seen.checkout
            event = SyncConflict(
                reason=error.code,
                repo=checkout.repo,
                lane_name=checkout.lane,
                conflicting_files=tuple(error.details["conflicting_files"]),
            )
            run.emit(event, unit=checkout.unit)

    def _discarded(self) -> list[SyncRepoSkipped]:
        """What tells of the work that was discarded, if there was any."""
        away = self.effects.away
        if away is None or away.kind != "work.discard":
            return []
        checkout = self.update.seen.checkout
        return [
            SyncRepoSkipped(
                repo=checkout.repo,
                scope=checkout.scope,
                lane_name=checkout.lane,
                reason="dirty_discarded",
                discarded_files=tuple(away.details["files"]),
            )
        ]


class _Move:
    """The move of HEAD itself."""

    def __init__(self, update: Update, change: CheckoutChange, operation_id: str) -> None:
        self._update = update
        self._change = change
        self._git: Git = change.git
        self._place = change.place
        self._operation_id = operation_id

    def run(self) -> str:
        """Move, and give the commit that HEAD is at. Raises Failed `rebase_conflict`, `merge_conflict`, GitError."""
        update = self._update
        kind = {"pin": "fast-forward"}.get(update.kind, update.kind)
        self._change.note(update={"kind": kind, "from": update.seen.head, "to": update.to, "other": update.to})
        moves = {"fast-forward": self._fast_forward, "pin": self._pin, "merge": self._merge, "rebase": self._rebase}
        try:
            moves[update.kind]()
        except GitError as error:
            if not self._is_done():
                raise self._in_the_way(error) from error
        head = head_commit(self._place.git_dir)
        if head is None:
            raise Failed("git_failed", "HEAD cannot be read after the update", scope="repo")
        return head

    def _is_done(self) -> bool:
        """Whether a git that ended badly (killed, say) had moved HEAD by then: that is the last thing it does."""
        head = head_commit(self._place.git_dir)
        if head in {None, self._update.seen.head} or in_progress(self._place.git_dir) is not None:
            return False
        since = int(self._change.entry["since_ns"])
        remove_stale_locks(self._place.git_dir, since_ns=since, work_tree=self._place.work_tree or "")
        args = ["merge-base", "--is-ancestor", self._update.to, str(head)]
        return self._git.succeeds(args, at=self._place)

    def _in_the_way(self, error: GitError) -> Failed:
        """The error, for people, where git found files that it was told not to look at (git-update-index(1))."""
        if "would be overwritten by" not in error.stderr:
            return error
        listing = git_at(*os.path.split(self._place.work_tree or ""), "ls-files", "-v")
        hint = f"{listing} tells of assume-unchanged (h) and skip-worktree (S); then gr2 sync run"
        return Failed("path_conflict", error.message, scope=error.scope, hint=hint, details=error.details)

    def _fast_forward(self) -> None:
        args = ["merge", "--quiet", "--ff-only", "--no-autostash", "--no-overwrite-ignore", "--no-stat"]
        self._git.run([*args, self._update.to], at=self._place, network=False)

    def _pin(self) -> None:
        args = ["checkout", "--quiet", "--detach", "--no-overwrite-ignore", self._update.to, "--"]
        self._git.run(args, at=self._place)

    def _merge(self) -> None:
        message = f"Merge remote-tracking branch 'origin/{self._update.seen.branch}'"
        args = ["merge", "--quiet", "--ff", "--no-edit", "--no-autostash", "--no-overwrite-ignore", "--no-stat"]
        self._run([*args, "--no-squash", "--commit", "--no-rerere-autoupdate", "-m", message, self._update.to], "merge")

    def _rebase(self) -> None:
        update = self._update
        # By the reflog and ORIG_HEAD too, but those end one day.
        pin(self._git, self._place, self._operation_id, str(update.seen.head))
        base = update.distance.base or "--root"
        args = ["rebase", "--quiet", "--no-autostash", "--no-autosquash", "--no-update-refs", "--no-fork-point"]
        # An answer that git remembers (rerere) would leave a conflict without files to name.
        args += ["--no-rebase-merges", "--no-rerere-autoupdate", "--no-stat", "--onto", update.to]
        try:
            self._run([*args, base], "rebase")
        except Failed:
            unpin(self._git, self._place, self._operation_id)
            raise

    def _run(self, args: list[str], what: str) -> None:
        done = self._git.runner.run(self._git.command(args, at=self._place))
        if done.exit_code == 0:
            return
        if in_progress(self._place.git_dir) != what:
            raise self._git.error(done)
        out = self._git.run(["diff", "--name-only", "--diff-filter=U", "-z"], at=self._place)
        files = sorted(name for name in out.decode(errors="surrogateescape").split("\0") if name)
        if not files:
            raise self._git.error(done)
        raise self._conflict(what, files)

    def _conflict(self, what: str, files: list[str]) -> Failed:
        seen = self._update.seen
        shown = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        by_hand = seen.git(what, f"origin/{seen.branch}")
        return Failed(
            f"{what}_conflict",
            f"the {what} conflicts in {shown}; it was undone",
            scope=seen.scope,
            subject=seen.place,
            hint=f"do it by hand: {by_hand}",
            details={"repo": seen.checkout.repo, "path": seen.checkout.path, "conflicting_files": files},
        )


def take_refs(session: Session, git: Git, repo: str, place: Place, branch: str | None, *, whole: bool) -> None:
    """Let a checkout know what its mirror has: all branches with `whole`, else only its own. From the mirror, never
    from the network. Raises GitError, Blocked `unsafe_git_config`."""
    mirror = session.layout.mirror(repo)
    if whole:
        wanted = ["+refs/heads/*:refs/remotes/origin/*"]
    elif branch is not None:
        wanted = [f"+refs/heads/{branch}:refs/remotes/origin/{branch}"]
    else:
        return
    options = ["--progress", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
    options += ["--prune"] if whole else []
    # As careful as with a remote: the checkout's configuration could lead it to another place.
    command = git.command(["fetch", *options, "--", mirror, *wanted], at=place, network=True)
    done = git.runner.run(command)
    if done.exit_code != 0:
        raise git.error(done)


@dataclass(frozen=True, kw_only=True)
class TakeRefs:
    """Let a checkout that stays where it is know what its mirror has. Trouble with it is no trouble of the sync."""

    repo: str
    path: str

    def run(self, run: Mutation) -> Issue | None:
        """Do it; gives why not."""
        try:
            with checkout_change(run.session, self.path, what="refs", operation_id=run.operation_id) as change:
                take_refs(run.session, change.git, self.repo, change.place, None, whole=True)
        except Interrupted:
            raise
        except Gr2Error as error:
            error.subject = error.subject or self.path
            return Issue.from_error(error, blocking=False)
        return None
