"""What the spec and the repositories allow of a new lane (contract, page 3, "Constraints")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gr2.edges.git import Place
from gr2.errors import Blocked
from gr2.model.hints import quoted
from gr2.model.hooks import HOOKS_FILE
from gr2.model.lane import LaneState
from gr2.model.names import nearest
from gr2.model.outcome import Issue
from gr2.model.spec import Unit
from gr2.session import Session
from gr2.store.lanes import read_lanes
from gr2.store.mirrors import inspect_mirror

_PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
_SCOPE = r"[A-Za-z0-9._/-]+"


def check_lane_constraints(session: Session, unit: Unit, name: str, kind: str, bases: Mapping[str, str]) -> None:
    """Raise Blocked unless `unit` may have another lane `name` of this `kind` over the repos of `bases` (repo to base
    branch; their mirrors are there). The error's `issues` are all that is in the way."""
    issues = (
        *_kind_of_unit(unit, name, kind),
        *_kind_of_repos(session, name, kind, bases),
        *_name(session.spec.workspace_constraints.lane_naming_convention, name, kind),
        *_limit(session, unit, name),
    )
    if issues:
        first = issues[0]
        error = Blocked(
            first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint, details=first.details
        )
        error.__dict__["issues"] = issues
        raise error


def name_pattern(convention: str, kind: str) -> re.Pattern[str]:
    """What a lane's name must match: `<kind>` is the lane's type, any other `<word>` letters, digits and `._/-`."""
    parts = []
    position = 0
    for found in _PLACEHOLDER.finditer(convention):
        parts.append(re.escape(convention[position : found.start()]))
        parts.append(re.escape(kind) if found.group(1) == "kind" else _SCOPE)
        position = found.end()
    parts.append(re.escape(convention[position:]))
    return re.compile("".join(parts))


def _kind_of_unit(unit: Unit, name: str, kind: str) -> Iterator[Issue]:
    allowed = unit.constraints.allowed_lane_kinds
    if allowed is not None and kind not in allowed:
        yield _kind_issue(name, kind, allowed, f"unit {unit.name} may have lanes of type", unit=unit.name)


def _kind_of_repos(session: Session, name: str, kind: str, bases: Mapping[str, str]) -> Iterator[Issue]:
    for repo, allowed in sorted(allowed_kinds(session, bases).items()):
        if kind not in allowed:
            yield _kind_issue(name, kind, allowed, f"the policy of {repo} allows lanes of type", repo=repo)


def _kind_issue(name: str, kind: str, allowed: tuple[str, ...], who: str, **details: str) -> Issue:
    names = ", ".join(allowed) or "none"
    close = nearest(kind, allowed)
    suggestion = {"suggestion": close} if close else {}
    return Issue(
        code="lane_kind_not_allowed",
        scope="lane",
        subject=name,
        message=f"{who} {names}, not {kind}",
        hint=f"--type {close or allowed[0]}" if allowed else "",
        details={"kind": kind, "allowed": list(allowed), **details, **suggestion},
    )


def allowed_kinds(session: Session, bases: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """For each repo whose `[policy] allow_lane_kinds` says so at the commit its base is at: the allowed kinds.

    A hooks file that cannot be read as such allows everything: `invalid_hooks` is said where hooks are used.
    """
    repos = []
    commands = []
    for repo, base in bases.items():
        mirror = inspect_mirror(session.layout.mirror(repo))
        commit = mirror.branches().get(base)
        if commit is not None:
            repos.append(repo)
            args = ["cat-file", "blob", f"{commit}:{HOOKS_FILE}"]
            commands.append(session.git.command(args, at=Place.bare(mirror.path)))
    found: dict[str, tuple[str, ...]] = {}
    for index, completed in session.git.run_many(commands, jobs=4):
        kinds = _kinds_in(completed.stdout) if completed.exit_code == 0 else None
        if kinds is not None:
            found[repos[index]] = kinds
    return found


def _kinds_in(data: bytes) -> tuple[str, ...] | None:
    from gr2.store.hooks_file import HooksInvalid, parse_table

    try:
        policy = parse_table(data).get("policy")
    except HooksInvalid:
        return None
    kinds = policy.get("allow_lane_kinds") if isinstance(policy, dict) else None
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        return None
    return tuple(kinds)


def _name(convention: str | None, name: str, kind: str) -> Iterator[Issue]:
    if convention and not name_pattern(convention, kind).fullmatch(name):
        example = _PLACEHOLDER.sub(lambda found: kind if found.group(1) == "kind" else found.group(1), convention)
        yield Issue(
            code="lane_name_not_allowed",
            scope="lane",
            subject=name,
            message=f"names of lanes follow {convention} here",
            hint=f"for example {example}",
            details={"convention": convention, "kind": kind},
        )


def _limit(session: Session, unit: Unit, name: str) -> Iterator[Issue]:
    limit = unit.constraints.lane_limit
    if limit is None:
        return
    lanes = [
        lane for lane in read_lanes(session.layout, session.spec, (unit.name,)) if lane.state is not LaneState.ARCHIVED
    ]
    if len(lanes) >= limit:
        oldest = min(lanes, key=lambda lane: lane.created_at, default=None)
        yield Issue(
            code="lane_limit_reached",
            scope="unit",
            subject=unit.name,
            message=f"unit {unit.name} may have {limit} {'lane' if limit == 1 else 'lanes'}, and has {len(lanes)}",
            hint=f"gr2 lane archive {quoted(oldest.id)}" if oldest is not None else "raise lane_limit in the spec",
            details={"limit": limit, "lanes": [lane.name for lane in lanes], "lane": name},
        )
