"""What happens to the pull requests of one bare repository while its lock is held.

Whoever opens the desk first finishes what a killed one began, then brings every open pull request up to the branches
as they are now: its head, whether it can be merged, whether somebody pushed it to its base, whether it merges itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType

from gr2.api import (
    AlreadyExists,
    Conflict,
    FileLock,
    GitError,
    Gr2Error,
    HeadMoved,
    Interrupted,
    LockTimeout,
    MergeMethod,
    NewPullRequest,
    NotFound,
    NotMergeable,
    OutcomeUnknown,
    PlatformError,
    Session,
    Transient,
    timestamp,
)
from gr2.builtin.local_git import PULL_REF, BareRepository, is_bare
from gr2.builtin.local_pulls import (
    FILE,
    LOCK,
    Doing,
    LocalPull,
    Looked,
    read_pulls,
    write_pulls,
)

_BASE_MOVED_TRIES = 5


class Desk:
    """The pull requests of the repository at the absolute directory `path`; use it in a `with` statement.

    timeout: seconds to wait for the lock, and for each git. Inside, every open pull request is up to date.
    Raises PlatformError children only.
    """

    def __init__(self, session: Session, path: str, *, user: str, timeout: float) -> None:
        self.path = path
        self._session = session
        self._user = user
        self._timeout = timeout
        self._changed = False
        self.heads: dict[str, str] = {}

    def __enter__(self) -> Desk:
        if not is_bare(self.path):
            raise NotFound(
                f"there is no bare repository at {self.path}", code="platform_unreachable", hint="check the spec's url"
            )
        self._lock = FileLock(os.path.join(self.path, LOCK), wait=self._timeout)
        try:
            self._lock.acquire()
        except LockTimeout as error:
            raise Transient("another process keeps the repository's pull requests locked") from error
        except Gr2Error as error:
            raise _as_platform(error) from error
        try:
            git = self._session.git.inheriting(self._lock.descriptor)
            self.git = BareRepository(self.path, git, timeout=self._timeout, user=self._user)
            with _typed():
                self.pulls = read_pulls(self.path)
                self.heads = self.git.heads()
                self._recover()
                self._refresh()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def pull(self, number: int) -> LocalPull:
        """The pull request of this number. Raises NotFound."""
        found = self.pulls.by_number.get(number)
        if found is None:
            raise NotFound(f"there is no pull request {number}", subject=str(number), hint="gr2 local-platform list")
        return found

    def open_new(self, new: NewPullRequest) -> LocalPull:
        """Open a pull request. Raises AlreadyExists, NotFound, NotMergeable."""
        for pull in self.pulls.by_number.values():
            if pull.state == "open" and (pull.head, pull.base) == (new.head, new.base):
                message = f"pull request {pull.number} is open for this head and base"
                raise AlreadyExists(message, number=pull.number)
        for name in (new.head, new.base):
            if name not in self.heads:
                raise NotFound("the repository has no such branch", code="unknown_branch", subject=name)
        number, now = self.pulls.next_number(), self._now()
        pull = LocalPull(
            number=number,
            title=new.title,
            body=new.body,
            base=new.base,
            head=new.head,
            head_sha=self.heads[new.head],
            author=self._user,
            draft=new.draft,
            created_at=now,
            updated_at=now,
        )
        looked = self._look(pull)
        if looked.contained:
            raise NotMergeable("the head has no commit that the base lacks", code="no_commits", subject=new.head)
        with _typed(write=True):
            self._move({PULL_REF.format(number=number): (pull.head_sha, None)}, Doing())
            self.pulls.by_number[number] = pull
            self.change(number, looked=looked)
        return self.pull(number)

    def change(self, number: int, **values: object) -> LocalPull:
        """Change values of a pull request, and keep them; what now merges by itself is merged."""
        with _typed(write=True):
            self.pulls.change(number, **{"updated_at": self._now(), **values})
            self._save()
            self._refresh()
        return self.pull(number)

    def merge(self, number: int, *, method: MergeMethod, expected_head: str) -> LocalPull:
        """Merge it. Raises HeadMoved, NotMergeable, Conflict."""
        pull = self.pull(number)
        if pull.state == "merged":
            raise NotMergeable("it is merged already", code="already_merged")
        if pull.head_sha != expected_head:
            raise HeadMoved("the head is not the expected commit", found=pull.head_sha)
        reason = self._refusal(pull, method)
        if reason is not None:
            raise reason
        with _typed():
            self._merge(pull, method)
        return self.pull(number)

    def missing(self, pull: LocalPull) -> tuple[str, ...]:
        """What the base's rules demand and the pull request lacks, as sentences."""
        rules, found = self.pulls.rules_of(pull.base), []
        states = {check.name: check.state for check in pull.current_checks()}
        for name in rules.checks:
            if states.get(name, "pending") not in {"passing", "neutral", "skipped"}:
                found.append(f"the required check {name} has not passed")
        last = {review.reviewer: review for review in pull.reviews if review.verdict != "commented"}
        approvals = [
            review
            for review in last.values()
            if review.verdict == "approved" and review.commit == pull.head_sha and review.reviewer != pull.author
        ]
        if len(approvals) < rules.approvals:
            found.append(f"{rules.approvals} approvals are required")
        return tuple(found)

    def _refusal(self, pull: LocalPull, method: MergeMethod) -> PlatformError | None:
        if pull.state != "open" or pull.draft:
            return NotMergeable("it is a draft" if pull.draft else "it is closed")
        if method not in self.pulls.rules_of(pull.base).methods:
            return NotMergeable(f"the branch {pull.base} does not allow {method}", code="method_not_allowed")
        missing = self.missing(pull)
        if missing:
            return NotMergeable("; ".join(missing))
        if pull.base not in self.heads:
            return NotFound("the base branch is gone", code="unknown_branch", subject=pull.base)
        if pull.looked.mergeable != "yes":
            return Conflict("base and head do not merge cleanly")
        return None

    def _merge(self, pull: LocalPull, method: MergeMethod) -> None:
        message = f"Merge pull request #{pull.number} from {pull.head}\n\n{pull.title}\n"
        if method == "squash":
            message = f"{pull.title} (#{pull.number})\n\n{pull.body}".rstrip() + "\n"
        for _ in range(_BASE_MOVED_TRIES):
            base = self.heads[pull.base]
            with _typed():
                merged = self.git.merge(base, pull.head_sha, method=method, message=message)
            try:
                self._move({f"refs/heads/{pull.base}": (merged, base)}, Doing(number=pull.number, merge_sha=merged))
                break
            except GitError as error:
                with _typed():
                    self.heads = self.git.heads()
                if self.heads.get(pull.base) == merged:
                    break  # a git that was killed had moved it by then
                if self.heads.get(pull.base) in {base, None}:
                    raise Transient(f"the base branch could not be moved: {error.message}") from error
        else:
            raise Transient("the base branch moves faster than it can be merged into")
        with _typed(write=True):
            self._merged(pull.number, merged)

    def _merged(self, number: int, merge_sha: str) -> None:
        values = {"state": "merged", "merge_sha": merge_sha, "auto_merge": None, "draft": False}
        self.pulls.change(number, **values, updated_at=self._now())
        self.heads = self.git.heads()
        self._save()
        self._refresh()

    def _move(self, moves: dict[str, tuple[str, str | None]], doing: Doing) -> None:
        """Move references, having written down that they are about to."""
        self.pulls.doing = Doing(refs=tuple(moves), number=doing.number, merge_sha=doing.merge_sha)
        write_pulls(self.path, self.pulls)
        self.git.move(moves)

    def _recover(self) -> None:
        """Finish what a killed process was at: it held the lock, so nobody is at it any more."""
        doing = self.pulls.doing
        if doing is None:
            return
        since = os.stat(os.path.join(self.path, FILE)).st_mtime
        for ref in (*doing.refs, "HEAD"):  # HEAD is locked with the branch it names
            lock = os.path.join(self.path, f"{ref}.lock")
            with contextlib.suppress(FileNotFoundError):
                if os.stat(lock).st_mtime >= since:
                    os.unlink(lock)
        pull = self.pulls.by_number.get(doing.number)
        if pull is not None and pull.state == "open" and self.git.has(doing.merge_sha):
            base = self.heads.get(pull.base)
            if base is not None and self.git.fork_point(base, doing.merge_sha) == doing.merge_sha:
                self._merged(pull.number, doing.merge_sha)
        self._save()

    def _refresh(self) -> None:
        """Bring open pull requests up to the branches."""
        opened = [pull for pull in self.pulls.by_number.values() if pull.state == "open"]
        moved = {pull.number: self.heads.get(pull.head, pull.head_sha) for pull in opened}
        moved = {number: sha for number, sha in moved.items() if sha != self.pull(number).head_sha}
        if moved:
            self._move({PULL_REF.format(number=number): (sha, None) for number, sha in moved.items()}, Doing())
            for number, sha in moved.items():
                # Somebody agreed to merge another commit by itself, not this one.
                self.pulls.change(number, head_sha=sha, auto_merge=None, updated_at=self._now())
        changed = bool(moved)
        for pull in [self.pull(each.number) for each in opened]:
            looked = self._look(pull)
            if looked != pull.looked:
                self.pulls.change(pull.number, looked=looked)
                changed = True
            if looked.contained:
                self.pulls.change(pull.number, state="merged", merge_sha=pull.head_sha, auto_merge=None)
        if changed:
            self._save()
        for pull in [self.pull(each.number) for each in opened]:
            if pull.state == "open" and pull.auto_merge is not None and self._may_merge_itself(pull):
                self._merge(pull, pull.auto_merge)
                return

    def _may_merge_itself(self, pull: LocalPull) -> bool:
        states = {check.state for check in pull.current_checks()}
        last = {review.reviewer: review.verdict for review in pull.reviews if review.verdict != "commented"}
        waits = states & {"failing", "pending"} or "changes_requested" in last.values()
        return not waits and self._refusal(pull, pull.auto_merge or "merge") is None

    def _look(self, pull: LocalPull) -> Looked:
        base = self.heads.get(pull.base, "")
        seen = pull.looked
        if seen.mergeable != "unknown" and (seen.base_sha, seen.head_sha) == (base, pull.head_sha):
            return seen
        if not base:
            return Looked(base_sha="", head_sha=pull.head_sha, mergeable="no")
        fork = self.git.fork_point(base, pull.head_sha)
        clean = fork is not None and self.git.merged_tree(base, pull.head_sha) is not None
        return Looked(
            base_sha=base,
            head_sha=pull.head_sha,
            mergeable="yes" if clean else "no",
            contained=fork == pull.head_sha,
        )

    def _save(self) -> None:
        self.pulls.doing = None
        write_pulls(self.path, self.pulls)

    def _now(self) -> str:
        return timestamp(self._session.clock.now())


@contextlib.contextmanager
def _typed(*, write: bool = False) -> Iterator[None]:
    """Turns the errors of git and files into those of a platform. `write`: something may have happened already."""
    try:
        yield
    except (PlatformError, Interrupted):
        raise
    except Gr2Error as error:
        if write:
            raise OutcomeUnknown(f"it is not known whether it worked: {error.message}", hint=error.hint) from error
        raise _as_platform(error) from error
    except OSError as error:
        raise Transient(f"the repository cannot be used: {os.strerror(error.errno or 0).lower()}") from error


def _as_platform(error: Gr2Error) -> PlatformError:
    if isinstance(error, PlatformError):
        return error
    code = error.code if error.code in {"disk_full", "read_only"} else "platform_unreachable"
    return Transient(f"the repository cannot be used: {error.message}", code=code, hint=error.hint)
