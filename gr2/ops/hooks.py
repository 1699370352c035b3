"""`gr2 hooks list|show|trust|untrust|schema` and `gr2 repo hooks`: what the repos' hooks files say, and who approved
them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gr2.edges.files import is_inside
from gr2.errors import Blocked, Invalid
from gr2.model.hints import quoted
from gr2.model.hooks import HOOKS_FILE, Gate, Hook, HooksFile, Policy, Projection
from gr2.model.outcome import Issue, MutationResult, Result, Status, read_status
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.model.url import redact
from gr2.ops.context import find_repo, lane_of, select_repos
from gr2.ops.hook_finish import from_mirrors
from gr2.ops.hook_places import HookPlace, HooksReader
from gr2.ops.hook_trust import Trust
from gr2.ops.materialize import MakeCheckout, canonical_url
from gr2.ops.mutation import mutation
from gr2.session import Session
from gr2.store.hooks_file import HooksFault, HooksInvalid, read_hooks_bytes
from gr2.store.trust import Approvals

NOT_THE_SCRIPTS = "Approval covers the hooks file as shown, and not the scripts and programs that its commands call."


@dataclass(frozen=True, kw_only=True)
class HookRow:
    """One lifecycle hook of one repo. `trusted`: it would run."""

    repo: str
    stage: str
    name: str
    command: str
    when: str
    on_failure: str
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class HooksListResult(Result):
    """Every lifecycle hook, in the order of spec and files."""

    hooks: tuple[HookRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParsedHooks:
    """A hooks file as parsed. `path` is relative to the workspace; "" when it was read from the mirror."""

    repo: str
    path: str
    digest: str
    trusted: bool
    files: tuple[Projection, ...] = ()
    lifecycle: tuple[Hook, ...] = ()
    gates: tuple[Gate, ...] = ()
    policy: Policy | None = None


@dataclass(frozen=True, kw_only=True)
class RepoHooksResult(Result):
    """The hooks files of the repos that have a valid one."""

    hooks: tuple[ParsedHooks, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HooksShowResult(Result):
    """One repo's hooks file. text: its bytes as text. scripts: files of the repo that it names."""

    repo: str
    url: str
    path: str
    digest: str
    trusted: bool
    text: str
    scripts: tuple[str, ...] = ()
    hooks: tuple[HookRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HooksTrustResult(MutationResult):
    """The approved file. new: it was not approved before. note: what approval does not cover."""

    repo: str
    url: str
    path: str
    digest: str
    text: str
    scripts: tuple[str, ...] = ()
    new: bool = True
    note: str = NOT_THE_SCRIPTS


@dataclass(frozen=True, kw_only=True)
class HooksUntrustResult(MutationResult):
    """How many approvals of the repo's URL were removed."""

    repo: str
    url: str
    removed: int = 0


@dataclass(frozen=True, kw_only=True)
class HooksSchemaResult(Result):
    """The JSON Schema of `.gr2/hooks.toml`."""

    json_schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A hooks file's bytes, and the checkout they are from; `on_disk` is False for a mirror's."""

    place: HookPlace
    data: bytes | HooksFault
    on_disk: bool


def _sources(session: Session, repos: Iterable[Repo], lane: str = "") -> list[_Source]:
    """The hooks files of repos: of the lane's checkouts, else of the shared ones, else of the mirrors' branches."""
    found: dict[str, _Source] = {}
    missing: list[MakeCheckout] = []
    chosen = list(repos)
    for repo in chosen:
        place = _place(session, repo, lane)
        checkout = session.layout.at(place.path)
        if not os.path.lexists(os.path.join(checkout, ".git")):
            missing.append(MakeCheckout(repo=repo, path=place.path))
            continue
        try:
            data = read_hooks_bytes(checkout)
        except HooksInvalid as error:
            found[repo.name] = _Source(place=place, data=error.faults[0], on_disk=True)
            continue
        if data is not None:
            found[repo.name] = _Source(place=place, data=data, on_disk=True)
    for name, content in from_mirrors(session, missing).items():
        repo = find_repo(session, name)
        found[name] = _Source(place=_place(session, repo, lane), data=content, on_disk=False)
    return [found[repo.name] for repo in chosen if repo.name in found]


def _place(session: Session, repo: Repo, lane: str) -> HookPlace:
    if not lane:
        return HookPlace(repo=repo, path=repo.path)
    unit, found = lane_of(session, lane)
    if repo.name not in found.repos:
        message = f"the lane {found.id} has no checkout of {repo.name}"
        raise Invalid(
            "unknown_repo", message, scope="repo", subject=repo.name, hint=f"gr2 lane show {quoted(found.id)}"
        )
    return HookPlace(repo=repo, path=f"{unit.path}/lanes/{found.name}/repos/{repo.name}", unit=unit, lane=found)


def _parsed(session: Session, sources: Sequence[_Source]) -> tuple[list[tuple[_Source, HooksFile]], list[Issue]]:
    reader = HooksReader(session)
    found = []
    for source in sources:
        file = reader.read(source.place, None if source.on_disk else source.data)
        if file is not None:
            found.append((source, file))
    return found, reader.issues


def _rows(place: HookPlace, file: HooksFile, trusted: bool) -> tuple[HookRow, ...]:
    return tuple(
        HookRow(
            repo=place.repo.name,
            stage=hook.stage,
            name=hook.name,
            command=hook.command,
            when=hook.when,
            on_failure=hook.on_failure,
            trusted=trusted,
        )
        for hook in file.hooks
    )


def hooks_list(session: Session, repo: str = "", *, lane: str = "") -> HooksListResult:
    """The lifecycle hooks of one repo, or of all. Runs nothing and writes nothing."""
    chosen = [find_repo(session, repo)] if repo else list(_of_lane(session, lane))
    found, issues = _parsed(session, _sources(session, chosen, lane))
    trust = Trust(session)
    rows = [row for source, file in found for row in _rows(source.place, file, trust.allows(source.place, file))]
    return HooksListResult(status=read_status(issues), issues=tuple(issues), hooks=tuple(rows))


def _of_lane(session: Session, lane: str) -> Iterable[Repo]:
    if not lane:
        return session.spec.repos
    names = lane_of(session, lane)[1].repos
    return (repo for repo in session.spec.repos if repo.name in names)


def repo_hooks(session: Session, *, repos: Sequence[str] = (), groups: Sequence[str] = ()) -> RepoHooksResult:
    """The hooks files of the chosen repos (all by default), as parsed."""
    found, issues = _parsed(session, _sources(session, select_repos(session, repos, groups)))
    trust = Trust(session)
    parsed = tuple(
        ParsedHooks(
            repo=source.place.repo.name,
            path=f"{source.place.path}/{HOOKS_FILE}" if source.on_disk else "",
            digest=file.digest,
            trusted=trust.allows(source.place, file),
            files=file.projections,
            lifecycle=file.hooks,
            gates=file.gates,
            policy=file.policy,
        )
        for source, file in found
    )
    return RepoHooksResult(status=read_status(issues), issues=tuple(issues), hooks=parsed)


def hooks_show(session: Session, repo: str, *, lane: str = "") -> HooksShowResult:
    """One repo's hooks file, also a broken one. Raises Invalid `no_hooks` when it has none."""
    source = _the_source(session, repo, lane)
    found, issues = _parsed(session, [source])
    file = found[0][1] if found else None
    return HooksShowResult(
        status=read_status(issues),
        issues=tuple(issues),
        repo=repo,
        url=redact(source.place.repo.url),
        path=_shown_path(source),
        digest=_digest(source),
        trusted=file is not None and Trust(session).allows(source.place, file),
        text=_text(source),
        scripts=_scripts(session, source, file) if file else (),
        hooks=_rows(source.place, file, Trust(session).allows(source.place, file)) if file else (),
    )


def _the_source(session: Session, repo: str, lane: str) -> _Source:
    found = _sources(session, [find_repo(session, repo)], lane)
    if not found:
        raise Invalid("no_hooks", f"{repo} has no {HOOKS_FILE}", scope="repo", subject=repo, hint="gr2 hooks list")
    return found[0]


def _shown_path(source: _Source) -> str:
    return f"{source.place.path}/{HOOKS_FILE}" if source.on_disk else ""


def _text(source: _Source) -> str:
    return "" if isinstance(source.data, HooksFault) else source.data.decode(errors="replace")


def _digest(source: _Source) -> str:
    import hashlib

    return "" if isinstance(source.data, HooksFault) else hashlib.sha256(source.data).hexdigest()


def _scripts(session: Session, source: _Source, file: HooksFile) -> tuple[str, ...]:
    """The files of the checkout that the hooks file names: in its commands, also inside one argument, and as sources
    of projections."""
    if not source.on_disk:
        return ()
    from gr2.model.template import split_command

    checkout = os.path.realpath(session.layout.at(source.place.path))
    words = {projection.src for projection in file.projections}
    for command in (*(hook.command for hook in file.hooks), *(gate.command for gate in file.gates)):
        for word in split_command(command):
            words |= {word, *word.replace("{repo_root}/", "").split()}
    named = set()
    for word in words:
        path = os.path.realpath(os.path.join(checkout, word)) if "\0" not in word else checkout
        if path != checkout and is_inside(path, checkout) and os.path.isfile(path):
            named.add(os.path.relpath(path, checkout))
    return tuple(sorted(named))


def hooks_trust(session: Session, repo: str, *, lane: str = "") -> HooksTrustResult:
    """Approve the content of the repo's hooks file for its canonical URL, and show what was approved.

    A person's own command: Blocked `approval_needs_person` for agents, Invalid `invalid_hooks` for a file that breaks
    rules, `no_hooks` without one.
    """
    if session.actor.startswith("agent:"):
        raise Blocked(
            "approval_needs_person",
            "an agent cannot approve hooks",
            scope="hook",
            subject=repo,
            hint=f"let a person look and run gr2 hooks trust {repo}",
            details={"actor": session.actor},
        )
    source = _the_source(session, repo, lane)
    found, issues = _parsed(session, [source])
    if not found:
        first = issues[0]
        error = Invalid(first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint)
        error.__dict__["issues"] = tuple(issues)
        raise error
    file = found[0][1]
    url = canonical_url(session, source.place.repo)
    with mutation(session, "hooks.trust", repos=(repo,), lock=None, markers=False) as run:
        new = Approvals(session.asked.environ, session.root).add(url, file.digest)
        return HooksTrustResult(
            status=Status.SUCCESS,
            operation_id=run.operation_id,
            repo=repo,
            url=redact(url),
            path=_shown_path(source),
            digest=file.digest,
            text=_text(source),
            scripts=_scripts(session, source, file),
            new=new,
        )


def hooks_untrust(session: Session, repo: str) -> HooksUntrustResult:
    """Remove every approval of the repo's URL. None there is fine."""
    url = canonical_url(session, find_repo(session, repo))
    with mutation(session, "hooks.untrust", repos=(repo,), lock=None, markers=False) as run:
        removed = Approvals(session.asked.environ, session.root).remove(url)
        return HooksUntrustResult(
            status=Status.SUCCESS, operation_id=run.operation_id, repo=repo, url=redact(url), removed=removed
        )


def hooks_schema() -> HooksSchemaResult:
    """The JSON Schema of the hooks file's content."""
    from gr2.store.hooks_schema import json_schema

    return HooksSchemaResult(status=Status.OK, json_schema=json_schema())
