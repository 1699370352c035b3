"""Moves a repository's mirror and checkouts to a new URL, once a person accepted it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from gr2.edges.files import write_whole
from gr2.edges.git import Place
from gr2.edges.git.refs import refs_digest
from gr2.model.event.sync import SyncCacheRefreshed
from gr2.model.outcome import Operation
from gr2.model.records import dataclass
from gr2.model.spec import Repo
from gr2.ops.materialize import canonical_url, remote_url
from gr2.ops.mutation import Mutation
from gr2.ops.steps import Step
from gr2.store.mirrors import quoted

_ORIGIN = re.compile(r'^\[remote "origin"\]\s*\n((?:[ \t]+.*\n|[ \t]*\n)*)', re.MULTILINE)
_URL = re.compile(r'^[ \t]*url = "?(.*?)"?[ \t]*$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class AcceptUrl:
    """Point the mirror and the checkouts at `paths` (workspace-relative) to the spec's URL, and fetch from there.

    The fetch comes first: when the new URL cannot be read, nothing has moved.
    """

    repo: Repo
    paths: tuple[str, ...] = ()
    doing = "moving to its new URL"
    needs: Step | None = None

    @property
    def operation(self) -> Operation:
        path = f".grip/cache/repos/{self.repo.name}.git"
        return Operation(kind="cache.refresh", repo=self.repo.name, path=path, details={"url": self.repo.url})

    def run(self, run: Mutation) -> Mapping[str, Any]:
        from gr2.ops.sync_fetch import mirror_locked

        session = run.session
        url = remote_url(session, self.repo)
        mirror = Place.bare(session.layout.mirror(self.repo.name))
        with mirror_locked(run, self.repo.name):
            self._fetch(run, mirror, url)
        for path in self.paths:
            session.git.run(["config", "remote.origin.url", url], at=Place.checkout(session.layout.at(path)))
        config = os.path.join(mirror.git_dir, "config")
        with open(config, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
        text = re.sub(
            r"(?m)^(\s*mirrorOf = ).*$", lambda match: match.group(1) + quoted(canonical_url(session, self.repo)), text
        )
        text = re.sub(r"(?m)^(\s*url = ).*$", lambda match: match.group(1) + quoted(url), text, count=1)
        write_whole(config, text.encode(errors="surrogateescape"))
        return {"checkouts": list(self.paths)}

    def _fetch(self, run: Mutation, mirror: Place, url: str) -> None:
        """Fetch everything, and tell of it if a reference moved."""
        session, name = run.session, self.repo.name
        event_id, refs, started = session.ids.event(), refs_digest(mirror.git_dir), session.clock.monotonic()
        event = SyncCacheRefreshed(repo=name, duration_ms=0)
        run.promise_of_mirror(event, event_id, path=mirror.git_dir, refs=refs)
        specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        try:
            session.git.run(["fetch", "--prune", "--progress", "--", url, *specs], at=mirror, network=True)
        finally:
            if refs_digest(mirror.git_dir) == refs:
                run.withdraw(event_id)
            else:
                duration = round((session.clock.monotonic() - started) * 1000)
                run.tell(SyncCacheRefreshed(repo=name, duration_ms=duration), event_id)


def recorded_origin(checkout: str) -> str | None:
    """The URL that a checkout's own configuration gives for `origin`, read from its file; None when it has none."""
    try:
        with open(os.path.join(checkout, ".git/config"), encoding="utf-8", errors="surrogateescape") as file:
            section = _ORIGIN.search(file.read(1 << 20) + "\n")
    except OSError:
        return None
    match = _URL.search(section.group(1)) if section else None
    return match.group(1).replace('\\"', '"').replace("\\\\", "\\") if match else None
