"""Which workspace a command is about (contract, page 1, "Context")."""

from __future__ import annotations

import os

from gr2.edges.files import parents
from gr2.errors import Invalid
from gr2.model.names import has_control
from gr2.model.spec import Spec
from gr2.store.layout import SPEC_FILE, Layout
from gr2.store.spec_file import load_spec, missing_spec


def find_workspace(cwd: str, named: str, environ_value: str) -> str:
    """The absolute root of the workspace: `named` (`-C`), else `environ_value` (`GR2_WORKSPACE`), else the nearest
    directory from the absolute path `cwd` upwards that holds a spec.

    A spec inside a checkout of an enclosing workspace is passed over. Raises Invalid `missing_spec` when there is none,
    `unsafe_path` for a root that holds control characters. Whether the spec is sound is not looked at here.
    """
    outright = named or environ_value
    if outright:
        root = os.path.normpath(os.path.join(cwd, outright))
        if not _holds_spec(root):
            raise missing_spec(root)
        return safe_root(root)
    found = _nearest(cwd)
    if found is None:
        # The way here may lead through a link into a workspace that the spelled path does not name.
        physical = os.path.realpath(cwd)
        found = _nearest(physical) if physical != cwd else None
    if found is None:
        raise missing_spec(cwd, named=False)
    return safe_root(found)


def safe_root(root: str) -> str:
    """`root`. Raises Invalid `unsafe_path` when it cannot be the root of a workspace."""
    if has_control(root):
        raise Invalid(
            "unsafe_path",
            "the path of the workspace holds control characters",
            subject=root,
            hint="move the workspace to a directory with a plain name",
        )
    return root


def enclosing_workspace(directory: str) -> str | None:
    """The workspace in whose checkout the absolute, link-free `directory` lies, or None."""
    for above in parents(os.path.dirname(directory)):
        if _holds_spec(above) and _is_checkout(above, directory):
            return above
    return None


def is_in_checkout(spec: Spec, relative: str) -> bool:
    """Whether the workspace-relative path `relative` is, or lies in, a shared, unit or lane checkout of `spec`."""
    parts = relative.split("/")
    if any(_starts(parts, repo.path) for repo in spec.repos):
        return True
    for unit in spec.units:
        if _starts(parts, unit.path):
            rest = parts[len(unit.path.split("/")) :]
            if rest[:1] == ["repos"] and len(rest) > 1:
                return True
            # No component of a lane's name is "repos", so the first one ends it.
            if rest[:1] == ["lanes"] and "repos" in rest[1:-1]:
                return True
    return False


def _nearest(start: str) -> str | None:
    for directory in parents(start):
        if _holds_spec(directory) and enclosing_workspace(os.path.realpath(directory)) is None:
            return directory
    return None


def _holds_spec(directory: str) -> bool:
    return os.path.lexists(os.path.join(directory, SPEC_FILE))


def _is_checkout(workspace: str, directory: str) -> bool:
    try:
        spec = load_spec(Layout(workspace))
    except Invalid:
        # A broken spec says nothing of its checkouts: what git manages on the way up is taken for one of them.
        between = [above for above in parents(directory) if len(above) > len(workspace)]
        return any(os.path.lexists(os.path.join(above, ".git")) for above in between)
    return is_in_checkout(spec, os.path.relpath(directory, workspace))


def _starts(parts: list[str], path: str) -> bool:
    prefix = path.split("/")
    return parts[: len(prefix)] == prefix
