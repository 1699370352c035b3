"""What `--dirty` can be: stash, block, discard."""

from __future__ import annotations

from gr2.api import Blocked, DirtyCheckout, Issue, PluginContext, PutAway, SavedWork


class Stash:
    """An ordinary `git stash` entry, untracked files included, and the bytes as they were beside it."""

    restores = True

    def __init__(self, ctx: PluginContext) -> None:
        self._saved = SavedWork(ctx.session)

    def plan(self, checkout: DirtyCheckout) -> tuple[Issue, ...]:
        """Only what cannot be saved exactly is refused."""
        issue = self._saved.refusal(checkout)
        return () if issue is None else (issue,)

    def put_away(self, checkout: DirtyCheckout) -> PutAway:
        """Make the entry and leave the checkout clean."""
        saved = self._saved.put_away(checkout, "stash")
        if saved is None:
            return PutAway(kind="stash", files=(), saved_id="")
        return PutAway(kind="stash", files=saved.files, saved_id=saved.id, details={"stash": saved.stash})

    def restore(self, checkout: DirtyCheckout, saved_id: str) -> tuple[Issue, ...]:
        """Put it back and drop the entry, found by its object id."""
        return self._saved.restore(saved_id)


class Block:
    """Changes nothing; uncommitted work is a refusal."""

    restores = False

    def __init__(self, ctx: PluginContext) -> None:
        self._saved = SavedWork(ctx.session)
        self._layout = ctx.session.layout

    def plan(self, checkout: DirtyCheckout) -> tuple[Issue, ...]:
        """`dirty_shared_repo`, `dirty_unit_repo` or `dirty_lane_repo` when there is uncommitted work."""
        work = self._saved.look(checkout)
        if work.in_progress is not None:
            issue = self._saved.refusal(checkout, work)
            return () if issue is None else (issue,)
        files = tuple(sorted({*work.files, *work.unkeepable, *self._nested(checkout, work.nested)}))
        return (_dirty(checkout, self._layout.relative(checkout.path), files),) if files else ()

    @staticmethod
    def _nested(checkout: DirtyCheckout, nested: tuple[str, ...]) -> tuple[str, ...]:
        named = {name.rstrip("/") for name in checkout.files}
        return tuple(path for path in nested if not named or path in named)

    def put_away(self, checkout: DirtyCheckout) -> PutAway:
        """Refuse, unless the checkout is clean."""
        _refuse(self.plan(checkout))
        return PutAway(kind="stash", files=(), saved_id="")

    def restore(self, checkout: DirtyCheckout, saved_id: str) -> tuple[Issue, ...]:
        """It never puts anything away."""
        return (_unsupported(checkout, saved_id),)


class Discard:
    """Throws the work away, with a copy that `gr2 saved restore` brings back. Needs to be confirmed."""

    restores = False

    def __init__(self, ctx: PluginContext) -> None:
        self._saved = SavedWork(ctx.session)
        self._layout = ctx.session.layout

    def plan(self, checkout: DirtyCheckout) -> tuple[Issue, ...]:
        """What cannot be saved exactly, and work that nobody has agreed to lose."""
        work = self._saved.look(checkout)
        issue = self._saved.refusal(checkout, work)
        if issue is not None:
            return (issue,)
        if work.files and not checkout.confirmed:
            return (_unconfirmed(checkout, self._layout.relative(checkout.path), work.files),)
        return ()

    def put_away(self, checkout: DirtyCheckout) -> PutAway:
        """Save a copy and leave the checkout clean. Ignored files stay."""
        _refuse(self.plan(checkout))
        saved = self._saved.put_away(checkout, "discard")
        if saved is None:
            return PutAway(kind="discard", files=(), saved_id="")
        return PutAway(kind="discard", files=saved.files, saved_id=saved.id)

    def restore(self, checkout: DirtyCheckout, saved_id: str) -> tuple[Issue, ...]:
        """It is not meant to come back by itself."""
        return (_unsupported(checkout, saved_id),)


def _place(checkout: DirtyCheckout) -> str:
    owner = "/".join(part for part in (checkout.unit, checkout.lane) if part)
    return f"{checkout.repo} ({owner})" if owner else checkout.repo


def _scope(checkout: DirtyCheckout) -> str:
    return "repo" if checkout.scope == "shared" else checkout.scope


def _dirty(checkout: DirtyCheckout, path: str, files: tuple[str, ...]) -> Issue:
    return Issue(
        code=f"dirty_{checkout.scope}_repo",
        scope=_scope(checkout),
        subject=_place(checkout),
        message=f"{checkout.repo} has uncommitted work ({_count(files)})",
        hint="commit it, or choose --dirty stash or --dirty discard",
        details={"repo": checkout.repo, "path": path, "files": list(files)},
    )


def _unconfirmed(checkout: DirtyCheckout, path: str, files: tuple[str, ...]) -> Issue:
    return Issue(
        code="confirmation_required",
        scope=_scope(checkout),
        subject=_place(checkout),
        message=f"discarding the work in {checkout.repo} ({_count(files)}) needs your word",
        hint="add --yes, or choose --dirty stash",
        details={"repo": checkout.repo, "path": path, "files": list(files)},
    )


def _unsupported(checkout: DirtyCheckout, saved_id: str) -> Issue:
    return Issue(
        code="unsupported",
        scope=_scope(checkout),
        subject=_place(checkout),
        message="this strategy does not put work back",
        hint=f"gr2 saved restore {saved_id}" if saved_id else "",
    )


def _count(files: tuple[str, ...]) -> str:
    return f"{len(files)} file" + ("" if len(files) == 1 else "s")


def _refuse(issues: tuple[Issue, ...]) -> None:
    if issues:
        first = issues[0]
        raise Blocked(
            first.code,
            first.message,
            scope=first.scope,
            subject=first.subject,
            hint=first.hint,
            details=dict(first.details),
        )
