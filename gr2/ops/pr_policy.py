"""How many approvals a repo's pull requests need (contract, page 7, "Reviews"), and commits straight from a remote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gr2.edges.git import Place
from gr2.edges.git.refs import read_refs
from gr2.errors import Blocked, Failed, Gr2Error
from gr2.model.hooks import HOOKS_FILE, HOOKS_FOLDER
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.ops.materialize import remote_url
from gr2.session import Session
from gr2.store.mirrors import MirrorKind, inspect_mirror

if TYPE_CHECKING:
    from gr2.store.hooks_file import HooksFault


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How many approvals are demanded, None when that cannot be told. problem: Blocked `invalid_hooks`, or Failed: the
    policy of now cannot be read, and `required` is as of the mirror's last fetch."""

    required: int | None
    problem: Blocked | Failed | None = None


def policy_of(session: Session, name: str, base: str, *, commit: str) -> Policy:
    """What the spec's `required_reviewers` says for the repo `name` (0 included), else the `[policy]` in the hooks file
    of its branch `base`.

    commit: where the branch is now, "" when nobody said: then the remote is asked. It is fetched where the mirror does
    not have it.
    """
    named = session.spec.workspace_constraints.required_reviewers.get(name)
    if named is not None:
        return Policy(required=named)
    repo = session.spec.repo(name)
    mirror = inspect_mirror(session.layout.mirror(name))
    if repo is None or mirror.kind is not MirrorKind.OURS:
        missing = Failed("not_materialized", f"{name} has no mirror", scope="repo", subject=name, hint="gr2 apply")
        return Policy(required=None, problem=missing)
    try:
        if not commit:
            commit = fetched(session, repo, f"refs/heads/{base}")
        found = _read(session, mirror.path, commit, name, base)
        if found is None:
            _fetch(session, repo, f"refs/heads/{base}")
            found = _read(session, mirror.path, commit, name, base)
        if found is not None:
            return found
        problem = Failed("unknown_revision", f"the remote of {name} has no {commit}", scope="repo", subject=name)
    except Gr2Error as error:
        session.runner.cancellation.check()
        problem = Failed(error.code, error.message, scope="repo", subject=name, hint=error.hint)
    old = mirror.branches().get(base, "")
    known = _read(session, mirror.path, old, name, base) if old else None
    return Policy(required=known.required if known is not None else None, problem=problem)


def _read(session: Session, mirror: str, commit: str, name: str, base: str) -> Policy | None:
    """The policy at `commit`, None when the mirror does not have it all."""
    from gr2.store.hooks_file import HooksFault, HooksInvalid, hooks_blob, parse_hooks, parse_table

    def ask(*args: str) -> bytes | None:
        found = session.runner.run(session.git.command(args, at=Place.bare(mirror), timeout=30))
        return found.stdout if found.exit_code == 0 else None

    listed = ask("ls-tree", "-z", "--full-tree", commit, "--", HOOKS_FOLDER, HOOKS_FILE)
    if listed is None:
        return None
    blob = hooks_blob(listed)
    if blob is None:
        return Policy(required=0)
    if isinstance(blob, HooksFault):
        return _broken(name, base, blob)
    data = ask("cat-file", "blob", blob)
    if data is None:
        return None
    try:
        return Policy(required=parse_hooks(data).policy.required_reviewers or 0)
    except HooksInvalid as error:
        # A fault further in, like one of a hook, leaves no doubt about the policy.
        doubts = [fault for fault in error.faults if "." not in fault.key or fault.key.startswith("policy.")]
        return _broken(name, base, doubts[0]) if doubts else Policy(required=_required(parse_table(data)))


def _broken(name: str, base: str, fault: HooksFault) -> Policy:
    about = f"{fault.key} {fault.message}" if fault.key else fault.message
    near = f" (did you mean {fault.suggestion}?)" if fault.suggestion else ""
    problem = Blocked(
        "invalid_hooks",
        f"{HOOKS_FILE} on {base} does not tell how many approvals {name} needs: {about}{near}",
        scope="repo",
        subject=name,
        hint=f"repair {HOOKS_FILE} on {base}, or say required_reviewers of {name} in the spec",
        details={"repo": name, "base": base, "path": HOOKS_FILE},
    )
    return Policy(required=None, problem=problem)


def _required(table: Mapping[str, object]) -> int:
    policy = table.get("policy")
    required = policy.get("required_reviewers") if isinstance(policy, dict) else None
    return required if isinstance(required, int) else 0


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
        _fetch(session, repo, ref)
    return commit


def _fetch(session: Session, repo: Repo, ref: str) -> None:
    """Fetch what `ref` of the repo's remote needs into the mirror, whose references stay where they are."""
    args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote_url(session, repo), ref]
    session.git.run(args, at=Place.bare(session.layout.mirror(repo.name)), network=True)
