"""Whether a branch's work is in another one under different commits: squashed, or rebased, when it was merged."""

from __future__ import annotations

from gr2.edges.git import Git, Place

_NEWEST = 500
# The same patch text on both sides, whatever the user's settings for diffs (git-config(1)).
_PLAIN_DIFF = (
    ("diff.noprefix", "false"),
    ("diff.mnemonicPrefix", "false"),
    ("diff.algorithm", "myers"),
    ("diff.context", "3"),
    ("diff.interHunkContext", "0"),
    ("diff.orderFile", "/dev/null"),
    ("diff.submodule", "short"),
)
_PATCH = ("--patch", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", "--no-color")


def is_squashed_into(git: Git, place: Place, head: str, base: str) -> bool:
    """Whether everything between the merge base and `head` came into `base` by other commits.

    True when every file that `head` changed is the same in `base`, when each of its commits has a twin there (rebase
    merge), or when one commit there is all of them together (squash merge). Commits that change nothing prove nothing.
    """
    fork = git.text(["merge-base", head, base], at=place, ok=(0, 1))
    if not fork or fork in {base, head}:
        return False
    changed = _changes(git, place, fork, head)
    if not changed:
        return False
    theirs = _changes(git, place, fork, base)
    if all(theirs.get(path) == side for path, side in changed.items()):
        return True
    return _every_commit_has_a_twin(git, place, head, base) or _one_commit_is_all(git, place, fork, head, base)


def _changes(git: Git, place: Place, old: str, new: str) -> dict[bytes, bytes]:
    """Each path that differs, to its mode and object in `new` (format: git-diff-tree(1), "Raw output")."""
    raw = git.run(["diff-tree", "-r", "-z", "--no-renames", "--raw", old, new], at=place)
    fields = raw.split(b"\0")
    found = {}
    for meta, path in zip(fields[::2], fields[1::2], strict=False):
        _, mode, _, sha, _ = meta.split(b" ", 4)
        found[path] = mode + b" " + sha
    return found


def _every_commit_has_a_twin(git: Git, place: Place, head: str, base: str) -> bool:
    lines = git.text(["cherry", base, head], at=place).splitlines()
    return bool(lines) and all(line.startswith("- ") for line in lines)


def _one_commit_is_all(git: Git, place: Place, fork: str, head: str, base: str) -> bool:
    ours = _patch_ids(git, place, git.run(["diff", *_PATCH, fork, head], at=place, config=_PLAIN_DIFF))
    commits = ["--first-parent", "-m", f"--max-count={_NEWEST}", "--format=commit %H"]
    log = git.run(["log", *commits, *_PATCH, f"{fork}..{base}"], at=place, config=_PLAIN_DIFF)
    return bool(ours) and ours <= _patch_ids(git, place, log)


def _patch_ids(git: Git, place: Place, patches: bytes) -> set[bytes]:
    printed = git.run(["patch-id", "--stable"], at=place, input=patches)
    return {line.split(b" ", 1)[0] for line in printed.splitlines()}
