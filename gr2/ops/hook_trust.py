"""Whether a hooks file may act: a person approved its content, its URL, or this one run (contract, page 4, "Trust")."""

from __future__ import annotations

from collections.abc import Iterable

from gr2.model.hints import quoted
from gr2.model.hooks import HOOKS_FILE, HooksFile
from gr2.model.outcome import Issue
from gr2.ops.hook_places import HookPlace
from gr2.ops.materialize import canonical_url
from gr2.session import Session
from gr2.store.hooks_file import HooksInvalid, parse_hooks, read_hooks_bytes
from gr2.store.trust import Approvals, is_trusted_url


class Trust:
    """The approvals that hold for one run. `all_hooks`: `--trust-hooks`; the environment may say the same."""

    def __init__(self, session: Session, *, all_hooks: bool = False) -> None:
        self._session = session
        self._all = all_hooks or session.settings.trust_hooks
        self._approvals = Approvals(session.asked.environ, session.root)
        self._hashes: dict[str, frozenset[str]] = {}
        self._urls: dict[str, bool] = {}
        self._refused: dict[str, tuple[HookPlace, list[str]]] = {}

    def allows(self, place: HookPlace, found: HooksFile) -> bool:
        """Whether the hooks file may act in this checkout. Says nothing; see `refuse`."""
        return self.approves(place, found.digest)

    def approves(self, place: HookPlace, digest: str) -> bool:
        """The same for a hooks file by the SHA-256 of its bytes."""
        if self._all:
            return True
        url = canonical_url(self._session, place.repo)
        if url not in self._hashes:
            self._hashes[url] = self._approvals.hashes(url)
            patterns = self._session.settings.trusted_urls
            self._urls[url] = is_trusted_url(url, patterns, base=self._session.root)
        return self._urls[url] or digest in self._hashes[url]

    def refuse(self, place: HookPlace) -> None:
        """Note that hooks or projections did not act here because nobody approved them."""
        first, paths = self._refused.setdefault(place.repo.name, (place, []))
        del first
        paths.append(place.path)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """One `untrusted_hooks` for each repo that was refused."""
        return tuple(_untrusted(name, place, paths) for name, (place, paths) in sorted(self._refused.items()))


def waiting_for_trust(session: Session, places: Iterable[HookPlace]) -> tuple[Issue, ...]:
    """One `untrusted_hooks` for each repo whose hooks file would act in one of `places`, had somebody approved it.

    Reads files only; what is approved is not even parsed, and what is invalid is spoken of elsewhere.
    """
    import hashlib

    trust = Trust(session)
    acts: dict[bytes, bool] = {}
    for place in places:
        try:
            data = read_hooks_bytes(session.layout.at(place.path))
            if data is None or trust.approves(place, hashlib.sha256(data).hexdigest()):
                continue
            if data not in acts:
                found = parse_hooks(data)
                acts[data] = bool(found.hooks or found.gates or found.projections)
        except HooksInvalid:
            continue
        if acts[data]:
            trust.refuse(place)
    return trust.issues


def _untrusted(name: str, place: HookPlace, paths: list[str]) -> Issue:
    lane = f" --lane {quoted(place.lane.id)}" if place.lane is not None else ""
    return Issue(
        code="untrusted_hooks",
        scope="hook",
        subject=name,
        message=f"nobody has approved the {HOOKS_FILE} of {name}: its hooks, gates and projections do not act",
        hint=f"gr2 hooks trust {quoted(name)}" + lane,
        blocking=False,
        details={"repo": name, "checkouts": list(dict.fromkeys(paths))},
    )
