"""Steps that make what is missing: mirrors, units, checkouts. Each is made in a temporary place, verified, renamed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from gr2.edges.files import failed_write, first_link, make_private_directory, write_whole
from gr2.edges.git import Place
from gr2.edges.git.refs import head_commit
from gr2.errors import Blocked, Failed, Invalid
from gr2.model.event.sync import SyncCacheSeeded
from gr2.model.hints import place_at, quoted
from gr2.model.outcome import Operation
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.model.url import canonical, local_path
from gr2.ops.mutation import Mutation
from gr2.ops.steps import NotApplicable, Step
from gr2.session import Session
from gr2.store.hook_state import forget
from gr2.store.mirrors import Mirror, config_for, inspect_mirror
from gr2.store.toml_text import toml_text


def remote_url(session: Session, repo: Repo) -> str:
    """The URL git is given for a repo: as in the spec, a path made absolute."""
    if "://" not in repo.url:
        return local_path(repo.url, base=session.root) or repo.url
    return repo.url


def canonical_url(session: Session, repo: Repo) -> str:
    """The one spelling of a repo's URL, by which mirrors are recognised."""
    return canonical(repo.url, base=session.root)


@dataclass(frozen=True, kw_only=True)
class SeedMirror:
    """Make a repo's mirror with everything the remote's branches and tags reach."""

    repo: Repo
    doing = "fetching"
    needs: Step | None = None

    @property
    def operation(self) -> Operation:
        path = f".grip/cache/repos/{self.repo.name}.git"
        return Operation(kind="cache.seed", repo=self.repo.name, path=path, details={})

    def run(self, run: Mutation) -> Mapping[str, Any]:
        session = run.session
        started = time.monotonic()
        final = session.layout.mirror(self.repo.name)
        draft = run.scratch(self.repo.name)
        url = remote_url(session, self.repo)
        filters = [f"--filter={self.repo.filter}"] if self.repo.filter else []
        session.git.run(["clone", "--bare", "--progress", *filters, "--", url, draft], network=True)
        event_id = session.ids.event()
        with open(os.path.join(draft, "config"), "a", encoding="utf-8", errors="surrogateescape") as file:
            # By the comment the mirror of this making is known from any other.
            file.write(f"{config_for(canonical_url(session, self.repo))}# {event_id}\n")
        duration = round((time.monotonic() - started) * 1000)
        event = SyncCacheSeeded(repo=self.repo.name, duration_ms=duration)
        run.promise(event, event_id, path=os.path.join(final, "config"), text=event_id)
        _rename(draft, final)
        run.tell(event, event_id)
        return {"duration_ms": duration}


@dataclass(frozen=True, kw_only=True)
class MakeUnit:
    """Make a unit's directory and its `unit.toml`."""

    unit: Unit
    doing = "making"
    needs: Step | None = None

    @property
    def operation(self) -> Operation:
        return Operation(kind="unit.create", scope="unit", unit=self.unit.name, path=self.unit.path)

    def run(self, run: Mutation) -> Mapping[str, Any]:
        path = run.session.layout.at(self.unit.path)
        refuse_links(run.session.root, self.unit.path)
        try:
            os.makedirs(os.path.join(path, "repos"), exist_ok=True)
        except OSError as error:
            raise failed_write(error, path) from error
        write_whole(os.path.join(path, "unit.toml"), unit_text(self.unit).encode(), temporary=run.temporary)
        return {}


def unit_text(unit: Unit) -> str:
    """The content of a unit's `unit.toml`."""
    return toml_text(
        {"version": 1, "name": unit.name, "agent_id": unit.agent_id, "repos": list(unit.repos)},
        comment="A unit of gr2, written by `gr2 apply` from the spec.",
    )


@dataclass(frozen=True, kw_only=True)
class MakeCheckout:
    """Clone a repo's mirror into a checkout of its own that borrows the mirror's objects.

    branch: what is checked out. start: for a new branch, the branch it starts from ("" when `branch` exists on the
    remote), or a commit when `start_is_commit`. sparse: directories of a cone-mode sparse checkout. source: for
    commits that the mirror lacks, a repository to take them from.
    """

    repo: Repo
    path: str
    scope: str = "shared"
    unit: str = ""
    lane: str = ""
    branch: str | None = None
    start: str = ""
    start_is_commit: bool = False
    sparse: tuple[str, ...] = ()
    source: str = ""
    needs: Step | None = None
    doing = "cloning"

    @property
    def operation(self) -> Operation:
        return Operation(
            kind="checkout.clone",
            scope=self.scope,
            repo=self.repo.name,
            unit=self.unit,
            lane=self.lane,
            path=self.path,
            details={"branch": self.branch} if self.branch else {},
        )

    def run(self, run: Mutation) -> Mapping[str, Any]:
        final = run.session.layout.at(self.path)
        refuse_links(run.session.root, self.path)
        draft = run.scratch(self.repo.name)
        head = self.build(run, draft)
        forget(run.session.layout, self.path)
        run.made(self.repo.name, final, first=self.needs is not None)
        _rename(draft, final)
        return {"head": head}

    def build(self, run: Mutation, draft: str) -> str:
        """Make the checkout at the absolute path `draft` and return the commit it is at."""
        session = run.session
        mirror = inspect_mirror(session.layout.mirror(self.repo.name))
        if not mirror.branches():
            message, hint = f"{self.repo.name} has no branch yet", "push one, then gr2 sync run and gr2 apply"
            raise NotApplicable("remote_empty", message, scope="repo", subject=self.repo.name, hint=hint)
        branch = self.branch or default_branch(self.repo, mirror)
        simple = not (self.start or self.sparse or self.repo.filter or (self.repo.revision and self.scope == "shared"))
        if simple:
            self._clone(session, mirror, draft, ["--branch", branch])
        else:
            self._clone(session, mirror, draft, ["--no-checkout"])
            self._check_out(session, draft, branch)
        return self._verified(draft)

    def _clone(self, session: Session, mirror: Mirror, draft: str, extra: list[str]) -> None:
        url = remote_url(session, self.repo)
        # The clone records the real URL as its origin and reads from the mirror: git takes the longest match.
        instead = [(f"url.{mirror.path}.insteadOf", url)]
        if "://" not in url and not os.path.exists(url):
            # git wants a path to be there even when it does not read from it.
            session.git.run(["clone", "--shared", "--quiet", *extra, "--", mirror.path, draft])
            session.git.run(["config", "remote.origin.url", url], at=Place.checkout(draft))
        else:
            session.git.run(["clone", "--shared", "--quiet", *extra, "--", url, draft], config=instead)
        with open(
            os.path.join(draft, ".git/objects/info/alternates"), encoding="utf-8", errors="surrogateescape"
        ) as file:
            if file.read().strip() != os.path.join(mirror.path, "objects"):
                raise Failed("clone_failed", "the checkout does not borrow from its mirror", scope="repo")

    def _check_out(self, session: Session, draft: str, branch: str) -> None:
        place = Place.checkout(draft)
        if self.repo.filter:
            for key, value in (("promisor", "true"), ("partialclonefilter", self.repo.filter)):
                session.git.run(["config", f"remote.origin.{key}", value], at=place)
        if self.sparse:
            session.git.run(["sparse-checkout", "set", "--cone", "--", *self.sparse], at=place)
        if self.source:
            session.git.run(["fetch", "--quiet", "--no-tags", "--", self.source, self.start], at=place)
        if self.repo.revision and self.scope == "shared":
            target = revision_commit(session, place, self.repo)
            args = ["checkout", "--quiet", "--detach", target]
        elif self.start:
            start = self.start if self.start_is_commit else f"refs/remotes/origin/{self.start}"
            args = ["checkout", "--quiet", "--no-track", "-B", branch, start, "--"]
        else:
            args = ["checkout", "--quiet", branch, "--"]
        session.git.run(args, at=place, network=bool(self.repo.filter))

    def _verified(self, draft: str) -> str:
        head = head_commit(os.path.join(draft, ".git"))
        if head is None or not os.path.isfile(os.path.join(draft, ".git/index")):
            raise Failed("clone_failed", "git made an incomplete checkout", scope="repo", subject=self.repo.name)
        return head


def default_branch(repo: Repo, mirror: Mirror) -> str:
    """The branch a repo's checkouts are on: the spec's, else the remote's HEAD, else its most usual branch.

    Raises Invalid `unknown_revision` when the spec names a branch the remote does not have.
    """
    branches = mirror.branches()
    if repo.default_branch is not None:
        if repo.default_branch not in branches:
            raise Invalid(
                "unknown_revision",
                f"the remote has no branch {repo.default_branch!r}",
                scope="repo",
                subject=repo.name,
                hint=f"change default_branch of {repo.name} in .grip/workspace_spec.toml",
                details={"branches": sorted(branches)[:20]},
            )
        return repo.default_branch
    head = mirror.head()
    for name in (head, "main", "master"):
        if name is not None and name in branches:
            return name
    return min(branches)


def revision_commit(session: Session, place: Place, repo: Repo) -> str:
    """The commit of a repo's pin. Raises Invalid `unknown_revision`."""
    for name in (f"refs/tags/{repo.revision}^{{commit}}", f"{repo.revision}^{{commit}}"):
        args = ["rev-parse", "--verify", "--quiet", "--end-of-options", name]
        found = session.git.text(args, at=place, ok=(0, 1, 128))
        if found:
            return found
    raise Invalid(
        "unknown_revision",
        f"there is no tag or commit {repo.revision!r}",
        scope="repo",
        subject=repo.name,
        hint=f"change revision of {repo.name} in .grip/workspace_spec.toml",
    )


def refuse_links(root: str, relative: str) -> None:
    """Raise Blocked `path_conflict` when a component of the workspace path `relative` is a symbolic link."""
    link = first_link(root, relative)
    if link is not None:
        hint = f"move {place_at(root, link)} away"
        raise Blocked("path_conflict", f"{link} is a symbolic link", subject=relative, hint=hint)


def _rename(draft: str, final: str) -> None:
    """Put a finished directory at its place; an empty directory there gives way."""
    try:
        parent = os.path.dirname(final)
        if os.path.basename(os.path.dirname(parent)) == "cache":
            make_private_directory(parent)
        else:
            os.makedirs(parent, exist_ok=True)
        os.rename(draft, final)
    except OSError as error:
        if os.path.lexists(final):
            hint = f"look at {quoted(final)}"
            raise Blocked("path_conflict", "something else is there already", hint=hint) from error
        raise failed_write(error, final) from error
