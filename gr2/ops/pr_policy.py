"""How many approvals a repo's pull requests need (contract, page 7, "Reviews")."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.edges.git import Place
from gr2.errors import Gr2Error
from gr2.ops.constraints import HOOKS_FILE, HOOKS_LIMIT
from gr2.session import Session
from gr2.store.mirrors import MirrorKind, inspect_mirror


def required_approvals(session: Session, repo: str, base: str) -> int:
    """What the spec's `required_reviewers` says for the repo (0 included), else the `[policy]` in the hooks file of the
    branch `base`, as of the mirror's last fetch. A policy that cannot be read demands nothing."""
    named = session.spec.workspace_constraints.required_reviewers.get(repo)
    if named is not None:
        return named
    mirror = inspect_mirror(session.layout.mirror(repo))
    commit = mirror.branches().get(base) if mirror.kind is MirrorKind.OURS else None
    if commit is None:
        return 0
    name = f"{commit}:{HOOKS_FILE}"
    command = session.git.command(["cat-file", "blob", name], at=Place.bare(mirror.path), timeout=30)
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


def refresh_policies(session: Session, bases: Iterable[tuple[str, str]]) -> None:
    """Fetch the branch of each (repo, base) whose policy decides, so that a merge goes by the one of now. A remote that
    cannot be reached leaves what is known."""
    for repo, base in bases:
        if repo in session.spec.workspace_constraints.required_reviewers:
            continue
        mirror = inspect_mirror(session.layout.mirror(repo))
        if mirror.kind is not MirrorKind.OURS:
            continue
        refspec = f"+refs/heads/{base}:refs/heads/{base}"
        try:
            args = ["fetch", "--quiet", "--no-tags", "--", "origin", refspec]
            session.git.run(args, at=Place.bare(mirror.path), network=True, timeout=60)
        except Gr2Error as error:
            session.progress.note(f"the policy of {repo} may be out of date: {error.message}")
