"""What the stand-in knows: repositories, their rules, and their pull requests, computed in real bare repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

METHODS = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}
AUTHOR = "The stand-in <noreply@github.test>"


class Refused(Exception):
    """A request GitHub would refuse with an HTTP status and a message."""

    def __init__(self, status: int, message: str, *, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass(kw_only=True)
class Rule:
    """What a base branch demands. hidden: the caller may not see the rule itself. methods: those a ruleset allows, all
    when empty. linear: no merge commits."""

    approvals: int = 0
    checks: tuple[str, ...] = ()
    code_owners: bool = False
    up_to_date: bool = False
    merge_queue: bool = False
    hidden: bool = False
    ruleset: bool = False
    methods: tuple[str, ...] = ()
    linear: bool = False


@dataclass(kw_only=True)
class CheckReport:
    name: str
    sha: str
    when: int
    status: str = "COMPLETED"
    conclusion: str | None = "SUCCESS"
    workflow: str = "CI"
    event: str = "push"
    is_status: bool = False
    suite: str = ""
    started: bool = True
    required: bool = False


@dataclass(kw_only=True)
class ReviewReport:
    user: str
    state: str
    sha: str
    when: int
    can_push: bool = True


@dataclass(kw_only=True, eq=False)
class Pull:
    repository: Repository
    number: int
    title: str
    body: str
    base: str
    head: str
    head_repository: Repository | None
    author: str
    head_sha: str = ""
    state: str = "OPEN"
    draft: bool = False
    merge_sha: str = ""
    auto_merge: str = ""
    queued: bool = False
    reviews: list[ReviewReport] = field(default_factory=list)
    questions: int = 0

    @property
    def id(self) -> str:
        return f"PR_{self.repository.full_name}#{self.number}"

    def refresh(self) -> None:
        """Follow the head branch, as GitHub does at each push."""
        source = self.head_repository
        found = source.branch(self.head) if source else ""
        if self.state != "OPEN" or not found or found == self.head_sha:
            return
        self.head_sha, self.questions = found, 0
        self.repository.git("fetch", "--quiet", source.path, f"+{found}:refs/pull/{self.number}/head")

    def mergeable(self) -> str:
        """Computed only after it was asked for as often as the repository wants; then for real."""
        self.questions += 1
        if self.state != "OPEN" or self.questions <= self.repository.mergeability_takes:
            return "UNKNOWN"
        return "MERGEABLE" if self.repository.merged_tree(self.base, self.head_sha) else "CONFLICTING"


@dataclass(kw_only=True, eq=False)
class Repository:
    """owner/name and the bare repository behind it."""

    owner: str
    name: str
    path: str
    env: Mapping[str, str]
    methods: tuple[str, ...] = ("merge", "squash", "rebase")
    auto_merge_allowed: bool = True
    drafts_allowed: bool = True
    mergeability_takes: int = 0
    rules: dict[str, Rule] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    checks: list[CheckReport] = field(default_factory=list)
    _trees: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def git(self, *args: str, ok: tuple[int, ...] = (0,), cwd: str = "") -> str:
        done = subprocess.run(
            ["git", *args], cwd=cwd or self.path, env=dict(self.env), capture_output=True, check=False, timeout=60
        )
        if done.returncode not in ok:
            raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="surrogateescape").strip() if done.returncode == 0 else ""

    def branch(self, name: str) -> str:
        try:
            # A git for every look at a branch would be most of what these tests take.
            with open(os.path.join(self.path, "refs", "heads", name), encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            pass
        return self.git("rev-parse", "--quiet", "--verify", f"refs/heads/{name}", ok=(0, 1))

    def branches(self) -> dict[str, str]:
        listed = self.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/")
        rows = (line.partition(" ") for line in listed.splitlines())
        return {ref.removeprefix("refs/heads/"): sha for sha, _, ref in rows}

    def rule(self, branch: str) -> Rule:
        return self.rules.get(branch, Rule())

    def merged_tree(self, base: str, head: str) -> str:
        """The tree of the merge, "" when there are conflicts."""
        pair = self.branch(base), head
        if pair not in self._trees:
            self._trees[pair] = self.git("merge-tree", "--write-tree", *pair, ok=(0, 1)).split("\n")[0]
        return self._trees[pair]

    # Pull requests

    def open_pull(
        self, *, title: str, body: str, base: str, head: str, draft: bool, author: str, source: Repository | None = None
    ) -> Pull:
        source = source or self
        for name, found in (("base", self.branch(base)), ("head", source.branch(head))):
            if not found:
                raise _invalid(name)
        if not title.strip():
            raise _custom("title can't be blank")
        if len(body) > 65_536:
            raise _custom("body is too long (maximum is 65536 characters)")
        if draft and not self.drafts_allowed:
            raise Refused(422, "Draft pull requests are not supported in this repository.")
        if any(
            pull.state == "OPEN" and (pull.base, pull.head, pull.head_repository) == (base, head, source)
            for pull in self.pulls.values()
        ):
            raise _custom(f"A pull request already exists for {source.owner}:{head}.")
        if source is self and self.git("rev-list", "--count", f"refs/heads/{base}..refs/heads/{head}") == "0":
            raise _custom(f"No commits between {base} and {head}")
        number = max(self.pulls, default=0) + 1
        pull = Pull(
            repository=self,
            number=number,
            title=title,
            body=body,
            base=base,
            head=head,
            head_repository=source,
            author=author,
            draft=draft,
        )
        self.pulls[number] = pull
        pull.refresh()
        return pull

    def unmet(self, pull: Pull) -> list[str]:
        """What the base branch's rule still wants, in GitHub's words."""
        rule = self.rule(pull.base)
        latest = {
            review.user: review.state
            for review in pull.reviews
            if review.can_push and review.state != "COMMENTED" and review.user != pull.author
        }
        passing = {
            run.name
            for run in self.current_checks(pull.head_sha)
            if run.conclusion in {"SUCCESS", "NEUTRAL", "SKIPPED"}
        }
        found = []
        if list(latest.values()).count("APPROVED") < rule.approvals:
            found.append(f"At least {rule.approvals} approving review is required by reviewers with write access.")
        if "CHANGES_REQUESTED" in latest.values() and rule.approvals:
            found.append("Changes were requested.")
        found += [f'Required status check "{name}" is expected.' for name in rule.checks if name not in passing]
        if rule.code_owners and "APPROVED" not in [latest.get("owner")]:
            found.append("Waiting on code owner review.")
        if rule.up_to_date and self.git("rev-list", "--count", f"{pull.head_sha}..refs/heads/{pull.base}") != "0":
            found.append("The head branch is not up to date with the base branch.")
        return found

    def current_checks(self, sha: str) -> list[CheckReport]:
        newest: dict[tuple[str, str, str, str], CheckReport] = {}
        for report in self.checks:
            if report.sha == sha:
                newest[report.name, report.workflow, report.event, report.suite] = report
        return list(newest.values())

    def merge(self, pull: Pull, *, method: str, sha: str = "", by_queue: bool = False) -> str:
        """Merge as `PUT /repos/{owner}/{repo}/pulls/{number}/merge` does."""
        pull.refresh()
        if pull.state != "OPEN":
            raise Refused(405, "Pull Request is not mergeable")
        if pull.draft:
            raise Refused(405, "Pull Request is still a draft")
        if sha and sha != pull.head_sha:
            raise Refused(409, "Head branch was modified. Review and try the merge again.")
        if method not in self.methods:
            raise Refused(405, f"{METHODS[method]} are not allowed on this repository.")
        rule = self.rule(pull.base)
        if method not in (rule.methods or METHODS) or (rule.linear and method == "merge"):
            raise Refused(405, "Repository rule violations found\n\nThis branch must not contain merge commits.\n\n")
        unmet = self.unmet(pull)
        if unmet:
            raise Refused(405, "\n".join(unmet))
        if self.rule(pull.base).merge_queue and not by_queue:
            raise Refused(405, "Repository rule violations found\n\nChanges must be made through the merge queue")
        before = self.branch(pull.base)
        merged = self._merge_commit(pull, method, before)
        self.git("update-ref", f"refs/heads/{pull.base}", merged, before)
        pull.state, pull.merge_sha, pull.queued, pull.auto_merge = "MERGED", merged, False, ""
        return merged

    def _merge_commit(self, pull: Pull, method: str, before: str) -> str:
        tree = self.merged_tree(pull.base, pull.head_sha)
        if not tree:
            raise Refused(405, "Pull Request is not mergeable")
        message = f"{pull.title} (#{pull.number})"
        if method == "merge":
            return self.git("commit-tree", tree, "-p", before, "-p", pull.head_sha, "-m", message)
        if method == "squash":
            return self.git("commit-tree", tree, "-p", before, "-m", message)
        folder = tempfile.mkdtemp(prefix="rebase-", dir=os.path.dirname(self.path))
        try:
            self.git("worktree", "add", "--quiet", "--detach", "--force", folder, pull.head_sha)
            self.git("rebase", "--quiet", before, cwd=folder)
            return self.git("rev-parse", "HEAD", cwd=folder)
        finally:
            shutil.rmtree(folder)
            self.git("worktree", "prune")

    def settle(self) -> None:
        """Do what was left for when the rules allow it."""
        for pull in self.pulls.values():
            pull.refresh()
            if pull.auto_merge and pull.state == "OPEN" and not self.unmet(pull):
                self.merge(pull, method=pull.auto_merge)

    def run_queue(self) -> None:
        """Merge what waits in the merge queue."""
        for pull in self.pulls.values():
            if pull.queued:
                self.merge(pull, method="merge", by_queue=True)


def _custom(message: str) -> Refused:
    row = {"resource": "PullRequest", "code": "custom", "message": message}
    return Refused(422, "Validation Failed", errors=[row])


def _invalid(name: str) -> Refused:
    return Refused(422, "Validation Failed", errors=[{"resource": "PullRequest", "field": name, "code": "invalid"}])
