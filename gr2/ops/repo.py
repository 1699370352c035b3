"""`repo status`: the git state of every checkout."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.model.checkout import RepoRow
from gr2.model.outcome import Result, read_status
from gr2.model.records import dataclass
from gr2.ops.checkouts import all_checkouts, inspect
from gr2.ops.context import select_repos
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class RepoStatusResult(Result):
    """One row a checkout: shared ones first, then the units', then the lanes'."""

    repos: tuple[RepoRow, ...]


def repo_status(session: Session, *, repos: Sequence[str] = (), groups: Sequence[str] = ()) -> RepoStatusResult:
    """The state of every checkout of the chosen repos (all by default), with `--unit` of that unit alone. Contacts no
    remote and writes nothing."""
    chosen = {repo.name for repo in select_repos(session, repos, groups)}
    unit = session.asked.unit
    wanted = [item for item in all_checkouts(session) if item.repo in chosen and unit in {"", item.unit}]
    rows, issues = inspect(session, wanted)
    return RepoStatusResult(status=read_status(issues), issues=tuple(issues), repos=tuple(rows))
