"""`gr2 local-platform`: plays the other side of a local pull request, for demonstrations and tests.

What these commands change is the repository on disk, not the workspace: they take no lock of it and write no events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gr2.api import (
    Argument,
    Blocked,
    CheckState,
    Invalid,
    PluginCommand,
    PluginContext,
    PluginGroup,
    PullState,
    Result,
    Screen,
    Session,
    Status,
    Verdict,
    nearest,
    timestamp,
)
from gr2.builtin.local_desk import Desk
from gr2.builtin.local_platform import LocalPlatform
from gr2.builtin.local_pulls import LocalCheck, LocalPull, LocalReview

_STATES: dict[str, CheckState] = {
    "success": "passing",
    "failure": "failing",
    "pending": "pending",
    "neutral": "neutral",
    "skipped": "skipped",
}
_VERDICTS: tuple[Verdict, ...] = ("approved", "changes_requested", "commented")


@dataclass(frozen=True, kw_only=True)
class LocalRow:
    """One pull request of `local-platform list`. checks: name and state on the current head; reviews: all, in order."""

    repo: str
    number: int
    title: str
    state: PullState
    draft: bool
    author: str
    base: str
    head: str
    head_sha: str
    mergeable: str
    auto_merge: bool
    merge_sha: str | None
    checks: tuple[LocalCheck, ...]
    reviews: tuple[LocalReview, ...]


@dataclass(frozen=True, kw_only=True)
class LocalListResult(Result):
    """Every pull request of a repository."""

    prs: tuple[LocalRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LocalChangeResult(Result):
    """A pull request after a change. `done` says what was done, in words."""

    pr: LocalRow
    done: str = ""


def _list(session: Session, *, repo: str) -> LocalListResult:
    with _desk(session, repo) as desk:
        rows = tuple(_row(repo, pull) for _, pull in sorted(desk.pulls.by_number.items()))
    return LocalListResult(status=Status.OK, prs=rows)


def _check(session: Session, *, repo: str, number: int, name: str, state: str) -> LocalChangeResult:
    def change(desk: Desk, pull: LocalPull) -> None:
        kept = tuple(check for check in pull.checks if (check.name, check.head) != (name, pull.head_sha))
        made = LocalCheck(name=name, state=_STATES[state], head=pull.head_sha)
        desk.change(number, checks=(*kept, made))

    return _changed(session, repo, number, f"check {name}: {state}", change)


def _review(session: Session, *, repo: str, number: int, user: str, verdict: str) -> LocalChangeResult:
    def change(desk: Desk, pull: LocalPull) -> None:
        given = next(known for known in _VERDICTS if known == verdict)
        moment = timestamp(session.clock.now())
        made = LocalReview(reviewer=user, verdict=given, commit=pull.head_sha, submitted_at=moment)
        desk.change(number, reviews=(*pull.reviews, made))

    return _changed(session, repo, number, f"{user}: {verdict}", change)


def _ready(session: Session, *, repo: str, number: int) -> LocalChangeResult:
    return _changed(session, repo, number, "ready for review", lambda desk, _: desk.change(number, draft=False))


def _close(session: Session, *, repo: str, number: int) -> LocalChangeResult:
    def change(desk: Desk, pull: LocalPull) -> None:
        if pull.state == "merged":
            raise _refused(repo, pull)
        desk.change(number, state="closed", auto_merge=None)

    return _changed(session, repo, number, "closed", change)


def _reopen(session: Session, *, repo: str, number: int) -> LocalChangeResult:
    def change(desk: Desk, pull: LocalPull) -> None:
        twin = any(
            (other.head, other.base, other.state) == (pull.head, pull.base, "open") and other.number != number
            for other in desk.pulls.by_number.values()
        )
        if pull.state == "merged" or pull.head not in desk.heads or twin:
            raise _refused(repo, pull)
        desk.change(number, state="open", looked=replace(pull.looked, mergeable="unknown"))

    return _changed(session, repo, number, "open again", change)


def _refused(repo: str, pull: LocalPull) -> Blocked:
    reason = "it is merged" if pull.state == "merged" else "its head is gone, or has another pull request"
    return Blocked(
        "pr_state",
        f"{repo}#{pull.number} stays {pull.state}: {reason}",
        scope="platform",
        subject=f"{repo}#{pull.number}",
    )


def _changed(
    session: Session, repo: str, number: int, done: str, change: Callable[[Desk, LocalPull], object]
) -> LocalChangeResult:
    with _desk(session, repo) as desk:
        if number not in desk.pulls.by_number:
            raise Invalid(
                "unknown_pr",
                f"there is no {repo}#{number}",
                scope="platform",
                subject=f"{repo}#{number}",
                hint=f"gr2 local-platform list {repo}",
            )
        change(desk, desk.pull(number))
        return LocalChangeResult(status=Status.SUCCESS, pr=_row(repo, desk.pull(number)), done=done)


def _desk(session: Session, name: str) -> Desk:
    repo = session.spec.repo(name)
    if repo is None:
        known = [known.name for known in session.spec.repos]
        close = nearest(name, known)
        raise Invalid(
            "unknown_repo",
            f"there is no repo {name!r}" + (f"; did you mean {close!r}?" if close else ""),
            scope="repo",
            subject=name,
            hint="gr2 spec show",
            details={"suggestion": close} if close else {},
        )
    platform = LocalPlatform(PluginContext(name="local", session=session))
    if not platform.matches(repo.url):
        raise Invalid(
            "unsupported",
            f"{name} is not a bare repository on disk",
            scope="repo",
            subject=name,
            hint="local-platform is for repos whose url is a path or file: URL",
        )
    return platform.desk(repo.url)


def _row(repo: str, pull: LocalPull) -> LocalRow:
    return LocalRow(
        repo=repo,
        number=pull.number,
        title=pull.title,
        state=pull.state,
        draft=pull.draft,
        author=pull.author,
        base=pull.base,
        head=pull.head,
        head_sha=pull.head_sha,
        mergeable=pull.looked.mergeable if pull.state == "open" else "unknown",
        auto_merge=pull.auto_merge is not None,
        merge_sha=pull.merge_sha,
        checks=pull.current_checks(),
        reviews=pull.reviews,
    )


def _show_list(result: LocalListResult, screen: Screen) -> None:
    if not result.prs:
        screen.line("No pull requests.")
        return
    rows = [
        (f"{row.repo}#{row.number}", "draft" if row.draft else row.state, f"{row.head} -> {row.base}", row.title)
        for row in result.prs
    ]
    screen.table(("PR", "STATE", "BRANCHES", "TITLE"), rows)


def _show_change(result: LocalChangeResult, screen: Screen) -> None:
    merged = " (merged)" if result.pr.state == "merged" else ""
    screen.line(f"{result.pr.repo}#{result.pr.number} {result.done}{merged}")


_REPO = Argument(name="repo", help="A repo of the spec.")
_NUMBER = Argument(name="number", help="The pull request's number.")


def _numbered(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` with its number as an integer."""

    def call(session: Session, **values: Any) -> Any:
        text = values["number"]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Invalid("usage", f"a pull request's number is a whole number, not {text!r}", subject=text)
        return run(session, **{**values, "number": int(text)})

    return call


def _command(name: str, text: str, run: Callable[..., Any], *more: Argument) -> PluginCommand:
    return PluginCommand(name=name, help=text, run=_numbered(run), text=_show_change, params=(_REPO, _NUMBER, *more))


COMMANDS = PluginGroup(
    name="local-platform",
    help="Play the other side of a local pull request.",
    commands=(
        PluginCommand(
            name="list", help="Show every pull request of a repo.", run=_list, text=_show_list, params=(_REPO,)
        ),
        _command(
            "check",
            "Report a check on the current head.",
            _check,
            Argument(name="name", help="The check's name."),
            Argument(name="state", choices=tuple(_STATES)),
        ),
        _command(
            "review",
            "Review the current head as USER.",
            _review,
            Argument(name="user", help="Who reviews."),
            Argument(name="verdict", choices=_VERDICTS),
        ),
        _command("ready", "Take a pull request out of draft.", _ready),
        _command("close", "Close a pull request.", _close),
        _command("reopen", "Open a closed pull request again.", _reopen),
    ),
)
