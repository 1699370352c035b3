"""`gr2 workspace init`: writes the spec of a new workspace. The spec's rename into place is the moment it exists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from gr2.edges.files import failed_write, write_whole
from gr2.edges.locks import FileLock, LockTimeout
from gr2.errors import Blocked, Gr2Error, Invalid
from gr2.model.names import is_name, visible
from gr2.model.outcome import Issue, MutationResult, Status
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Spec, Unit
from gr2.model.url import fault_of_url, has_credentials, scheme_of
from gr2.ops.adopt_clones import adopt_clones
from gr2.ops.mutation import holder_of, locked_error
from gr2.session import Session
from gr2.store.discovery import enclosing_workspace, safe_root
from gr2.store.layout import SPEC_FILE
from gr2.store.operations import LiveOperation, dead_operations
from gr2.store.spec_file import SpecInvalid, is_compiled, parse_spec, read_spec_bytes, refresh_compiled
from gr2.store.spec_text import spec_text

_IGNORE = """\
# Written by gr2. The spec and this file are for everybody; the rest belongs to this machine.
/*
!/.gitignore
!/workspace_spec.toml
"""


@dataclass(frozen=True, kw_only=True)
class InitRequest:
    """What to put into the spec. repos: (name, url) pairs; from_dirs: an absolute directory of clones, "" for none."""

    name: str = ""
    repos: Sequence[tuple[str, str]] = ()
    units: Sequence[str] = ()
    from_dirs: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkspaceInitResult(MutationResult):
    """A workspace with the spec asked for. `workspace` is its name, `spec_path` absolute; `created`: by this run."""

    workspace: str
    spec_path: str
    created: bool
    repos: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


def workspace_init(session: Session, request: InitRequest) -> WorkspaceInitResult:
    """Make `session.root` a workspace with the spec that `request` describes.

    An identical spec that is there already is success without a change. Killed at any point, the same call again
    finishes. Raises Blocked `spec_exists` for another spec, `path_conflict`, `nested_workspace`, `read_only`,
    `workspace_locked`; SpecInvalid and Invalid for what cannot be in a spec; Failed `disk_full`.
    """
    safe_root(session.root)
    issues = _surroundings(session.root)
    _no_other_things(session)
    wanted, passed_over = _wanted(session, request)
    text = spec_text(wanted, explain=True)
    wanted = _checked(text, session.root)
    operation_id = session.ids.operation()
    created = False
    if _is_there(session, wanted):
        _finish_unless_busy(session)
    else:
        created = _write(session, wanted, text, operation_id)
    found = (*issues, *passed_over)
    return WorkspaceInitResult(
        status=Status.ATTENTION if found else Status.SUCCESS,
        issues=found,
        operation_id=operation_id,
        workspace=wanted.workspace_name,
        spec_path=session.layout.spec,
        created=created,
        repos=tuple(repo.name for repo in wanted.repos),
        units=tuple(unit.name for unit in wanted.units),
    )


def _surroundings(root: str) -> tuple[Issue, ...]:
    """What a workspace at `root` would be inside of. Raises Blocked for the checkout of another workspace."""
    physical = os.path.realpath(root)
    around = enclosing_workspace(physical)
    if around is not None:
        raise Blocked(
            "nested_workspace",
            f"{visible(root)} lies in a checkout of the workspace {visible(around)}, and would never be found there",
            subject=root,
            hint="choose a directory outside of it",
        )
    above = os.path.dirname(physical)
    while above != os.path.dirname(above):
        if os.path.lexists(os.path.join(above, SPEC_FILE)):
            message = f"this workspace lies inside another one, {visible(above)}"
            hint = "run gr2 with -C PATH where it matters which one is meant"
            return (
                Issue(
                    code="nested_workspace", scope="workspace", subject=root, message=message, hint=hint, blocking=False
                ),
            )
        above = os.path.dirname(above)
    return ()


def _no_other_things(session: Session) -> None:
    """Raise Blocked `path_conflict` when a file or link stands where the workspace or its `.grip` should be."""
    for path, what in ((session.root, "the workspace"), (session.layout.grip, "the workspace's .grip directory")):
        link = path == session.layout.grip and os.path.islink(path)
        if os.path.lexists(path) and (link or not os.path.isdir(path)):
            raise Blocked(
                "path_conflict",
                f"{visible(path)} is no directory, so {what} cannot be there",
                subject=path,
                hint="choose another path, or move that aside",
            )


def _wanted(session: Session, request: InitRequest) -> tuple[Spec, tuple[Issue, ...]]:
    faults: list[Issue] = []
    for name, url in request.repos:
        faults += _repo_faults(name, url)
    for unit in request.units:
        if not is_name(unit):
            faults.append(
                _fault("invalid_spec", "unit", unit, "is not a name: letters, digits, dot, underscore and dash")
            )
    if faults:
        raise SpecInvalid(faults)
    repos = [Repo(name=name, path=f"repos/{name}", url=_from_here(session, url)) for name, url in request.repos]
    issues: tuple[Issue, ...] = ()
    if request.from_dirs:
        adopted = adopt_clones(session, request.from_dirs, taken=[repo.name for repo in repos])
        repos += adopted.repos
        issues = adopted.issues
    names = tuple(repo.name for repo in repos)
    units = tuple(Unit(name=name, path=f"agents/{name}", repos=names) for name in request.units)
    name = request.name or os.path.basename(session.root)
    return Spec(workspace_name=name, repos=tuple(repos), units=units), issues


def _repo_faults(name: str, url: str) -> list[Issue]:
    faults = []
    if not is_name(name):
        faults.append(_fault("invalid_spec", "repo", name, "is not a name: letters, digits, dot, underscore and dash"))
    if has_credentials(url):
        hint = "remove it and use git's credential helper, or ssh"
        faults.append(_fault("credentials_in_url", "repo", name, "has a URL that holds a secret", hint))
    elif (reason := fault_of_url(url)) is not None:
        faults.append(_fault("invalid_spec", "repo", name, f"has a URL that cannot be given to git: {reason}"))
    return faults


def _fault(code: str, scope: str, name: str, reason: str, hint: str = "") -> Issue:
    message = f"the {scope} {visible(name)!r} {reason}"
    return Issue(code=code, scope=scope, subject=name, message=message, hint=hint or "gr2 workspace init --help")


def _from_here(session: Session, url: str) -> str:
    """A relative path was typed from the current directory; the spec takes it from the workspace."""
    if scheme_of(url) is not None or os.path.isabs(url) or session.asked.cwd == session.root:
        return url
    return os.path.relpath(os.path.join(session.asked.cwd, url), session.root)


def _checked(text: str, root: str) -> Spec:
    """The spec as it will be read back. Raises SpecInvalid, whose issues have no lines: nobody has seen the text."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(
            "invalid_spec",
            "a name or path is not UTF-8",
            subject="workspace_name",
            hint="gr2 workspace init --name NAME",
        ) from error
    try:
        return parse_spec(data, root)
    except SpecInvalid as error:
        hint = "gr2 workspace init --help"
        raise SpecInvalid(replace(issue, details={}, hint=hint) for issue in error.issues) from error


def _is_there(session: Session, wanted: Spec) -> bool:
    """Whether the spec is there and says what is wanted. Raises Blocked `spec_exists` for any other one."""
    if not os.path.lexists(session.layout.spec):
        return False
    try:
        if parse_spec(read_spec_bytes(session.layout), session.root) == wanted:
            return True
        reason = "another spec is there already"
    except Gr2Error as error:
        reason = f"a spec is there already, and it is not sound ({error.code})"
    raise Blocked(
        "spec_exists",
        f"{reason}: {visible(session.layout.spec)}",
        subject=session.layout.spec,
        hint="edit it (gr2 spec show, gr2 spec validate), or choose another directory",
    )


def _write(session: Session, wanted: Spec, text: str, operation_id: str) -> bool:
    """Write the spec, unless another init was faster with the same one. Whether this run did."""
    layout = session.layout
    try:
        os.makedirs(layout.grip, exist_ok=True)
    except OSError as error:
        raise failed_write(error, layout.grip) from error
    holder = holder_of(session, operation_id)
    try:
        with FileLock(layout.lock("workspace"), wait=session.wait_seconds, holder=holder):
            if _is_there(session, wanted):
                return False
            _clear_up(session, wait=session.wait_seconds)
            live = LiveOperation(layout, operation_id, under="workspace", holder=holder)
            try:
                ignore = os.path.join(layout.grip, ".gitignore")
                if not os.path.lexists(ignore):
                    write_whole(ignore, _IGNORE.encode(), temporary=live.path)
                write_whole(layout.spec, text.encode(), temporary=live.path)
                refresh_compiled(layout)
            finally:
                live.close()
            return True
    except LockTimeout as error:
        raise locked_error(error, session.wait_seconds) from error


def _clear_up(session: Session, *, wait: float) -> None:
    """Remove what killed inits left. Operations with something to tell are for the next command that can tell it."""
    for dead in dead_operations(session.layout, under="workspace", wait=wait):
        if dead.entries:
            return


def _finish_unless_busy(session: Session) -> None:
    """Do what an init that was killed after its last change did not live to do. Other commands go first."""
    layout = session.layout
    if is_compiled(layout) and not (os.path.isdir(layout.temporary) and os.listdir(layout.temporary)):
        return
    with suppress(LockTimeout, Gr2Error), FileLock(layout.lock("workspace")):
        _clear_up(session, wait=0)
        refresh_compiled(layout)
