"""Brings mirrors up to date: one git process each, many at once, driven by one thread."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import Any

from gr2.edges.git import Place
from gr2.edges.git.refs import refs_digest
from gr2.edges.git.stale_locks import remove_stale_locks
from gr2.edges.locks import FileLock, LockTimeout
from gr2.edges.process import Command, Completed
from gr2.errors import Blocked, Gr2Error, Interrupted
from gr2.model.event.sync import SyncCacheRefreshed
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.sync import HOST_LIMIT, TRANSIENT
from gr2.model.url import host_of
from gr2.ops.materialize import SeedMirror, remote_url
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Step
from gr2.ops.sync_look import RepoLook, fetch_operation, fetched_at, mark_fetched, refresh
from gr2.session import Session
from gr2.store.mirrors import MirrorKind, inspect_mirror

REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
TRIES = 3
_PAUSES = (1.0, 3.0)
_SLICE = 0.1
# A line of the table that git prints of references that moved (git-fetch(1), "Output").
_MOVED = re.compile(r"^ [ +*t-] .*->", re.MULTILINE)
_TRANSIENT = re.compile(TRANSIENT, re.IGNORECASE)
_LOCAL = re.compile(r"cannot lock ref|unable to (?:update|create|write)|failed to write", re.IGNORECASE)
_LOCKED = re.compile(r"\.lock': File exists")


@dataclass
class Fetched:
    """How the fetches ended. moved: repos of which a reference moved. ok: repos whose mirror is what the remote has."""

    completed: list[Operation] = field(default_factory=list)
    failed: list[Operation] = field(default_factory=list)
    unaffected: list[Operation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    ok: set[str] = field(default_factory=set)
    signum: int | None = None

    @property
    def stopped(self) -> bool:
        """Whether a signal ended it."""
        return self.signum is not None


def mirror_lock(run: Mutation, repo: str) -> FileLock:
    """Take the lock under which a repo's mirror is made or fetched. Raises Blocked `workspace_locked`."""
    # Without a holder's name in it: that would cost a truncated file for each of a thousand mirrors.
    session = run.session

    def pause(seconds: float) -> None:
        session.runner.cancellation.check()
        session.clock.sleep(seconds)

    lock = FileLock(session.layout.lock(f"mirror-{repo}"), wait=session.wait_seconds, pause=pause)
    try:
        lock.acquire()
    except LockTimeout as error:
        message = "its mirror is being fetched by another gr2"
        raise Blocked("workspace_locked", message, subject=repo, details=error.holder) from error
    return lock


@contextmanager
def mirror_locked(run: Mutation, repo: str) -> Iterator[None]:
    """The body has the lock of a repo's mirror. Raises Blocked `workspace_locked`."""
    lock = mirror_lock(run, repo)
    try:
        yield
    finally:
        lock.release()


class Fetching:
    """The fetches of one sync. With `stop_at_failure` nothing new is started after one failed."""

    def __init__(self, run: Mutation, *, jobs: int, stop_at_failure: bool, told_heads: Mapping[str, str]) -> None:
        self._run = run
        self._session = run.session
        self._jobs = jobs
        self._stop_at_failure = stop_at_failure
        self._told_heads = told_heads
        self._live: dict[int, tuple[RepoLook, FileLock]] = {}
        self._hosts: dict[str, int] = {}
        self._unlocked: set[str] = set()
        # The event that is promised for a repo's mirror, and the digest of its references before this try.
        self._promised: dict[str, tuple[str, str]] = {}
        self.result = Fetched()

    def fetch(self, looks: Sequence[RepoLook]) -> Fetched:
        """Fetch every mirror; those that met with transient trouble again, after a pause."""
        todo = list(looks)
        try:
            for number in range(TRIES):
                todo = self._round(todo, last=number == TRIES - 1)
                if not todo or self._is_over():
                    break
                self._sleep(_PAUSES[number])
            self._follow_heads([look for look in looks if look.repo.name in self.result.moved])
        except Interrupted as error:
            self.result.signum = error.signum
        done = self.result.ok | {operation.repo for operation in self.result.failed}
        self.result.unaffected = [fetch_operation(look) for look in looks if look.repo.name not in done]
        return self.result

    def _is_over(self) -> bool:
        return self._stop_at_failure and bool(self.result.failed)

    def _round(self, looks: Sequence[RepoLook], *, last: bool) -> list[RepoLook]:
        again: list[RepoLook] = []
        try:
            for index, completed in self._session.git.run_many(self._commands(looks), jobs=self._jobs):
                look, failed = self._live[index][0], completed.exit_code != 0
                half_done = failed and self._has_moved(look)
                self._ended(index)  # not before: another gr2 may move it and tell of it then
                if half_done:
                    self._moved(look, completed.duration_ms)
                if not failed:
                    self._succeeded(look, completed)
                elif self._retries(look, completed, last=last):
                    self._not_moved(look)
                    again.append(look)
                else:
                    self._failed(look, self._error(look, completed))
        finally:
            for look, lock in self._live.values():
                moved = self._has_moved(look)
                lock.release()  # not before: another gr2 may move and tell of it then
                if moved:
                    self._moved(look, 0)
            self._live.clear()
            self._hosts.clear()
        return again

    def _commands(self, looks: Sequence[RepoLook]) -> Iterator[Command | None]:
        waiting = deque(looks)
        index = 0
        while waiting and not self._is_over():
            look = self._next(waiting)
            if look is not None:
                try:
                    command = self._start(index, look)
                except Interrupted:
                    raise
                except Gr2Error as error:
                    self._let_go_of_host(look)
                    self._failed(look, error)
                    continue
                yield command
            else:
                yield None
            index += 1

    def _next(self, waiting: deque[RepoLook]) -> RepoLook | None:
        """The first whose host has a connection to spare."""
        for _ in range(len(waiting)):
            look = waiting.popleft()
            host = host_of(look.repo.url)
            if not host or self._hosts.get(host, 0) < HOST_LIMIT:
                self._hosts[host] = self._hosts.get(host, 0) + 1
                return look
            waiting.append(look)
        return None

    def _start(self, index: int, look: RepoLook) -> Command:
        lock = mirror_lock(self._run, look.repo.name)
        try:
            self._clear_up(look)
            self._promise(look)
            command = self._command(look, lock)
        except BaseException:
            lock.release()
            raise
        self._live[index] = (look, lock)
        self._session.progress.begin(look.repo.name, "fetching")
        return command

    def _clear_up(self, look: RepoLook) -> None:
        """Remove the locks that a killed git had no more use for: the next one may have none either, and leave them."""
        if any(os.path.lexists(os.path.join(look.mirror.path, name)) for name in ("HEAD.lock", "packed-refs.lock")):
            remove_stale_locks(look.mirror.path, since_ns=int((fetched_at(look.mirror) or 0.0) * 1e9))

    def _promise(self, look: RepoLook) -> None:
        """Should gr2 be killed, the next command tells of a mirror that was fetched."""
        name, path = look.repo.name, look.mirror.path
        event_id, refs = self._promised[name] = self._run.session.ids.event(), refs_digest(path)
        event = SyncCacheRefreshed(repo=name, duration_ms=0)
        self._run.promise_of_mirror(event, event_id, path=path, refs=refs)

    def _has_moved(self, look: RepoLook) -> bool:
        """Whether a fetch that did not end well, or was ended, moved references all the same."""
        return refs_digest(look.mirror.path) != self._promised[look.repo.name][1]

    def _moved(self, look: RepoLook, duration_ms: int) -> None:
        name = look.repo.name
        self.result.moved.add(name)
        refresh(look)
        event_id, _ = self._promised.pop(name)
        self._run.tell(SyncCacheRefreshed(repo=name, duration_ms=duration_ms), event_id)

    def _not_moved(self, look: RepoLook) -> None:
        event_id, _ = self._promised.pop(look.repo.name, ("", ""))
        if event_id:
            self._run.withdraw(event_id)

    def _command(self, look: RepoLook, lock: FileLock) -> Command:
        session = self._session
        # A partial mirror is one only towards the remote that its configuration names.
        remote = "origin" if look.repo.filter else remote_url(session, look.repo)
        options = ["--prune", "--progress", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
        return session.git.inheriting(lock.descriptor).command(
            ["fetch", *options, "--", remote, *REFSPECS], at=Place.bare(look.mirror.path), network=True
        )

    def _ended(self, index: int) -> None:
        look, lock = self._live.pop(index)
        lock.release()
        self._let_go_of_host(look)

    def _let_go_of_host(self, look: RepoLook) -> None:
        self._hosts[host_of(look.repo.url)] -= 1

    def _succeeded(self, look: RepoLook, completed: Completed) -> None:
        name = look.repo.name
        moved = bool(completed.stderr) and bool(_MOVED.search(_text(completed)))
        details = {"moved": moved, "duration_ms": completed.duration_ms}
        self.result.ok.add(name)
        self.result.completed.append(fetch_operation(look).with_details(**details))
        mark_fetched(self._session, look.mirror)
        if moved:
            self._moved(look, completed.duration_ms)
        else:
            self._not_moved(look)
        self._session.progress.end(name, "cache.refresh" if moved else "nothing new")

    def _retries(self, look: RepoLook, completed: Completed, *, last: bool) -> bool:
        """Whether to try again. A lock file that a killed git left in the mirror is removed, once."""
        name, said = look.repo.name, _text(completed)
        if last or completed.stalled:
            return False
        if _LOCKED.search(said) and name not in self._unlocked:
            self._unlocked.add(name)
            since = int((fetched_at(look.mirror) or 0.0) * 1e9)
            return bool(remove_stale_locks(look.mirror.path, since_ns=since))
        return _TRANSIENT.search(said) is not None and not _LOCAL.search(said)

    def _error(self, look: RepoLook, completed: Completed) -> Gr2Error:
        network = _LOCAL.search(_text(completed)) is None
        return self._session.git.error(completed, network=network, subject=look.repo.name)

    def _failed(self, look: RepoLook, error: Gr2Error) -> None:
        error.subject = error.subject or look.repo.name
        self._not_moved(look)
        self.result.failed.append(fetch_operation(look))
        self.result.issues.append(Issue.from_error(error))
        self._session.progress.end(look.repo.name, f"failed: {error.message}")

    def _sleep(self, seconds: float) -> None:
        while seconds > 0:
            self._session.runner.cancellation.check()
            self._session.clock.sleep(min(seconds, _SLICE))
            seconds -= _SLICE

    def _follow_heads(self, looks: Sequence[RepoLook]) -> None:
        """Where branches moved the default branch may be another one: ask, and let the mirror's HEAD follow."""
        asked = [look for look in looks if look.repo.name not in self._told_heads]
        commands = [self._ask_head(look) for look in asked]
        named = {name: head for name, head in self._told_heads.items() if name in self.result.ok}
        for index, completed in self._session.git.run_many(commands, jobs=min(self._jobs, HOST_LIMIT)):
            match = re.match(rb"ref: refs/heads/(\S+)\tHEAD", completed.stdout)
            if completed.exit_code == 0 and match is not None:
                named[asked[index].repo.name] = match.group(1).decode(errors="surrogateescape")
        for look in looks:
            if look.repo.name in named:
                follow_head(self._session, look, named[look.repo.name])

    def _ask_head(self, look: RepoLook) -> Command:
        args = ["ls-remote", "--symref", "--", remote_url(self._session, look.repo), "HEAD"]
        place = Place.bare(look.mirror.path)
        return self._session.git.command(args, at=place, network=True)


def follow_head(session: Session, look: RepoLook, branch: str) -> None:
    """Let the mirror's HEAD name the remote's default branch."""
    if branch != look.mirror.head() and branch in look.heads:
        with suppress(Gr2Error):  # only a name for people: the next fetch tries again
            session.git.run(["symbolic-ref", "HEAD", f"refs/heads/{branch}"], at=Place.bare(look.mirror.path))
        refresh(look)


def _text(completed: Completed) -> str:
    return completed.stderr.decode(errors="replace").replace("\r", "\n")


@dataclass(frozen=True, kw_only=True)
class SeedUnderLock:
    """Make a missing mirror, unless somebody else is about to have made it."""

    look: RepoLook
    doing = "fetching"
    needs: Step | None = None

    @property
    def operation(self) -> Operation:
        return SeedMirror(repo=self.look.repo).operation

    def run(self, run: Mutation) -> Mapping[str, Any]:
        with mirror_locked(run, self.look.repo.name):
            done: Mapping[str, Any] = {}
            if not self._is_there():
                try:
                    done = SeedMirror(repo=self.look.repo).run(run)
                except Blocked as error:
                    if error.code != "path_conflict" or not self._is_there():
                        raise
        self.look.mirror = inspect_mirror(self.look.mirror.path)
        mark_fetched(run.session, self.look.mirror)
        refresh(self.look)
        return done

    def _is_there(self) -> bool:
        return inspect_mirror(self.look.mirror.path).kind is MirrorKind.OURS
