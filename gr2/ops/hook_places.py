"""Where lifecycle hooks and projections act: the checkouts, what their hooks files say, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from gr2.edges.files import is_inside
from gr2.errors import Gr2Error
from gr2.model.hints import place_at
from gr2.model.hooks import HOOKS_FILE, Hook, HooksFile
from gr2.model.lane import REVIEW_KIND, Lane, LaneState, subject_of
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.model.spec import Repo, Unit
from gr2.model.template import NoValue, fill, variables_in
from gr2.ops.context import named_units
from gr2.session import Session
from gr2.store.hooks_file import HooksFault, HooksInvalid, parse_hooks, read_hooks_bytes


@dataclass(frozen=True, kw_only=True)
class HookPlace:
    """One checkout of a repo: shared without a unit, a unit's without a lane. `path` is relative to the workspace."""

    repo: Repo
    path: str
    unit: Unit | None = None
    lane: Lane | None = None

    @property
    def scope(self) -> str:
        """shared, unit or lane."""
        return "lane" if self.lane else "unit" if self.unit else "shared"

    @property
    def unit_name(self) -> str:
        """The unit's name, "" for a shared checkout."""
        return self.unit.name if self.unit else ""

    @property
    def lane_name(self) -> str:
        """The lane's name, "" outside lanes."""
        return self.lane.name if self.lane else ""

    @property
    def label(self) -> str:
        """What to call it: "app", "app (alpha)", "app (alpha/feat)"."""
        owner = "/".join(filter(None, (self.unit_name, self.lane_name)))
        return f"{self.repo.name} ({owner})" if owner else self.repo.name

    def roots(self) -> dict[str, str]:
        """The variables that name directories, relative to the workspace ("" is the workspace itself)."""
        found = {"workspace_root": "", "repo_root": self.path}
        if self.unit is not None:
            found["unit_root"] = self.unit.path
            if self.lane is not None:
                found["lane_root"] = f"{self.unit.path}/lanes/{self.lane.name}"
        return found

    def variables(self, session: Session) -> dict[str, str]:
        """Every variable that has a value here."""
        values = {name: session.layout.at(path) for name, path in self.roots().items()}
        values["repo_name"] = self.repo.name
        if self.lane is not None:
            values["lane_owner"] = self.lane.unit
            values["lane_name"] = self.lane.name
            values["lane_subject"] = subject_of(self.lane.name, self.lane.kind)
        return values

    def lacks(self, session: Session, hook: Hook) -> bool:
        """Whether the hook uses a variable that has no value here."""
        have = self.variables(session)
        return any(name not in have for text in (hook.command, hook.cwd) for name in variables_in(text))


def lane_places(session: Session, unit: Unit, lane: Lane) -> list[HookPlace]:
    """The checkouts of a lane, in its order."""
    found = []
    for name in lane.repos:
        repo = session.spec.repo(name)
        if repo is not None:
            path = f"{unit.path}/lanes/{lane.name}/repos/{name}"
            found.append(HookPlace(repo=repo, path=path, unit=unit, lane=lane))
    return found


def all_places(session: Session, lanes: Iterable[Lane]) -> Iterator[HookPlace]:
    """Every checkout where `apply` may run hooks, with `--unit` those of that unit and its `lanes`: not those of
    reviews, nor of lanes that are frozen."""
    for repo in () if session.asked.unit else session.spec.repos:
        yield HookPlace(repo=repo, path=repo.path)
    for unit in named_units(session):
        for name in unit.repos:
            found = session.spec.repo(name)
            if found is not None:
                yield HookPlace(repo=found, path=f"{unit.path}/repos/{name}", unit=unit)
    for lane in lanes:
        owner = session.spec.unit(lane.unit)
        if owner is not None and lane.state is LaneState.ACTIVE and lane.kind != REVIEW_KIND:
            yield from lane_places(session, owner, lane)


@dataclass
class HooksReader:
    """Reads and checks hooks files, each content once. `issues` are what is wrong with them (`invalid_hooks`)."""

    session: Session
    blocking: bool = True
    issues: list[Issue] = field(default_factory=list)
    invalid: set[str] = field(default_factory=set)
    _parsed: dict[bytes, HooksFile | HooksInvalid] = field(default_factory=dict)
    _told: set[tuple[str, str, str]] = field(default_factory=set)
    _runtimes: dict[str, Any] = field(default_factory=dict)

    def read(self, place: HookPlace, data: bytes | HooksFault | None = None) -> HooksFile | None:
        """The valid hooks file of a checkout (or the bytes `data` of one that is not there yet), else None."""
        checkout = self.session.layout.at(place.path)
        on_disk = data is None
        try:
            if isinstance(data, HooksFault):
                raise HooksInvalid(data)
            data = read_hooks_bytes(checkout) if data is None else data
            if data is None:
                return None
            found = self._parse(data)
            faults = [*self._runtime_faults(found), *_place_faults(self.session, place, found, on_disk=on_disk)]
            if faults:
                raise HooksInvalid(*faults)
        except HooksInvalid as error:
            self._tell(place, error)
            return None
        return found

    def _parse(self, data: bytes) -> HooksFile:
        if data not in self._parsed:
            try:
                self._parsed[data] = parse_hooks(data)
            except HooksInvalid as error:
                self._parsed[data] = error
        found = self._parsed[data]
        if isinstance(found, HooksInvalid):
            raise found
        return found

    def runtime(self, name: str) -> Any:
        """The hook runtime called `name`. Raises Gr2Error."""
        if name not in self._runtimes:
            self._runtimes[name] = _plugins(self.session).make("runtime", name, self.session)
        return self._runtimes[name]

    def _runtime_faults(self, found: HooksFile) -> Iterator[HooksFault]:
        for hook in found.hooks:
            try:
                reason = self.runtime(hook.runtime).fault(hook.command)
            except Gr2Error as error:
                near = str(error.details.get("suggestion", ""))
                yield HooksFault(key=f"{hook.key}.runtime", message=error.message, suggestion=near)
                continue
            if reason is not None:
                yield HooksFault(key=f"{hook.key}.command", message=f"is no command: {reason}")

    def _tell(self, place: HookPlace, error: HooksInvalid) -> None:
        self.invalid.add(place.path)
        for fault in error.faults[:50]:
            said = (place.repo.name, fault.key, fault.message)
            if said not in self._told:
                self._told.add(said)
                self.issues.append(_issue(self.session.root, place, fault, self.blocking))


def _issue(root: str, place: HookPlace, fault: HooksFault, blocking: bool) -> Issue:
    path = f"{place.path}/{HOOKS_FILE}"
    line = {"line": fault.line} if fault.line is not None else {}
    near = {"suggestion": fault.suggestion} if fault.suggestion else {}
    edit = f"edit {place_at(root, path)}"
    about = f"{fault.key} " if fault.key else ""
    return Issue(
        code="invalid_hooks",
        scope="hook",
        subject=fault.key or path,
        message=f"{about}{fault.message} ({place.repo.name})",
        hint=f"did you mean {fault.suggestion}? {edit}" if fault.suggestion else edit,
        blocking=blocking,
        details={"repo": place.repo.name, "path": path, **line, **near},
    )


def _place_faults(session: Session, place: HookPlace, found: HooksFile, *, on_disk: bool) -> Iterator[HooksFault]:
    """What is wrong with paths in this checkout. Without it on disk only what their text says."""
    values = place.variables(session)
    checkout = session.layout.at(place.path)
    for hook in found.hooks:
        reason = None if place.lacks(session, hook) else _cwd_fault(checkout, hook.cwd, values, on_disk)
        if reason is not None:
            yield HooksFault(key=f"{hook.key}.cwd", message=reason)
    for projection in found.projections if on_disk else ():
        if projection.scope in {"", place.scope}:
            reason = source_fault(checkout, projection.src, projection.kind)
            if reason is not None:
                yield HooksFault(key=f"{projection.key}.src", message=reason)


def _cwd_fault(checkout: str, cwd: str, values: Mapping[str, str], on_disk: bool) -> str | None:
    path = os.path.normpath(os.path.join(checkout, fill(cwd, values)))
    if not is_inside(path, checkout):
        return "is not inside the checkout"
    if on_disk and not is_inside(os.path.realpath(path), os.path.realpath(checkout)):
        return "leads out of the checkout through a link"
    return None


def hook_directory(session: Session, place: HookPlace, hook: Hook) -> str | None:
    """Where the hook runs: absolute, links resolved; None when that is no directory inside the checkout.

    Raises NoValue.
    """
    checkout = os.path.realpath(session.layout.at(place.path))
    path = os.path.realpath(os.path.join(session.layout.at(place.path), fill(hook.cwd, place.variables(session))))
    parts = os.path.relpath(path, checkout).split("/")
    if not is_inside(path, checkout) or ".git" in parts or not os.path.isdir(path):
        return None
    return path


def source_fault(checkout: str, src: str, kind: str) -> str | None:
    """Why the file `src` of a checkout cannot be projected, or None."""
    top = os.path.realpath(checkout)
    path = os.path.realpath(os.path.join(top, src))
    if not is_inside(path, top) or path == top:
        return "leads out of the repo through a link"
    if ".git" in os.path.relpath(path, top).split("/"):
        return "leads into .git"
    if not os.path.lexists(path):
        return "is not there"
    if kind == "copy" and not os.path.isfile(path):
        return "is no file: only files are copied"
    return None


def _plugins(session: Session) -> Any:
    if session.plugins is not None:
        return session.plugins
    from gr2.plugin.manager import open_plugins

    return open_plugins(session.settings, session.asked.environ)


__all__ = ["HookPlace", "HooksReader", "NoValue", "all_places", "hook_directory", "lane_places", "source_fault"]
