"""Looks at mirrors and checkouts for a sync, from their files alone: no process is started, nothing is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field

from gr2.edges.files import first_link
from gr2.edges.git import Place
from gr2.edges.git.refs import head_branch, read_ref, read_refs
from gr2.edges.git.status import in_progress
from gr2.errors import Gr2Error
from gr2.model.checkout import Checkout
from gr2.model.hints import place_at
from gr2.model.lane import Lane
from gr2.model.outcome import Issue, Operation
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.model.sync import Seen
from gr2.model.url import canonical
from gr2.ops.adopt_url import recorded_origin
from gr2.ops.checkouts import follows_its_own
from gr2.ops.materialize import canonical_url, default_branch, remote_url, revision_commit
from gr2.ops.sync_select import Chosen
from gr2.session import Session
from gr2.store.mirrors import Mirror, MirrorKind, inspect_mirror

FETCHED = "gr2-fetched"
"""The file of a mirror whose time is that of its last fetch."""


@dataclass
class RepoLook:
    """One repo of a sync.

    heads: the mirror's branches. default: the branch that shared checkouts belong on, "" when nobody knows.
    issues: what was found about the repo as a whole; with a blocking one nothing of it is touched.
    """

    repo: Repo
    mirror: Mirror
    checkouts: Sequence[Checkout]
    heads: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    issues: list[Issue] = field(default_factory=list)

    @property
    def is_missing(self) -> bool:
        """Whether the mirror is still to be made."""
        return self.mirror.kind is MirrorKind.MISSING

    @property
    def is_blocked(self) -> bool:
        """Whether nothing of the repo may be touched."""
        return any(issue.blocking for issue in self.issues)


def look_at_repo(session: Session, repo: Repo, chosen: Chosen) -> RepoLook:
    """The repo's mirror, and whether mirror and checkouts belong to the URL of the spec."""
    mirror = inspect_mirror(session.layout.mirror(repo.name))
    found = RepoLook(repo=repo, mirror=mirror, checkouts=chosen.checkouts[repo.name])
    path = f".grip/cache/repos/{repo.name}.git"
    if mirror.kind in {MirrorKind.FOREIGN, MirrorKind.BROKEN}:
        message = f"{path} is not a usable mirror: {mirror.reason}"
        hint = f"move {place_at(session.root, path)} away, then gr2 sync run"
        found.issues.append(repo_issue(repo, "cache_path_conflict", message, hint=hint))
        return found
    if mirror.kind is MirrorKind.OURS:
        _check_url(session, found)
        refresh(found)
    return found


def refresh(found: RepoLook) -> None:
    """Read the mirror's branches (again)."""
    found.heads = found.mirror.branches()
    try:
        found.default = default_branch(found.repo, found.mirror) if found.heads else ""
    except Gr2Error:
        found.default = ""


def fetch_operation(look: RepoLook) -> Operation:
    """What the fetch of a mirror is called."""
    return Operation(kind="cache.refresh", repo=look.repo.name, path=f".grip/cache/repos/{look.repo.name}.git")


def seed_operation(look: RepoLook) -> Operation:
    """What the making of a mirror is called."""
    return Operation(kind="cache.seed", repo=look.repo.name, path=f".grip/cache/repos/{look.repo.name}.git")


def mirror_operation(look: RepoLook) -> Operation:
    """What has to be done to the repo's mirror."""
    return seed_operation(look) if look.is_missing else fetch_operation(look)


def branch_issues(found: RepoLook) -> list[Issue]:
    """What is wrong with the branches of a mirror that is up to date: none at all, or not the one the spec names."""
    repo = found.repo
    if not found.heads:
        hint = "push one, then gr2 sync run and gr2 apply"
        return [repo_issue(repo, "remote_empty", f"{repo.name} has no branch yet", hint=hint, blocking=False)]
    try:
        default_branch(repo, found.mirror)
    except Gr2Error as error:
        return [Issue.from_error(error)]
    return []


def _check_url(session: Session, found: RepoLook) -> None:
    url = canonical_url(session, found.repo)
    stale = []
    # The usual spellings first: working out the one for all costs more than everything else here.
    usual = {None, found.repo.url, remote_url(session, found.repo)}
    for checkout in found.checkouts:
        origin = recorded_origin(session.layout.at(checkout.path))
        if origin not in usual and canonical(str(origin), base=session.root) != url:
            stale.append(checkout.path)
    if found.mirror.mirror_of == url and not stale:
        return
    name = found.repo.name
    details = {"spec": url, "mirror": found.mirror.mirror_of, "checkouts": stale}
    message = f"the URL of {name} changed in the spec"
    hint = f"gr2 apply --accept-url {found.repo.name}"
    found.issues.append(repo_issue(found.repo, "repo_url_changed", message, hint=hint, details=details))


def repo_issue(
    repo: Repo, code: str, message: str, *, hint: str = "", blocking: bool = True, details: Mapping[str, object] = {}
) -> Issue:
    """An issue about a repo as a whole."""
    return Issue(
        code=code,
        scope="repo",
        subject=repo.name,
        message=message,
        hint=hint,
        blocking=blocking,
        details={"repo": repo.name, **details},
    )


def see(session: Session, found: RepoLook, checkout: Checkout, lane: Lane | None) -> Seen:
    """One checkout beside its mirror. Raises Gr2Error when its pin cannot be found."""
    path = session.layout.at(checkout.path)
    git_dir = os.path.join(path, ".git")
    link = first_link(session.root, checkout.path)
    if link is not None or not os.path.isdir(git_dir):
        # Also by a worktree of another repository, whose `.git` is a file: it shares what a checkout has for itself.
        occupied = link is None and _is_occupied(path)
        return Seen(root=session.root, checkout=checkout, exists=False, link=link, occupied=occupied)
    branch, head = _position(git_dir)
    tracking = target = None
    if branch is not None:
        target = found.heads.get(branch)
        if head != target:
            tracking = read_ref(git_dir, f"refs/remotes/origin/{branch}")
    pin = ""
    if found.repo.revision and checkout.scope == "shared":
        pin = pin_of(session, found.repo, head)
    return Seen(
        root=session.root,
        checkout=checkout,
        exists=True,
        branch=branch,
        head=head,
        busy=in_progress(git_dir),
        expected=_expected(found, checkout, lane),
        pin=pin,
        target=target,
        tracking=tracking,
        followed=branch is not None and target is None and follows_its_own(git_dir, branch),
        adds_nothing=head in found.heads.values(),
        is_news=tracking is not None and target is None and _is_newer(found.mirror, git_dir, branch),
        remote_default=found.mirror.head() or found.default,
    )


def _is_newer(mirror: Mirror, git_dir: str, branch: str | None) -> bool:
    """Whether this side learnt of the remote's branch after the mirror was last fetched: it was pushed from here."""
    try:
        known = os.stat(os.path.join(git_dir, f"refs/remotes/origin/{branch}")).st_mtime
    except OSError:
        return False
    return known > (fetched_at(mirror) or 0.0)


def _is_occupied(path: str) -> bool:
    """Whether something is there, other than an empty directory."""
    try:
        return bool(os.listdir(path))
    except OSError:
        return os.path.lexists(path)


def _position(git_dir: str) -> tuple[str | None, str | None]:
    branch = head_branch(git_dir)
    if branch is not None:
        return branch, read_ref(git_dir, f"refs/heads/{branch}")
    return None, read_ref(git_dir, "HEAD")


def _expected(found: RepoLook, checkout: Checkout, lane: Lane | None) -> str:
    if lane is not None:
        return lane.branch_map.get(checkout.repo, lane.name)
    return found.default if checkout.scope == "shared" else ""


def pin_of(session: Session, repo: Repo, head: str | None) -> str:
    """The commit that the spec pins the repo to. Raises Invalid `unknown_revision`."""
    if repo.revision == head:
        return repo.revision
    mirror = session.layout.mirror(repo.name)
    tag = read_ref(mirror, f"refs/tags/{repo.revision}")
    if tag is not None and tag == head:
        return tag
    return revision_commit(session, Place.bare(mirror), repo)


def tracks(session: Session, found: RepoLook, checkout: Checkout) -> bool:
    """Whether what the checkout remembers of the remote's branches is what the mirror has."""
    refs = read_refs(os.path.join(session.layout.at(checkout.path), ".git"), "refs/remotes/origin/")
    refs.pop("HEAD", None)
    return refs == found.heads


def fetched_at(mirror: Mirror) -> float | None:
    """When the mirror was last known to be what the remote has (seconds since 1970), None when there is none."""
    for name in (FETCHED, "config"):
        try:
            return os.stat(os.path.join(mirror.path, name)).st_mtime
        except OSError:
            continue
    return None


def mark_fetched(session: Session, mirror: Mirror) -> None:
    """Note that the mirror is what the remote has now."""
    path = os.path.join(mirror.path, FETCHED)
    now = session.clock.now().timestamp()
    try:
        try:
            os.utime(path, (now, now))
        except FileNotFoundError:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            os.utime(path, (now, now))
    except OSError:
        return  # a full disk costs the time of the fetch, not the fetch
