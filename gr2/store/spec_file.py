"""Reads the spec of a workspace: quickly when it was compiled before, with every rule checked when it was not.

Commands that change something leave a compiled copy behind, `.grip/state/spec.json`. It counts only for the file it
was made from, so that editing the spec by hand needs no further step, and reading commands write nothing. The file's
inode and time of change belong to that: whoever brings a spec along in a repository or an archive cannot bring a
compiled copy that was never checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gr2 import __version__
from gr2.edges.files import read_regular
from gr2.errors import Gr2Error, Invalid
from gr2.model.outcome import Issue
from gr2.model.spec import MergeOrder, Repo, Spec, Unit, UnitConstraints, WorkspaceConstraints
from gr2.store.layout import SPEC_FILE, Layout

if TYPE_CHECKING:
    from gr2.store.spec_rules import Fault

SIZE_LIMIT = 1 << 20
ISSUE_LIMIT = 100
_COMPILED_VERSION = 2
_IDENTITY = ("source", "inode", "ctime_ns")
_COMPILED_LIMIT = 16 << 20


class SpecInvalid(Invalid):
    """The spec has faults; `issues` are all of them (the first hundred of a hopeless spec)."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        first = self.issues[0]
        super().__init__(
            first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint, details=first.details
        )


def load_spec(layout: Layout) -> Spec:
    """The spec of the workspace at `layout`; from the compiled copy when that is of the same bytes.

    Raises Invalid `missing_spec`, and SpecInvalid with every fault found.
    """
    data = read_spec_bytes(layout)
    spec = _read_compiled(layout, data)
    if spec is not None and _has_no_link(layout.root, spec):
        return spec
    return parse_spec(data, layout.root)


def read_spec_bytes(layout: Layout) -> bytes:
    """The bytes of the spec file. Raises Invalid `missing_spec`; SpecInvalid when they cannot be those of a spec."""
    import errno

    try:
        data = read_regular(layout.spec, limit=SIZE_LIMIT)
    except OSError as error:
        reasons = {errno.EFBIG: "the spec is over 1 MiB", errno.ELOOP: "the spec is a symbolic link"}
        if error.errno in {errno.ENOTDIR}:
            raise missing_spec(layout.root) from error
        reason = reasons.get(error.errno or 0, f"the spec cannot be read: {(error.strerror or 'unknown').lower()}")
        raise SpecInvalid([_file_issue(reason)]) from error
    if data is None:
        raise missing_spec(layout.root)
    return data


def missing_spec(directory: str, *, named: bool = True) -> Invalid:
    """The error for a directory that is no workspace: one that was `named`, or where the command was started."""
    from gr2.model.hints import quoted
    from gr2.model.names import visible

    return Invalid(
        "missing_spec",
        f"no workspace: {visible(directory)} holds no {SPEC_FILE}",
        subject=directory,
        hint=f"gr2 workspace init {quoted(directory)} --name NAME" if named else "gr2 workspace init --name NAME",
        details={"path": directory},
    )


def parse_spec(text: bytes, root: str) -> Spec:
    """The spec that the bytes `text` say, for the workspace at the absolute path `root`, whose links are looked at.

    Raises SpecInvalid with every fault found, whatever the bytes are.
    """
    from gr2.store.spec_source import SourceFault, read_source

    try:
        source = read_source(text)
    except SourceFault as fault:
        raise SpecInvalid([_file_issue(fault.message, fault.line)]) from fault
    from gr2.store.spec_check import check

    spec, faults = check(source.data, root)
    if spec is None:
        raise SpecInvalid(_issues(faults, source.line))
    return spec


def parse_with_secrets(text: bytes, root: str) -> Spec | None:
    """The spec whose only faults are secrets in URLs, the URLs with `***`; None for any other. Only for showing it."""
    from dataclasses import replace

    from gr2.model.url import redact
    from gr2.store.spec_check import check
    from gr2.store.spec_source import SourceFault, read_source

    try:
        data = read_source(text).data
    except SourceFault:
        return None
    spec, faults = check(data, root)
    if spec is not None or any(fault.code != "credentials_in_url" for fault in faults):
        return None
    tables = [data["repos"][fault.where[1]] for fault in faults]
    urls = [table["url"] for table in tables]
    for table in tables:
        table["url"] = "https://example.invalid/"
    spec, _ = check(data, root)
    if spec is None:
        return None
    shown = {table["name"]: redact(url) for table, url in zip(tables, urls, strict=True)}
    return replace(spec, repos=tuple(replace(repo, url=shown.get(repo.name, repo.url)) for repo in spec.repos))


def write_compiled(layout: Layout, spec: Spec, source: bytes) -> None:
    """Leave the compiled copy of `spec`, made from the bytes `source`. Only commands that change something may, with
    the workspace lock held.

    It is a convenience: when it cannot be written, the next command reads the spec itself.
    """
    from dataclasses import asdict

    from gr2.store.state_file import write_state

    try:
        value = {**_identity(layout, source), "gr2": __version__, "spec": asdict(spec)}
        write_state(layout.compiled_spec, value, version=_COMPILED_VERSION)
    except (Gr2Error, OSError):
        return


def is_compiled(layout: Layout) -> bool:
    """Whether the compiled copy fits the spec file."""
    return _read_compiled(layout, read_spec_bytes(layout)) is not None


def refresh_compiled(layout: Layout) -> None:
    """Make the compiled copy fit the spec file again, if it does not; a spec with faults is left alone."""
    try:
        if not is_compiled(layout):
            data = read_spec_bytes(layout)
            write_compiled(layout, parse_spec(data, layout.root), data)
    except Invalid:
        return


def _file_issue(reason: str, line: int | None = None) -> Issue:
    details = {} if line is None else {"line": line}
    hint = f"edit {SPEC_FILE}"
    return Issue(code="invalid_spec", scope="workspace", subject=SPEC_FILE, message=reason, hint=hint, details=details)


def _issues(faults: list[Fault], line_of: Any) -> list[Issue]:
    from gr2.model.names import nearest, visible
    from gr2.store.spec_rules import subject_of

    issues: list[Issue] = []
    for fault in faults[:ISSUE_LIMIT]:
        subject = subject_of(fault.where)
        details: dict[str, Any] = {}
        line = line_of(fault.where)
        if line is not None:
            details["line"] = line
        word = fault.word
        suggestion = nearest(word, fault.known) if word and len(word) <= 200 and len(fault.known) <= 2000 else None
        if suggestion is not None:
            details["suggestion"] = suggestion
        scope = {"repos": "repo", "units": "unit", "plugins": "plugin"}.get(
            str(fault.where[0] if fault.where else ""), "workspace"
        )
        hint = fault.hint or (f"did you mean {suggestion}?" if suggestion else f"edit {SPEC_FILE}")
        message = f"{visible(subject) or 'the spec'} {fault.message}"
        issues.append(Issue(code=fault.code, scope=scope, subject=subject, message=message, hint=hint, details=details))
    left = len(faults) - ISSUE_LIMIT
    more = [_file_issue(f"the spec has {left} more faults")] if left > 0 else []
    return sorted(issues, key=lambda issue: issue.details.get("line", 0)) + more


def _identity(layout: Layout, source: bytes) -> dict[str, Any]:
    """What tells the spec file with the bytes `source` from every other one."""
    found = os.lstat(layout.spec)
    return {"source": source.decode(errors="replace"), "inode": found.st_ino, "ctime_ns": found.st_ctime_ns}


def _read_compiled(layout: Layout, source: bytes) -> Spec | None:
    """The spec from the compiled copy, None unless that is whole and of exactly this spec file."""
    import json

    try:
        data = read_regular(layout.compiled_spec, limit=_COMPILED_LIMIT)
        found = json.loads(data) if data is not None else None
        if (
            not isinstance(found, dict)
            or found.get("version") != _COMPILED_VERSION
            or found.get("gr2") != __version__
            or {key: found.get(key) for key in _IDENTITY} != _identity(layout, source)
        ):
            return None
        return _spec_of(found["spec"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _spec_of(found: Mapping[str, Any]) -> Spec:
    limits = found["workspace_constraints"]
    order = limits["merge_order"]
    return Spec(
        workspace_name=found["workspace_name"],
        version=found["version"],
        repos=tuple(Repo(**{**repo, "groups": tuple(repo["groups"])}) for repo in found["repos"]),
        units=tuple(_unit_of(unit) for unit in found["units"]),
        workspace_constraints=WorkspaceConstraints(
            **{
                **limits,
                "requires": tuple(limits["requires"]),
                "merge_order": MergeOrder(strategy=order["strategy"], order=tuple(order["order"])),
            }
        ),
        plugins=found["plugins"],
    )


def _unit_of(found: Mapping[str, Any]) -> Unit:
    limits = found["constraints"]
    kinds = limits["allowed_lane_kinds"]
    constraints = UnitConstraints(**{**limits, "allowed_lane_kinds": None if kinds is None else tuple(kinds)})
    return Unit(**{**found, "repos": tuple(found["repos"]), "constraints": constraints})


def _has_no_link(root: str, spec: Spec) -> bool:
    """Whether no path of `spec` leads through a symbolic link: these may appear without the spec changing."""
    known: set[str] = set()
    for path in [repo.path for repo in spec.repos] + [unit.path for unit in spec.units]:
        here = root
        for part in path.split("/"):
            here = f"{here}/{part}"
            if here in known:
                continue
            if os.path.islink(here):
                return False
            known.add(here)
    return True
