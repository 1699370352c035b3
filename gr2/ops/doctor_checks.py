"""What `gr2 doctor` asks. Each check looks at one thing, changes nothing, and knows how to put right what it can."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gr2.edges.files import write_whole
from gr2.edges.locks import is_held
from gr2.errors import Gr2Error
from gr2.model.hints import quoted
from gr2.ops.checkouts import all_checkouts
from gr2.plugin.protocols import CheckRow
from gr2.session import Session
from gr2.store.cursors import consumers, invalid_cursors
from gr2.store.journal import lock_path
from gr2.store.mirrors import MirrorKind, inspect_mirror
from gr2.store.outbox_read import EventLog
from gr2.store.saved import all_saved
from gr2.store.saved_work import SavedWork
from gr2.store.state_file import read_state

_PRECIOUS = re.compile(r"^\s*preciousobjects\s*=\s*true\s*$", re.IGNORECASE | re.MULTILINE)
_SKEW = timedelta(minutes=5)


class Check(Protocol):
    """A question, and how to put right what it finds; a plugin's `DoctorCheck` has the same shape."""

    def run(self) -> Sequence[CheckRow]: ...
    def fix(self, row: CheckRow) -> CheckRow: ...


def own_checks(session: Session) -> list[tuple[str, Check]]:
    """gr2's own checks, in the order they are shown, with what to call each when it breaks."""
    kinds = (
        Git,
        Spec,
        Plugins,
        Mirrors,
        Obstacles,
        Alternates,
        Journals,
        Outbox,
        Consumers,
        Operations,
        Saved,
        Permissions,
        Clock,
    )
    return [(kind.__name__.lower(), kind(session)) for kind in kinds]


class _Base:
    def __init__(self, session: Session) -> None:
        self.session = session

    def fix(self, row: CheckRow) -> CheckRow:
        """Most things are for a person to put right."""
        return row


class Git(_Base):
    """Whether git is there and new enough."""

    def run(self) -> Sequence[CheckRow]:
        try:
            self.session.git.require()
            found = ".".join(map(str, self.session.git.version()))
        except Gr2Error as error:
            return [CheckRow(id="git", result="fail", message=error.message, hint=error.hint)]
        return [CheckRow(id="git", result="ok", message=f"git {found}")]


class Spec(_Base):
    """Whether the spec can be used."""

    def run(self) -> Sequence[CheckRow]:
        try:
            spec = self.session.spec
        except Gr2Error as error:
            return [CheckRow(id="spec", result="fail", message=error.message, hint=error.hint or "gr2 spec validate")]
        return [CheckRow(id="spec", result="ok", message=f"{len(spec.repos)} repos, {len(spec.units)} units")]


class Plugins(_Base):
    """Whether every installed plugin is sound."""

    def run(self) -> Sequence[CheckRow]:
        if self.session.plugins is None:
            return [CheckRow(id="plugins", result="skip", message="no plugins are looked at")]
        rows = [
            CheckRow(
                id=f"plugins.{plugin.name}",
                result="warn",
                message=f"{plugin.origin} is {plugin.state}" + (f": {plugin.error}" if plugin.error else ""),
                hint=f"gr2 plugins show {plugin.name}",
            )
            for plugin in self.session.plugins.installed
            if plugin.state in {"failed", "conflict", "incompatible"}
        ]
        return rows or [CheckRow(id="plugins", result="ok", message=f"{len(self.session.plugins.installed)} installed")]


class Mirrors(_Base):
    """Whether each repo's mirror is whole, and keeps its objects."""

    def run(self) -> Sequence[CheckRow]:
        return [self._row(repo.name) for repo in self.session.spec.repos]

    def _row(self, repo: str) -> CheckRow:
        name, path = f"mirror.{repo}", self.session.layout.mirror(repo)
        mirror = inspect_mirror(path)
        shown = self.session.layout.relative(path)
        if mirror.kind is MirrorKind.MISSING:
            return CheckRow(id=name, result="skip", message="it was not made yet", hint="gr2 apply")
        if mirror.kind is not MirrorKind.OURS:
            hint = f"move {quoted(path)} away, then gr2 apply"
            return CheckRow(id=name, result="fail", message=f"{shown}: {mirror.reason}", hint=hint)
        with open(os.path.join(path, "config"), encoding="utf-8", errors="surrogateescape") as file:
            if _PRECIOUS.search(file.read()) is None:
                message = f"{shown} does not protect its objects, which checkouts borrow"
                return CheckRow(id=name, result="warn", message=message, hint="gr2 doctor --fix", fixable=True)
        return CheckRow(id=name, result="ok", message=shown)

    def fix(self, row: CheckRow) -> CheckRow:
        """Have git refuse to prune there again."""
        repo = row.id.removeprefix("mirror.")
        from gr2.edges.git import Place
        from gr2.edges.git.stale_locks import remove_stale_locks
        from gr2.edges.locks import FileLock, LockTimeout

        place = Place.bare(self.session.layout.mirror(repo))
        lock = FileLock(self.session.layout.lock(f"mirror-{repo}"), wait=self.session.wait_seconds)
        try:
            lock.acquire()
        except LockTimeout:
            message = "another gr2 is at work in it"
            return CheckRow(id=row.id, result="warn", message=message, hint="gr2 doctor --fix", fixable=True)
        try:
            # A git that was killed here once would keep every later one out.
            remove_stale_locks(place.git_dir, since_ns=0)
            self.session.git.run(["config", "--replace-all", "core.repositoryformatversion", "1"], at=place)
            self.session.git.run(["config", "extensions.preciousObjects", "true"], at=place)
        finally:
            lock.release()
        return self._row(repo)


class Obstacles(_Base):
    """Whether anything stands where `apply` should make something, or belongs to another URL."""

    def run(self) -> Sequence[CheckRow]:
        from gr2.ops.apply_plan import make_plan

        # A mirror that cannot be used has a check of its own.
        rows = [
            CheckRow(id=f"apply.{issue.subject}", result="fail", message=issue.message, hint=issue.hint)
            for issue in make_plan(self.session, self.session.spec.repos, whole=True).issues
            if issue.blocking and issue.code != "cache_path_conflict"
        ]
        return rows or [CheckRow(id="apply", result="ok", message="nothing stands in the way of gr2 apply")]


class Alternates(_Base):
    """Whether checkouts find the mirrors they borrow from; a workspace that was moved as a whole is put right."""

    def run(self) -> Sequence[CheckRow]:
        rows = [self._row(path, repo) for path, repo in self._checkouts() if self._lost(path)]
        return rows or [CheckRow(id="checkouts", result="ok", message="every checkout finds the objects it borrows")]

    def _checkouts(self) -> Iterator[tuple[str, str]]:
        for checkout in all_checkouts(self.session):
            yield checkout.path, checkout.repo
        trash = self.session.layout.trash
        for folder, names, _ in os.walk(trash):
            if ".git" in names:
                names.clear()
                yield self.session.layout.relative(folder), os.path.basename(folder)

    def _file(self, path: str) -> str:
        return os.path.join(self.session.layout.at(path), ".git/objects/info/alternates")

    def _lost(self, path: str) -> list[str]:
        """The places that the checkout borrows from and that are not there."""
        try:
            with open(self._file(path), encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.rstrip("\n") for line in file]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [line for line in lines if line.startswith("/") and not os.path.isdir(line)]

    def _row(self, path: str, repo: str) -> CheckRow:
        (first, *_) = self._lost(path)
        name, message = f"checkout.{path}", f"{path} borrows objects from {first}, which is not there"
        if os.path.isdir(os.path.join(self.session.layout.mirror(repo), "objects")):
            return CheckRow(id=name, result="fail", message=message, hint="gr2 doctor --fix", fixable=True)
        return CheckRow(id=name, result="fail", message=message, hint="put the mirror back, or gr2 apply")

    def fix(self, row: CheckRow) -> CheckRow:
        """Borrow from this workspace's mirror instead, if that has what the checkout needs."""
        path = row.id.removeprefix("checkout.")
        repo = dict(self._checkouts())[path]
        lost = self._lost(path)
        ours = os.path.join(self.session.layout.mirror(repo), "objects")
        with open(self._file(path), encoding="utf-8", errors="surrogateescape") as file:
            before = file.read()
        lines = [ours if line in lost else line for line in before.splitlines()]
        text = "\n".join([*dict.fromkeys(lines), ""])
        write_whole(self._file(path), text.encode(errors="surrogateescape"))
        from gr2.edges.git import Place

        place = Place.checkout(self.session.layout.at(path))
        try:
            self.session.git.run(["rev-list", "--objects", "--quiet", "HEAD"], at=place)
        except Gr2Error as error:
            write_whole(self._file(path), before.encode(errors="surrogateescape"))
            return CheckRow(id=row.id, result="fail", message=f"{path}: {error.message}", hint="gr2 apply")
        return CheckRow(id=row.id, result="ok", message=f"{path} borrows from this workspace's mirror now")


class Journals(_Base):
    """Whether a killed gr2 left a checkout half changed."""

    def run(self) -> Sequence[CheckRow]:
        rows = []
        folder = os.path.join(self.session.layout.state, "checkouts")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            entry = read_state(os.path.join(folder, name), version=1) if name.endswith(".json") else None
            if entry is None or is_held(lock_path(self.session.layout, entry["checkout"])):
                continue
            message = f"{entry['what']} of {entry['checkout']} was cut short at {entry['started_at']}"
            row_id = f"journal.{entry['checkout']}"
            rows.append(CheckRow(id=row_id, result="warn", message=message, hint="gr2 doctor --fix", fixable=True))
        return rows or [CheckRow(id="journals", result="ok", message="no checkout is half changed")]

    def fix(self, row: CheckRow) -> CheckRow:
        """Undo or finish it, as the next command on that checkout would."""
        path = row.id.removeprefix("journal.")
        issues = SavedWork(self.session).recover(path)
        if issues:
            return CheckRow(id=row.id, result="warn", message=issues[0].message, hint=issues[0].hint)
        return CheckRow(id=row.id, result="ok", message=f"{path} is whole again")


class Outbox(_Base):
    """Whether the log of events can be read and has no gaps."""

    def run(self) -> Sequence[CheckRow]:
        log, last, gaps = EventLog(self.session.layout), 0, 0
        for event in log:
            gaps += last > 0 and event["seq"] != last + 1
            last = event["seq"]
        if log.junk or gaps:
            message = f"the log of events has {log.junk} unreadable lines and {gaps} gaps"
            return [CheckRow(id="outbox", result="warn", message=message, hint="look at .grip/events")]
        return [CheckRow(id="outbox", result="ok", message=f"{last} events")]


class Consumers(_Base):
    """Whether the log still is the one that its consumers have read."""

    def run(self) -> Sequence[CheckRow]:
        rows = [
            CheckRow(id=f"cursor.{error.subject}", result="warn", message=error.message, hint=error.hint)
            for error in invalid_cursors(self.session.layout)
        ]
        count = len(consumers(self.session.layout))
        return rows or [CheckRow(id="consumers", result="ok", message=f"{count} consumers of events, none is stopped")]


class Operations(_Base):
    """Whether killed operations left temporaries."""

    def run(self) -> Sequence[CheckRow]:
        dead = dead_temporaries(self.session)
        if not dead:
            return [CheckRow(id="temporaries", result="ok", message="nothing was left behind")]
        message = f"killed operations left {len(dead)} temporaries in .grip/tmp"
        return [CheckRow(id="temporaries", result="warn", message=message, hint="gr2 gc", fixable=True)]

    def fix(self, row: CheckRow) -> CheckRow:
        """The frame of every mutating command, this one too, has removed them by now."""
        return self.run()[0]


def dead_temporaries(session: Session) -> list[str]:
    """What lies in `.grip/tmp` and belongs to nobody alive, relative to the workspace."""
    top = session.layout.temporary
    names = sorted(os.listdir(top)) if os.path.isdir(top) else []
    return [
        session.layout.relative(os.path.join(top, name))
        for name in names
        if not is_held(os.path.join(top, name, "lock") if os.path.isdir(os.path.join(top, name)) else top + "/" + name)
    ]


class Saved(_Base):
    """Whether every record of saved work can be read."""

    def run(self) -> Sequence[CheckRow]:
        found, broken = all_saved(self.session.layout)
        if broken:
            return [CheckRow(id="saved", result="fail", message=error.message, hint="") for error in broken]
        waiting = sum(saved.is_waiting for saved in found)
        return [CheckRow(id="saved", result="ok", message=f"{waiting} pieces of saved work wait")]


class Permissions(_Base):
    """Whether `.grip` is closed to others."""

    _PRIVATE = ("state", "events", "trash", "tmp", "pr_groups")

    def run(self) -> Sequence[CheckRow]:
        rows = []
        for name in self._PRIVATE:
            path = os.path.join(self.session.layout.grip, name)
            if os.path.isdir(path) and stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
                message = f".grip/{name} is open to others"
                hint = "gr2 doctor --fix"
                rows.append(CheckRow(id=f"permissions.{name}", result="warn", message=message, hint=hint, fixable=True))
        return rows or [CheckRow(id="permissions", result="ok", message=".grip is closed to others")]

    def fix(self, row: CheckRow) -> CheckRow:
        """Close it."""
        name = row.id.removeprefix("permissions.")
        os.chmod(os.path.join(self.session.layout.grip, name), 0o700)
        return CheckRow(id=row.id, result="ok", message=f".grip/{name} is closed now")


class Clock(_Base):
    """Whether the clock can be believed."""

    def run(self) -> Sequence[CheckRow]:
        newest = None
        for event in EventLog(self.session.layout):
            newest = event["timestamp"]
        now = self.session.clock.now()
        if newest is not None and _moment(newest) > now + _SKEW:
            message = f"the last event is of {newest}, and the clock says {now.isoformat(timespec='seconds')}"
            return [CheckRow(id="clock", result="warn", message=message, hint="set the clock")]
        return [CheckRow(id="clock", result="ok", message=now.isoformat(timespec="seconds"))]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
