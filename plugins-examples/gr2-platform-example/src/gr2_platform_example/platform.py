"""The platform `patchwork`: `<repository>/patchwork/<number>.json` for bare repositories on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gr2.api import (
    AlreadyExists,
    AuthStatus,
    Capabilities,
    Check,
    Conflict,
    FileLock,
    GitError,
    Gr2Error,
    HeadMoved,
    Heads,
    LockTimeout,
    Merged,
    MergeMethod,
    NewPullRequest,
    NotFound,
    NotMergeable,
    OutcomeUnknown,
    Overview,
    Place,
    PlatformError,
    PluginContext,
    PullRef,
    PullRequest,
    Review,
    Transient,
    Unsupported,
    local_path,
    read_regular,
    write_whole,
)

FOLDER = "patchwork"
_LIMIT = 4 << 20
_DEADLINE_SECONDS = 30.0


class Patchwork:
    """The adapter; see `gr2.api.PlatformAdapter` for what each method promises."""

    def __init__(self, context: PluginContext) -> None:
        self._session = context.session

    def matches(self, url: str) -> bool:
        return self._path(url) is not None

    def auth_status(self, url: str) -> AuthStatus:
        return AuthStatus(signed_in=True, user=self.user)

    def capabilities(self, url: str) -> Capabilities:
        return Capabilities(draft=False, merge_methods=("merge",))

    def create_pr(self, new: NewPullRequest, *, timeout: float | None = None) -> PullRequest:
        if new.draft:
            raise Unsupported("there are no drafts")
        with self._held(new.url, timeout) as desk:
            for record in desk.records():
                if (record["state"], record["head"], record["base"]) == ("open", new.head, new.base):
                    raise AlreadyExists("there is one already", number=record["number"])
            head, base = desk.branch(new.head), desk.branch(new.base)
            if not head or not base:
                raise NotFound("there is no such branch", code="unknown_branch")
            if desk.contains(base, head):
                raise NotMergeable("the base has the head already", code="no_commits")
            record = {
                "number": 1 + max((record["number"] for record in desk.records()), default=0),
                "title": new.title,
                "body": new.body,
                "base": new.base,
                "head": new.head,
                "head_sha": head,
                "state": "open",
                "author": self.user,
                "merge_sha": None,
                "checks": {},
                "reviews": [],
            }
            desk.point(record)
            desk.write(record)
            return self._shown(new.url, desk, record)

    def get_pr(self, ref: PullRef, *, timeout: float | None = None) -> PullRequest:
        with self._held(ref.url, timeout) as desk:
            return self._shown(ref.url, desk, desk.record(ref.number))

    def list_prs(
        self, url: str, *, head: str = "", base: str = "", state: str = "open", timeout: float | None = None
    ) -> tuple[PullRequest, ...]:
        with self._held(url, timeout) as desk:
            return tuple(
                self._shown(url, desk, record)
                for record in desk.records()
                if head in {"", record["head"]} and base in {"", record["base"]} and state in {"all", record["state"]}
            )

    def update_pr_body(self, ref: PullRef, body: str, *, timeout: float | None = None) -> None:
        with self._held(ref.url, timeout) as desk:
            desk.write({**desk.record(ref.number), "body": body})

    def mark_ready(self, ref: PullRef, *, timeout: float | None = None) -> None:
        with self._held(ref.url, timeout) as desk:
            desk.record(ref.number)

    def pr_checks(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Check, ...]:
        with self._held(ref.url, timeout) as desk:
            record = desk.record(ref.number)
            found = record["checks"].get(record["head_sha"], {})
            return tuple(Check(name=name, state=state) for name, state in found.items())

    def pr_reviews(self, ref: PullRef, *, timeout: float | None = None) -> tuple[Review, ...]:
        with self._held(ref.url, timeout) as desk:
            return tuple(Review(**review) for review in desk.record(ref.number)["reviews"])

    def merge_pr(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> Merged:
        with self._held(ref.url, timeout) as desk:
            record = desk.record(ref.number)
            if record["state"] != "open":
                raise NotMergeable(f"it is {record['state']}")
            if record["head_sha"] != expected_head:
                raise HeadMoved("the head is another", found=record["head_sha"])
            if method != "merge":
                raise NotMergeable("there is one way to merge only", code="method_not_allowed")
            merge_sha = desk.merge(record, user=self.user)
            desk.write({**record, "state": "merged", "merge_sha": merge_sha})
            return Merged(merge_sha=merge_sha)

    def enable_auto_merge(
        self, ref: PullRef, *, method: MergeMethod, expected_head: str, timeout: float | None = None
    ) -> None:
        raise Unsupported("patchwork does not merge by itself")

    def pr_ref(self, ref: PullRef) -> str:
        return f"refs/patchwork/{ref.number}"

    def prs_overview(self, refs: Sequence[PullRef], *, timeout: float | None = None) -> Mapping[PullRef, Overview]:
        raise Unsupported("patchwork tells of one pull request at a time")

    def branch_heads(self, urls: Sequence[str], *, timeout: float | None = None) -> Mapping[str, Heads]:
        raise Unsupported("ask git")

    @property
    def user(self) -> str:
        """The caller's name here."""
        return str(self._session.actor).rpartition(":")[2]

    def _path(self, url: str) -> str | None:
        return local_path(url, base=self._session.root)

    @contextmanager
    def _held(self, url: str, timeout: float | None) -> Iterator[Desk]:
        path = self._path(url)
        if path is None or not os.path.isdir(os.path.join(path, "objects")):
            raise NotFound("there is no bare repository", code="platform_unreachable")
        seconds = timeout if timeout is not None else _DEADLINE_SECONDS
        try:
            with FileLock(os.path.join(path, f"{FOLDER}.flock"), wait=seconds):
                yield Desk(self._session.git, path, seconds)
        except PlatformError:
            raise
        except LockTimeout as error:
            raise Transient("somebody else keeps the repository locked") from error
        except Gr2Error as error:
            raise OutcomeUnknown(error.message) from error

    def _shown(self, url: str, desk: Desk, record: Mapping[str, Any]) -> PullRequest:
        names = ("title", "body", "base", "head", "head_sha", "state", "author", "merge_sha")
        return PullRequest(
            ref=PullRef(url=url, number=record["number"]),
            mergeable=desk.mergeable(record) if record["state"] == "open" else "unknown",
            **{name: record[name] for name in names},
        )


class Desk:
    """The pull requests of one repository, while its lock is held."""

    def __init__(self, git: Any, path: str, timeout: float) -> None:
        self._git = git
        self._place = Place.bare(path)
        self._timeout = timeout
        self._folder = os.path.join(path, FOLDER)

    def records(self) -> list[dict[str, Any]]:
        """Every pull request, by number, at its branch's head."""
        os.makedirs(self._folder, exist_ok=True)
        numbers = sorted(int(name[:-5]) for name in os.listdir(self._folder) if name[:-5].isdigit())
        return [self.record(number) for number in numbers]

    def record(self, number: int) -> dict[str, Any]:
        """One pull request. Raises NotFound."""
        data = read_regular(os.path.join(self._folder, f"{number}.json"), limit=_LIMIT)
        if data is None:
            raise NotFound(f"there is no pull request {number}", subject=str(number))
        record: dict[str, Any] = json.loads(data)
        head = self.branch(record["head"]) if record["state"] == "open" else ""
        if head and head != record["head_sha"]:
            record["head_sha"] = head
            self.point(record)
            self.write(record)
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Keep a pull request."""
        os.makedirs(self._folder, exist_ok=True)
        write_whole(os.path.join(self._folder, f"{record['number']}.json"), json.dumps(record).encode())

    def point(self, record: Mapping[str, Any]) -> None:
        """Let the pull request's reference be at its head."""
        self._text("update-ref", f"refs/patchwork/{record['number']}", record["head_sha"])

    def branch(self, name: str) -> str:
        """The commit of a branch, "" when there is none."""
        return self._text("for-each-ref", "--format=%(objectname)", f"refs/heads/{name}").partition("\n")[0]

    def contains(self, base: str, head: str) -> bool:
        """Whether `base` has the commit `head`."""
        return bool(self._git.succeeds(["merge-base", "--is-ancestor", head, base], at=self._place))

    def mergeable(self, record: Mapping[str, Any]) -> str:
        """Whether the head merges cleanly into the base."""
        return "yes" if self._tree(record) else "no"

    def merge(self, record: Mapping[str, Any], *, user: str) -> str:
        """Merge it, and give the merge commit. Raises Conflict."""
        tree, base = self._tree(record), self.branch(record["base"])
        if tree is None:
            raise Conflict("base and head do not merge cleanly")
        message = f"Merge #{record['number']}: {record['title']}"
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
               (("NAME", user), ("EMAIL", f"{user}@localhost"))}  # fmt: skip
        args = ["commit-tree", tree, "-p", base, "-p", record["head_sha"], "-F", "-"]
        made = self._git.run(args, at=self._place, input=message.encode(), env=who, timeout=self._timeout)
        commit = str(made.decode().strip())
        self._text("update-ref", f"refs/heads/{record['base']}", commit, base)
        return commit

    def _tree(self, record: Mapping[str, Any]) -> str | None:
        try:
            base = self.branch(record["base"])
            return self._text("merge-tree", "--write-tree", "--no-messages", base, record["head_sha"]).split("\n")[0]
        except GitError as error:
            if error.exit_code in {1, 128}:
                return None
            raise

    def _text(self, *args: str) -> str:
        found = self._git.run(list(args), at=self._place, timeout=self._timeout)
        return str(found.decode(errors="surrogateescape").rstrip("\n"))
