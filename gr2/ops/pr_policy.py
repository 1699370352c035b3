"""How many approvals a repo's pull requests need (contract, page 7, "Reviews"), and commits straight from a remote."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.edges.git import Place
from gr2.edges.git.refs import read_refs
from gr2.errors import Failed, Gr2Error
from gr2.model.hooks import HOOKS_FILE, HOOKS_LIMIT
from gr2.model.spec import Repo
from gr2.ops.materialize import remote_url
from gr2.session import Session
from gr2.store.mirrors import MirrorKind, inspect_mirror


def required_approvals(session: Session, repo: str, base: str, *, commit: str = "") -> int:
    """What the spec's `required_reviewers` says for the repo (0 included), else the `[policy]` in the hooks file of the
    branch `base`: at `commit`, or as of the mirror's last fetch. A policy that cannot be read demands nothing."""
    named = session.spec.workspace_constraints.required_reviewers.get(repo)
    if named is not None:
        return named
    mirror = inspect_mirror(session.layout.mirror(repo))
    found = commit or (mirror.branches().get(base, "") if mirror.kind is MirrorKind.OURS else "")
    return _policy(session, mirror.path, found) if found else 0


def _policy(session: Session, mirror: str, commit: str) -> int:
    command = session.git.command(["cat-file", "blob", f"{commit}:{HOOKS_FILE}"], at=Place.bare(mirror), timeout=30)
    found = session.runner.run(command)
    if found.exit_code != 0 or len(found.stdout) > HOOKS_LIMIT:
        return 0
    import tomllib

    try:
        policy = tomllib.loads(found.stdout.decode()).get("policy", {})
    except (ValueError, RecursionError):
        return 0
    required = policy.get("required_reviewers", 0) if isinstance(policy, dict) else 0
    return required if type(required) is int and required > 0 else 0


def current_bases(session: Session, bases: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Where each (repo, base) whose policy decides is on its remote now, its commit fetched: a merge goes by the policy
    of now. A remote that cannot be reached is left out."""
    found = {}
    for name, base in bases:
        repo = session.spec.repo(name)
        if repo is None or name in session.spec.workspace_constraints.required_reviewers:
            continue
        if inspect_mirror(session.layout.mirror(name)).kind is not MirrorKind.OURS:
            continue
        try:
            found[name, base] = fetched(session, repo, f"refs/heads/{base}")
        except Gr2Error as error:
            session.progress.note(f"the policy of {name} may be out of date: {error.message}")
    return found


def fetched(session: Session, repo: Repo, ref: str) -> str:
    """The commit that the full reference `ref` of the repo's remote is at, its objects fetched into the mirror.

    No reference of the mirror moves, and no object ever leaves a mirror. Raises Gr2Error when the remote cannot be
    reached, or has no such reference.
    """
    url, place = remote_url(session, repo), Place.bare(session.layout.mirror(repo.name))
    listing = session.git.run(["ls-remote", "--", url, ref], network=True, timeout=60)
    told = (line.split(b"\t") for line in listing.splitlines())
    commit = next((sha.decode() for sha, name in told if name.decode(errors="surrogateescape") == ref), "")
    if not commit:
        raise Failed("unknown_revision", f"the remote of {repo.name} has no {ref}", scope="repo", subject=repo.name)
    if commit not in read_refs(place.git_dir, "refs/").values():
        # Also when the commit is there: a fetch that was killed may have brought it without its files.
        args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", url, ref]
        session.git.run(args, at=place, network=True)
    return commit
