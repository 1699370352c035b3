"""Finds existing clones, to be named in a spec where they are. They are only read: nothing in them is changed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gr2.errors import Invalid
from gr2.model.hints import git_at
from gr2.model.names import fault_of_path, is_name, is_ref
from gr2.model.outcome import Issue
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.model.url import fault_of_url, has_credentials, scheme_of
from gr2.ops.git_questions import HEAD_REF, ORIGIN_HEAD, ORIGIN_URL, ask_each, branch_of
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What a directory of clones gave: a repo for each, and an issue for each thing passed over."""

    repos: tuple[Repo, ...]
    issues: tuple[Issue, ...]


def adopt_clones(session: Session, folder: str, *, taken: Sequence[str] = ()) -> Adopted:
    """The clones directly inside the absolute directory `folder`, which lies in the workspace.

    A repo is named like its directory; its URL is that of `origin`, its default branch the one `origin` has, else the
    one checked out. Names in `taken` are passed over. Raises Invalid when `folder` is no directory of the workspace.
    """
    inside = _inside(session.root, folder)
    found: list[str] = []
    issues: list[Issue] = []
    names = {name.casefold() for name in taken}
    for name in _directories(folder):
        path = f"{inside}/{name}" if inside else name
        reason = _why_not(os.path.join(folder, name), name, path, names)
        if reason is None:
            names.add(name.casefold())
            found.append(path)
        elif reason:
            issues.append(_passed_over(path, reason))
    repos: list[Repo] = []
    answered = ask_each(session, found, (ORIGIN_URL, ORIGIN_HEAD, HEAD_REF))
    for path, answers in zip(found, answered, strict=True):
        made = _passed_over(path, "git cannot read it") if answers is None else _repo(session.root, path, answers)
        if isinstance(made, Repo):
            repos.append(made)
        else:
            issues.append(made)
    return Adopted(repos=tuple(repos), issues=tuple(sorted(issues, key=lambda issue: issue.subject)))


def _inside(root: str, folder: str) -> str:
    """The workspace-relative path of `folder`, "" for the workspace itself."""
    if not os.path.isdir(folder):
        raise Invalid("not_a_directory", f"{folder} is no directory", subject=folder, hint="name a directory of clones")
    relative = os.path.relpath(os.path.realpath(folder), os.path.realpath(root))
    if relative == ".":
        return ""
    reason = fault_of_path(relative)
    if reason is not None:
        raise Invalid(
            "unsafe_path",
            f"clones cannot be adopted from there: {reason}",
            subject=folder,
            hint="name a directory inside the workspace, or move the clones there",
        )
    return relative


def _directories(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and entry.name not in {".grip", ".git"})
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Invalid("not_a_directory", f"{folder} cannot be read: {reason}", subject=folder) from error


def _why_not(directory: str, name: str, path: str, taken: set[str]) -> str | None:
    """Why `directory` is not adopted: None if it is, "" if nobody would expect it to be."""
    reason = _why_no_clone(directory)
    if reason is not None:
        return "" if name.startswith(".") and not os.path.lexists(os.path.join(directory, ".git")) else reason
    if not is_name(name):
        return "its name cannot be the name of a repo: rename the directory"
    if name.casefold() in taken:
        return "there is a repo of that name already"
    return fault_of_path(path)


def _why_no_clone(directory: str) -> str | None:
    if os.path.islink(directory):
        return "it is a symbolic link"
    git_dir = os.path.join(directory, ".git")
    if os.path.isdir(git_dir) and not os.path.islink(git_dir):
        return None
    if os.path.lexists(git_dir):
        return "it is a linked worktree or a submodule: its repository is elsewhere"
    if all(os.path.exists(os.path.join(directory, part)) for part in ("HEAD", "objects", "refs")):
        return "it is a bare repository: it has no working tree"
    return "it is no git clone"


def _repo(root: str, path: str, answers: Sequence[str | None]) -> Repo | Issue:
    url, remote_head, head = answers
    if not url:
        return _passed_over(path, "it has no remote called origin")
    if has_credentials(url):
        return Issue(
            code="credentials_in_url",
            scope="repo",
            subject=path,
            message="the clone was not adopted: the URL of its origin holds a secret",
            hint=f"{git_at(root, path, 'remote', 'set-url', 'origin', 'URL')}, without the secret",
            blocking=False,
        )
    reason = fault_of_url(url)
    if reason is not None:
        return _passed_over(path, f"the URL of its origin cannot be used: {reason}")
    if scheme_of(url) is None and not os.path.isabs(url):
        # git takes a relative path from the clone, a spec takes it from the workspace.
        url = os.path.relpath(os.path.normpath(os.path.join(root, path, url)), root)
    branch = _branch(remote_head, "refs/remotes/origin/") or _branch(head, "refs/heads/")
    return Repo(name=path.rpartition("/")[2], path=path, url=url, default_branch=branch)


def _branch(ref: str | None, prefix: str) -> str | None:
    name = branch_of(ref, prefix)
    return name if name is not None and is_ref(name) else None


def _passed_over(path: str, reason: str) -> Issue:
    return Issue(
        code="not_adopted",
        scope="repo",
        subject=path,
        message=f"the directory was not adopted: {reason}",
        blocking=False,
    )
