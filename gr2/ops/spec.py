"""`gr2 spec show|validate|schema|freeze|diff`: the spec, and how the shared checkouts compare with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gr2.edges.files import read_regular, write_whole
from gr2.errors import Blocked, Invalid
from gr2.model.hints import git_at
from gr2.model.names import visible
from gr2.model.outcome import Issue, Result, Status
from gr2.model.records import dataclass
from gr2.model.spec import SPEC_VERSION, Repo, Spec
from gr2.model.url import canonical, is_secret_key, redact
from gr2.ops.git_questions import HEAD_COMMIT, HEAD_REF, ORIGIN_URL, Answers, ask_each, branch_of
from gr2.session import Session
from gr2.store.spec_file import SpecInvalid, parse_with_secrets, read_spec_bytes

_SHOWN = "***"


@dataclass(frozen=True, kw_only=True)
class SpecShowResult(Result):
    """The spec as gr2 reads it, secrets as `***`."""

    spec: Spec


@dataclass(frozen=True, kw_only=True)
class SpecValidateResult(Result):
    """A spec that is sound in itself; `issues` are what plugins say of it."""

    spec: Spec


@dataclass(frozen=True, kw_only=True)
class SpecSchemaResult(Result):
    """The JSON Schema of the spec file."""

    json_schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SpecFreezeResult(Result):
    """The spec with every repo pinned to what is checked out. `text` is it as TOML; `output` where it was written."""

    spec: Spec
    text: str
    output: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as the spec says. `what`: checkout, url, branch or revision; None: there is none."""

    repo: str
    path: str
    what: str
    spec: str | None
    found: str | None


@dataclass(frozen=True, kw_only=True)
class SpecDiffResult(Result):
    """How the shared checkouts differ from the spec."""

    spec: Spec
    differences: tuple[Difference, ...]


def spec_show(session: Session) -> SpecShowResult:
    """The spec. One whose only faults are secrets in URLs is `invalid`, and still shown, without them."""
    try:
        spec = session.spec
    except SpecInvalid as error:
        found = parse_with_secrets(read_spec_bytes(session.layout), session.root)
        if found is None:
            raise
        return SpecShowResult(status=Status.INVALID, issues=error.issues, spec=_masked(found))
    issues = _newer(spec)
    return SpecShowResult(status=Status.ATTENTION if issues else Status.OK, issues=issues, spec=_masked(spec))


def spec_validate(session: Session) -> SpecValidateResult:
    """Whether the spec is sound, plugins asked. Raises SpecInvalid with every fault found."""
    spec = session.spec
    issues = _newer(spec)
    if session.plugins is not None:
        issues = (*issues, *session.plugins.validate_spec(spec, session.root))
    status = Status.ATTENTION if issues else Status.OK
    blocking = {issue.code for issue in issues if issue.blocking}
    if blocking:
        status = Status.BLOCKED if blocking == {"constraint_unavailable"} else Status.INVALID
    return SpecValidateResult(status=status, issues=issues, spec=_masked(spec))


def spec_schema() -> SpecSchemaResult:
    """The JSON Schema of the spec file, for editors and other tools."""
    from gr2.store.spec_schema import json_schema

    return SpecSchemaResult(status=Status.OK, json_schema=json_schema())


def spec_freeze(session: Session, *, output: str = "") -> SpecFreezeResult:
    """The spec with `revision` set to the commit each shared checkout is at; comments and order are kept.

    A repo without a checkout keeps the revision it has, with an issue. `output`: an absolute path to write it to; a
    different file there is never replaced. Raises Blocked `path_conflict`, `read_only`.
    """
    spec = session.spec
    issues = [*_newer(spec)]
    commits: dict[str, str] = {}
    unpushed = ("rev-list", "--max-count=1", "HEAD", "--not", "--remotes", "--tags")
    paths = [repo.path for repo in spec.repos]
    for repo, answers in zip(spec.repos, ask_each(session, paths, (HEAD_COMMIT, unpushed)), strict=True):
        commit, ahead = answers or (None, None)
        if commit is None:
            issues.append(_about(repo, "not_frozen", "it has no checkout with a commit", "gr2 apply"))
            continue
        commits[repo.name] = commit
        if ahead:
            issues.append(
                _about(
                    repo,
                    "unpushed",
                    "its commit is on no branch of the remote",
                    git_at(session.root, repo.path, "push"),
                )
            )
    frozen = replace(
        spec, repos=tuple(replace(repo, revision=commits.get(repo.name, repo.revision)) for repo in spec.repos)
    )
    text = _pinned(read_spec_bytes(session.layout), frozen)
    if output:
        _write_new(output, text.encode())
    return SpecFreezeResult(
        status=Status.ATTENTION if issues else Status.OK,
        issues=tuple(issues),
        spec=_masked(frozen),
        text=text,
        output=output or None,
    )


def spec_diff(session: Session) -> SpecDiffResult:
    """What the shared checkouts have otherwise than the spec. Contacts no remote and writes nothing."""
    spec = session.spec
    differences: list[Difference] = []
    paths = [repo.path for repo in spec.repos]
    questions = (HEAD_COMMIT, HEAD_REF, ORIGIN_URL)
    pinned = [repo for repo in spec.repos if repo.revision]
    pins = {repo.name: _pin(session, repo) for repo in pinned}
    for repo, answers in zip(spec.repos, ask_each(session, paths, questions), strict=True):
        differences += _differences(session, repo, answers, pins.get(repo.name))
    issues = _newer(spec)
    status = Status.ATTENTION if issues else Status.OK
    return SpecDiffResult(status=status, issues=issues, spec=_masked(spec), differences=tuple(differences))


def _newer(spec: Spec) -> tuple[Issue, ...]:
    if spec.version <= SPEC_VERSION:
        return ()
    message = (
        f"the spec has version {spec.version}, this gr2 knows version {SPEC_VERSION}: what is new in it is not shown"
    )
    hint = "use a newer gr2 to change anything here"
    return (
        Issue(code="newer_version", scope="workspace", subject="version", message=message, hint=hint, blocking=False),
    )


def _about(repo: Repo, code: str, reason: str, hint: str) -> Issue:
    message = f"the repo {repo.name} is not as others will find it: {reason}"
    return Issue(code=code, scope="repo", subject=repo.name, message=message, hint=hint, blocking=False)


def _masked(spec: Spec) -> Spec:
    repos = tuple(replace(repo, url=redact(repo.url)) for repo in spec.repos)
    return replace(spec, repos=repos, plugins={name: _hidden(table) for name, table in spec.plugins.items()})


def _hidden(value: Any, key: str = "") -> Any:
    """A plugin's settings with what is secret by its name, or inside a URL, masked."""
    if isinstance(value, Mapping):
        return {name: _hidden(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item, key) for item in value]
    if isinstance(value, str) and value:
        return _SHOWN if key and is_secret_key(key) else redact(value)
    return value


def _pinned(source: bytes, frozen: Spec) -> str:
    """The text of the spec with the revisions of `frozen`, as its author wrote it otherwise."""
    import tomlkit

    revisions = {repo.name: repo.revision for repo in frozen.repos if repo.revision}
    document = tomlkit.parse(source.decode())
    tables: Sequence[Any] = document.get("repos", [])
    for table in tables:
        revision = revisions.get(str(table.get("name")))
        if revision is not None:
            table["revision"] = revision
    return tomlkit.dumps(document)


def _write_new(path: str, data: bytes) -> None:
    if not os.path.isdir(os.path.dirname(path)):
        raise Invalid(
            "not_a_directory",
            f"there is no directory {visible(os.path.dirname(path))}",
            subject=path,
            hint="make it first",
        )
    if not os.path.lexists(path):
        write_whole(path, data)
        return
    try:
        same = read_regular(path, limit=len(data)) == data
    except OSError:
        same = False
    if not same:
        raise Blocked(
            "path_conflict",
            f"something else is there already: {visible(path)}",
            subject=path,
            hint="name a file that does not exist",
        )


def _pin(session: Session, repo: Repo) -> str | None:
    tag = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/tags/{repo.revision}^{{commit}}")
    plain = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{repo.revision}^{{commit}}")
    answers = ask_each(session, [repo.path], (tag, plain))[0]
    return next((answer for answer in answers or () if answer), None)


def _differences(session: Session, repo: Repo, answers: Answers | None, pin: str | None) -> list[Difference]:

    def differs(what: str, spec: str | None, found: str | None) -> Difference:
        return Difference(repo=repo.name, path=repo.path, what=what, spec=spec, found=found)

    if answers is None:
        return [differs("checkout", repo.path, None)]
    commit, head, url = answers
    found: list[Difference] = []
    same = url is not None and canonical(url, base=session.layout.at(repo.path)) == canonical(
        repo.url, base=session.root
    )
    if not same:
        found.append(differs("url", redact(repo.url), None if url is None else redact(url)))
    if repo.revision:
        if pin is None or commit != pin:
            found.append(differs("revision", repo.revision, commit))
    elif repo.default_branch is not None and branch_of(head) != repo.default_branch:
        found.append(differs("branch", repo.default_branch, branch_of(head)))
    return found
