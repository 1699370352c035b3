"""How far a lane's commits are: made here, pushed, in the base (also after a squash merge). Read from files where they
can tell, from git where they cannot; no remote is contacted and nothing written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from gr2.edges.git import Git, GitError, Place
from gr2.edges.git.refs import read_ref, read_refs
from gr2.model.checkout import RepoRow
from gr2.model.lane import Lane
from gr2.model.records import dataclass
from gr2.session import Session

_REFLOG_BYTES = 1 << 20
_MADE_HERE = (b"commit", b"cherry-pick", b"revert", b"am:")


@dataclass(frozen=True, kw_only=True)
class Work:
    """The committed work of one checkout.

    own: there are commits that the lane is for. unpushed: some are on no remote branch and not in the base. merged:
    all are in the base, as they are, rebased or squashed.
    """

    own: bool = False
    unpushed: bool = False
    merged: bool = False


class WorkReader:
    """Answers for many checkouts; what they share (the mirrors' refs) is read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._heads: dict[str, dict[str, str]] = {}
        self._in_mirror: dict[tuple[str, str], bool] = {}

    def prefetch(self, rows: Iterable[RepoRow]) -> None:
        """Ask every mirror once which of these checkouts' commits it has: one process a repo."""
        wanted: dict[str, list[str]] = {}
        for row in rows:
            if row.head and row.ahead != 0 and row.head not in self._mirror_heads(row.repo).values():
                wanted.setdefault(row.repo, []).append(row.head)
        repos = sorted(wanted)
        commands = []
        for repo in repos:
            names = "".join(f"{sha}\n" for sha in wanted[repo]).encode()
            place = Place.bare(self._session.layout.mirror(repo))
            commands.append(self._session.git.command(["cat-file", "--batch-check"], at=place, input=names))
        for index, completed in self._session.git.run_many(commands, jobs=4):
            repo = repos[index]
            for sha, line in zip(wanted[repo], completed.stdout.splitlines(), strict=False):
                self._in_mirror[repo, sha] = b" missing" not in line

    def work(self, lane: Lane, row: RepoRow) -> Work:
        """The work in the lane's checkout that `row` tells of. Raises GitError when git cannot answer."""
        if row.head is None or (row.head == lane.start_map.get(row.repo) and not lane.continues):
            return Work()
        return _Question(self, self._session, lane, row).answer()

    def _mirror_heads(self, repo: str) -> dict[str, str]:
        if repo not in self._heads:
            self._heads[repo] = read_refs(self._session.layout.mirror(repo), "refs/heads/")
        return self._heads[repo]

    def _is_in_mirror(self, row: RepoRow) -> bool:
        assert row.head is not None
        if (row.repo, row.head) not in self._in_mirror:
            self.prefetch([row])
        return self._in_mirror.get((row.repo, row.head), True)


class _Question:
    def __init__(self, reader: WorkReader, session: Session, lane: Lane, row: RepoRow) -> None:
        self._reader = reader
        self._git = session.git
        self._row = row
        self._lane = lane
        assert row.head is not None
        self._head = row.head
        self._path = session.layout.at(row.path)
        self._git_dir = os.path.join(self._path, ".git")
        self._place = Place.checkout(self._path)
        base = lane.base_map.get(row.repo, "")
        heads = reader._mirror_heads(row.repo)
        remotes = read_refs(self._git_dir, "refs/remotes/origin/")
        self._bases = [tip for tip in dict.fromkeys((heads.get(base), remotes.get(base))) if tip]
        self._mirror_tips = set(heads.values())
        self._tips = self._mirror_tips | set(remotes.values())

    def answer(self) -> Work:
        start = self._lane.start_map.get(self._row.repo)
        if self._is_in_base():
            own = made_commits(self._git_dir)
            return Work(own=own, merged=own)
        pushed = self._is_pushed()
        moved = [base for base in self._bases if base != start]
        from gr2.ops.squash import is_squashed_into

        merged = any(is_squashed_into(self._git, self._place, self._head, base) for base in moved)
        return Work(own=True, unpushed=not pushed and not merged, merged=merged)

    def _is_in_base(self) -> bool:
        if self._head in self._bases or (self._row.upstream is None and self._row.ahead == 0):
            return True
        # A mirror that has not got the commit has no branch that holds it.
        unknown = [base for base in self._bases if base not in self._mirror_tips]
        asked = self._bases if self._reader._is_in_mirror(self._row) else unknown
        return any(
            self._git.succeeds(["merge-base", "--is-ancestor", self._head, base], at=self._place) for base in asked
        )

    def _is_pushed(self) -> bool:
        if self._head in self._tips or (self._row.upstream is not None and self._row.ahead == 0):
            return True
        asked = self._tips if self._reader._is_in_mirror(self._row) else self._tips - self._mirror_tips
        return bool(asked) and not has_more(self._git, self._place, self._head, sorted(asked))


def apart(session: Session, row: RepoRow) -> tuple[bool, bool]:
    """Whether the checkout has commits that the remote's branch of the same name lacks, and that branch others, as last
    seen. What is in the base, or pushed as it is, is known without a process."""
    if row.head is None or row.branch is None or row.ahead == 0:
        return False, False
    path = session.layout.at(row.path)
    in_mirror = read_ref(session.layout.mirror(row.repo), f"refs/heads/{row.branch}")
    noted = read_ref(os.path.join(path, ".git"), f"refs/remotes/origin/{row.branch}")
    tips = sorted({tip for tip in (in_mirror, noted) if tip})
    if row.head in tips:
        return False, False
    place = Place.checkout(path)
    try:
        ours = not tips or has_more(session.git, place, row.head, tips)
        return ours, any(has_more(session.git, place, tip, [row.head]) for tip in tips)
    except GitError:
        return True, False


def made_commits(git_dir: str) -> bool:
    """Whether somebody committed in this checkout, as its reflog remembers."""
    try:
        with open(os.path.join(git_dir, "logs/HEAD"), "rb") as file:
            lines = file.read(_REFLOG_BYTES).split(b"\n")
    except OSError:
        return False
    return any(line.partition(b"\t")[2].startswith(_MADE_HERE) for line in lines)


def has_more(git: Git, place: Place, commit: str, others: Sequence[str]) -> bool:
    """Whether `commit` reaches something that none of `others` (commits git may not have here) does."""
    names = "".join(f"^{sha}\n" for sha in others)
    args = ["rev-list", "--max-count=1", "--ignore-missing", "--stdin"]
    return bool(git.run(args, at=place, input=f"{commit}\n{names}".encode()).strip())
