"""What the `local` platform asks of git in a bare repository: branches, mergeability, merge commits.

Merges are computed without a working tree (git-merge-tree(1), `--write-tree`), and a branch moves only from the commit
it was expected at (git-update-ref(1)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from gr2.api import Conflict, Git, GitError, MergeMethod, Place

PULL_REF = "refs/pull/{number}/head"


class BareRepository:
    """The bare repository at the absolute directory `path`. `timeout`: seconds for each git. `user`: who commits."""

    def __init__(self, path: str, git: Git, *, timeout: float, user: str) -> None:
        self.path = path
        self._git = git
        self._place = Place.bare(path)
        self._timeout = timeout
        self._user = user

    def heads(self) -> dict[str, str]:
        """Every branch: name to commit."""
        lines = self._text(["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/"]).splitlines()
        return {name: sha for sha, _, name in (line.partition(" ") for line in lines)}

    def default_branch(self) -> str:
        """The branch that HEAD names, "" when it names none."""
        try:
            return self._text(["symbolic-ref", "--quiet", "HEAD"]).removeprefix("refs/heads/")
        except GitError:
            return ""

    def fork_point(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits, None when they have none."""
        try:
            return self._text(["merge-base", one, other]) or None
        except GitError as error:
            if error.exit_code == 1:
                return None
            raise

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a clean merge of two commits, None when they conflict."""
        try:
            return self._text(["merge-tree", "--write-tree", "--no-messages", ours, theirs]).partition("\n")[0]
        except GitError as error:
            if error.exit_code == 1:
                return None
            raise

    def merge(self, base: str, head: str, *, method: MergeMethod, message: str) -> str:
        """A new commit that has `head` merged into `base`; no branch moves. Raises Conflict."""
        if method == "rebase":
            return self._rebased(base, head)
        tree = self.merged_tree(base, head)
        if tree is None:
            raise Conflict("base and head do not merge cleanly")
        parents = [base, head] if method == "merge" else [base]
        return self._commit(tree, parents, message.encode(errors="surrogateescape"))

    def _rebased(self, base: str, head: str) -> str:
        commits = self._text(["rev-list", "--reverse", "--topo-order", "--no-merges", f"{base}..{head}"]).split()
        top = base
        for commit in commits:
            top = commit if self._parent(commit) == top else self._picked(commit, top)
        return top

    def _parent(self, commit: str) -> str:
        return self._text(["rev-parse", f"{commit}^1"])

    def _picked(self, commit: str, onto: str) -> str:
        # merge-tree finds its merge base by itself: a stand-in for `onto` whose parent is the parent of `commit` makes
        # that the one a cherry-pick uses.
        stand_in = self._commit(f"{onto}^{{tree}}", [self._parent(commit)], b"stand-in")
        tree = self.merged_tree(stand_in, commit)
        if tree is None:
            raise Conflict("a commit does not apply on the base")
        if tree == self._text(["rev-parse", f"{onto}^{{tree}}"]):
            return onto
        raw = self._run(["log", "-1", "--format=%an%x00%ae%x00%ad%x00%B", "--date=raw", "--no-show-signature", commit])
        name, email, date, message = raw.split(b"\0", 3)
        author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": date}
        decoded = {key: value.decode(errors="surrogateescape") for key, value in author.items()}
        return self._commit(tree, [onto], message.removesuffix(b"\n"), env=decoded)

    def _commit(
        self, tree: str, parents: Sequence[str], message: bytes, *, env: Mapping[str, str] | None = None
    ) -> str:
        args = ["commit-tree", tree, *(word for parent in parents for word in ("-p", parent)), "-F", "-"]
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", self._user), ("EMAIL", f"{self._user}@localhost"))
        }
        return self._text(args, input=message, env={**who, **(env or {})})

    def move(self, moves: Mapping[str, tuple[str, str | None]]) -> None:
        """Move all references or none: full name to (new commit, the commit it must be at; None for any).

        Raises GitError when one is somewhere else.
        """
        lines = [
            b"update %s\0%s\0%s\0" % (name.encode(errors="surrogateescape"), new.encode(), (old or "").encode())
            for name, (new, old) in moves.items()
        ]
        self._run(["update-ref", "-z", "--stdin"], input=b"".join(lines))

    def has(self, commit: str) -> bool:
        """Whether the repository holds this commit."""
        try:
            return self._text(["rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]) == commit
        except GitError as error:
            if error.exit_code in {1, 128}:
                return False
            raise

    def _run(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        return self._git.run(args, at=self._place, input=input, env=env, timeout=self._timeout)

    def _text(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        return self._run(args, input=input, env=env).decode(errors="surrogateescape").rstrip("\n")


def is_bare(path: str) -> bool:
    """Whether the directory looks like a bare repository; nothing is started."""
    parts = ("HEAD", "objects", "refs")
    return all(os.path.exists(os.path.join(path, part)) for part in parts)
