"""`pr create`: pushes the lane's branches and opens one pull request each, linked to each other.

Every step outside is written down before it is taken, and a run begins by asking the platform what is there, so that
the same command again finishes what a killed one left, and never opens a second pull request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gr2.edges.clock import timestamp
from gr2.errors import Blocked, Invalid
from gr2.model.event.pr import CreatedPr, PrCreated
from gr2.model.group import Child, Group, GroupState, PullStatus
from gr2.model.hints import quoted
from gr2.model.names import is_ref
from gr2.model.outcome import Issue, run_status
from gr2.model.platform_error import AlreadyExists, OutcomeUnknown, PlatformError
from gr2.model.pr_links import with_span
from gr2.model.pull_request import NewPullRequest, PullRequest
from gr2.model.records import dataclass
from gr2.ops.lease import Fence, guard
from gr2.ops.pr_candidates import Candidate, Skipped, candidates, dirty_issues
from gr2.ops.pr_group import Work, group_work
from gr2.ops.pr_links import span_for, update_links
from gr2.ops.pr_look import look, take_in
from gr2.ops.pr_newer import newer_commits
from gr2.ops.pr_next import GroupView, commands_of, order_of
from gr2.ops.pr_platform import about
from gr2.ops.pr_push import clear_up, note_pushed, push
from gr2.session import Session


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What new pull requests should be. title: None for that of the group; base: "" for each repo's own; push: whether
    branches are pushed first."""

    title: str | None = None
    body: str = ""
    base: str = ""
    draft: bool = False
    push: bool = True


@dataclass(frozen=True, kw_only=True)
class PrCreateResult(GroupView):
    """The group that is there now, and the lane's repos that are not in it. created: repos whose PR is new."""

    skipped: tuple[Skipped, ...] = ()
    created: tuple[str, ...] = ()


def create_group(session: Session, request: CreateRequest, lane: str = "") -> PrCreateResult:
    """Open what is missing of the lane's pull requests, adopt those that are open already, and link all.

    Raises Invalid for a title or body that cannot be, or a title that is missing; Blocked `no_commits`, `not_pushed`,
    `unsupported` or what a lease says; then nothing was changed.
    """
    _check(request)
    with group_work(session, "pr.create", lane) as work, guard(work.session, work.unit.name, work.lane.name) as fence:
        _tell_created(work)
        _catch_up(work)
        title = _title(work, request)
        found, skipped = candidates(work, base=request.base)
        _refuse(work, found, request)
        issues = dirty_issues(work)
        fence.recheck()
        _plan(work, found, title, request)
        _check_bodies(work, found, request)
        made, failures = _make(work, found, title, request, fence)
        links = update_links(work)
        _tell_created(work)
        issues += [*failures, *links, *_last_look(work), *_kept(work, request, made)]
        failed = sum(issue.blocking for issue in issues)
        done = sum(child.pr_number is not None for child in work.existing.prs)
        return PrCreateResult(
            status=run_status(completed=done, failed=failed, blocked=0, issues=issues),
            issues=tuple(issues),
            operation_id=work.run.operation_id,
            group=work.group,
            order=order_of(work),
            next=commands_of(work, newer=bool(newer_commits(work))).next,
            skipped=tuple(skipped),
            created=tuple(made),
        )


def _check(request: CreateRequest) -> None:
    for name, text in (("title", request.title or ""), ("body", request.body)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Invalid("invalid_text", f"the {name} is not UTF-8", subject=name) from error
        if "\0" in text:
            raise Invalid("invalid_text", f"the {name} holds a NUL character", subject=name)
    if request.title is not None and not request.title.strip():
        raise Invalid("invalid_text", "the title is empty", subject="title", hint="gr2 pr create --title TITLE")
    if request.base and not is_ref(request.base):
        raise Invalid("invalid_name", "git would not take that as a branch", subject=request.base)


def _title(work: Work, request: CreateRequest) -> str:
    """The title of new pull requests: as asked for, else that of the group, whose title is known until it is merged."""
    if request.title is not None:
        return request.title
    if work.group is None or work.group.state == GroupState.MERGED:
        hint = f"gr2 pr create --title TITLE{work.lane_option}"
        raise Invalid("usage", "missing option '--title'", subject="gr2 pr create", hint=hint)
    return work.group.title


def _catch_up(work: Work) -> None:
    """Learn how the pull requests there are stand now. Raises the error of one that cannot be read."""
    if work.group is None:
        return
    seen = look(work.session, work.platforms, work.group.prs)
    for repo, error in seen.unread.items():
        if error.kind != "not_found":
            error.subject = error.subject or repo
            raise error
    take_in(work, seen)


def _refuse(work: Work, found: Sequence[Candidate], request: CreateRequest) -> None:
    """Raise Blocked for what must not even begin."""
    if not found:
        raise Blocked(
            "no_commits",
            f"no repo of the lane {work.lane.id} has commits beyond its base",
            scope="lane",
            subject=work.lane.id,
            hint="commit something, or name another base: --base BRANCH",
        )
    behind = [candidate for candidate in found if not candidate.is_pushed] if not request.push else []
    if behind:
        raise _blocked([_not_pushed(candidate) for candidate in behind])
    if request.draft:
        for candidate in found:
            adapter = work.platforms.adapter(candidate.platform)
            if not adapter.capabilities(candidate.repo.url).draft:
                raise Blocked(
                    "unsupported",
                    f"{candidate.platform} has no drafts for {candidate.repo.name}",
                    scope="platform",
                    subject=candidate.repo.name,
                    hint="leave out --draft",
                )


def _not_pushed(candidate: Candidate) -> Issue:
    return Issue(
        code="not_pushed",
        scope="repo",
        subject=candidate.repo.name,
        message=f"{candidate.repo.name} has commits on {candidate.head} that are not on the remote",
        hint="leave out --no-push, or push them yourself",
        details={"repo": candidate.repo.name, "head": candidate.head, "head_sha": candidate.head_sha},
    )


def _blocked(issues: Sequence[Issue]) -> Blocked:
    first = issues[0]
    error = Blocked(first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint)
    error.__dict__["issues"] = tuple(issues)
    return error


def _plan(work: Work, found: Sequence[Candidate], title: str, request: CreateRequest) -> None:
    """Have a group, written nowhere yet, with a child for each candidate. A finished group gets a successor."""
    old = work.group
    kept = [child for child in old.prs if child.pr_number is not None] if old is not None and not old.is_over else []
    numbered = {child.repo: child for child in kept if child.status != "closed"}
    children = [numbered.pop(each.repo.name, _planned(each)) for each in found]
    known = {child.repo for child in children}
    children += [child for child in kept if child.repo not in known]
    if old is not None and not old.is_over:
        work.group = replace(old, prs=()).with_children(children)
        return
    heads = {each.head for each in found}
    group = Group(
        pr_group_id=f"pg_{work.session.ids.hex(8)}",
        lane_name=work.lane.name,
        owner_unit=work.unit.name,
        title=title,
        base_branch=None,
        head_branch=heads.pop() if len(heads) == 1 else work.lane.name,
        draft=request.draft,
        created_by=work.session.actor,
        created_at=timestamp(work.session.clock.now()),
    )
    work.succeed(group.with_children(children))


def _planned(candidate: Candidate) -> Child:
    return Child(
        repo=candidate.repo.name,
        platform=candidate.platform,
        base=candidate.base,
        head=candidate.head,
        head_sha=candidate.head_sha,
    )


def _check_bodies(work: Work, found: Sequence[Candidate], request: CreateRequest) -> None:
    """Raise Invalid `body_too_long` unless text and links fit into each new pull request."""
    for candidate in found:
        child = work.existing.child(candidate.repo.name)
        if child is None or child.pr_number is not None:
            continue
        limit = work.platforms.adapter(candidate.platform).capabilities(candidate.repo.url).body_limit
        whole = with_span(request.body, span_for(work, child)) or request.body
        if limit is not None and len(whole) > limit:
            raise Invalid(
                "body_too_long",
                f"body and links take {len(whole)} characters, and {candidate.platform} allows {limit}",
                scope="platform",
                subject=candidate.repo.name,
                hint="shorten the body",
                details={"repo": candidate.repo.name, "limit": limit, "length": len(whole)},
            )


def _make(
    work: Work, found: Sequence[Candidate], title: str, request: CreateRequest, fence: Fence
) -> tuple[list[str], list[Issue]]:
    """Push, and open or adopt a pull request, for each candidate. A repo that fails does not stop the others; a lease
    that is lost does."""
    work.begin()
    issues: dict[str, Issue] = {}
    made: list[str] = []
    try:
        for candidate in found if request.push else ():
            clear_up(work, candidate)
            if candidate.is_pushed:
                note_pushed(work, candidate)
            else:
                fence.recheck()
                issue = push(work, candidate)
                if issue is not None:
                    issues[candidate.repo.name] = issue
        for candidate in found:
            child = work.existing.child(candidate.repo.name)
            if candidate.repo.name in issues or child is None or child.pr_number is not None:
                continue
            fence.recheck()
            try:
                if _open(work, candidate, title, request):
                    made.append(candidate.repo.name)
            except PlatformError as error:
                issues[candidate.repo.name] = about(error, candidate.repo.name, repo=candidate.repo.name)
    except Blocked as error:
        return made, [*issues.values(), Issue.from_error(error)]
    return made, list(issues.values())


def _open(work: Work, candidate: Candidate, title: str, request: CreateRequest) -> bool:
    """Adopt the candidate's open pull request, or open one. Whether it was opened now."""
    found = _existing(work, candidate)
    opened = found is None
    if found is None:
        work.note(creating={**work.journal.creating, candidate.repo.name: candidate.head_sha})
        work.save()
        found = _request(work, candidate, title, request)
    name = candidate.repo.name
    child = work.existing.child(name)
    assert child is not None
    status: PullStatus = "draft" if found.draft else "open"
    known = replace(
        child,
        pr_number=found.ref.number,
        url=found.web_url or None,
        head_sha=found.head_sha,
        status=status,
        merge_sha=None,
        blockers=(),
    )
    work.note(
        creating={repo: head for repo, head in work.journal.creating.items() if repo != name},
        titles={**work.journal.titles, name: found.title},
    )
    work.save(work.existing.with_children([known]))
    return opened


def _existing(work: Work, candidate: Candidate) -> PullRequest | None:
    adapter = work.platforms.adapter(candidate.platform)
    found = work.platforms.read(
        lambda: adapter.list_prs(
            candidate.repo.url,
            head=candidate.head,
            base=candidate.base,
            state="open",
            timeout=work.platforms.timeout,
        )
    )
    return found[0] if found else None


def _request(work: Work, candidate: Candidate, title: str, request: CreateRequest) -> PullRequest:
    """Open a pull request: sent once, and looked for when the answer is lost."""
    adapter = work.platforms.adapter(candidate.platform)
    new = NewPullRequest(
        url=candidate.repo.url,
        title=title,
        body=request.body,
        base=candidate.base,
        head=candidate.head,
        draft=request.draft,
    )
    try:
        return adapter.create_pr(new, timeout=work.platforms.timeout)
    except (AlreadyExists, OutcomeUnknown):
        found = _existing(work, candidate)
        if found is None:
            raise
        return found


def _tell_created(work: Work) -> None:
    """Tell of pull requests that no event has told of."""
    if work.group is None:
        return
    told: Mapping[str, int] = work.journal.told_created
    fresh = [
        child for child in work.group.prs if child.pr_number is not None and told.get(child.repo) != child.pr_number
    ]
    if not fresh:
        return
    event = PrCreated(
        pr_group_id=work.group.pr_group_id,
        repos=tuple(
            CreatedPr(
                repo=child.repo,
                pr_number=child.pr_number or 0,
                url=child.url or "",
                title=work.journal.titles.get(child.repo, work.group.title),
                base=child.base,
                head=child.head,
            )
            for child in fresh
        ),
    )
    work.note(told_created={**told, **{child.repo: child.pr_number for child in fresh}})
    work.save(events=[event])


def _kept(work: Work, request: CreateRequest, made: Sequence[str]) -> Iterator[Issue]:
    """A non-blocking issue for each way in which a pull request that was there before is not what was asked for."""
    for child in work.existing.prs:
        if child.repo in made or child.pr_number is None or not child.is_live:
            continue
        title = work.journal.titles.get(child.repo, work.existing.title)
        if request.title not in {None, title, work.existing.title}:
            said = {"title": title, "asked": request.title}
            yield _kept_one(child, "keeps its title", "change its title on the platform", said)
        if request.base not in {"", child.base}:
            hint = f"change its base on the platform, or close it and create again with --base {quoted(request.base)}"
            said = {"base": child.base, "asked": request.base}
            yield _kept_one(child, f"stays a pull request into {child.base}", hint, said)
        if request.draft and child.status != "draft":
            yield _kept_one(child, "is no draft", "make it a draft on the platform", {"draft": False})


def _kept_one(child: Child, how: str, hint: str, said: Mapping[str, object]) -> Issue:
    return Issue(
        code="pr_kept",
        scope="platform",
        subject=child.name,
        message=f"{child.name} is there already, and {how}",
        hint=hint,
        blocking=False,
        details={"repo": child.repo, "pr_number": child.pr_number, **said},
    )


def _last_look(work: Work) -> list[Issue]:
    """Record how everything stands at the end; what cannot be read is only said."""
    try:
        seen = look(work.session, work.platforms, work.existing.prs)
        take_in(work, seen)
    except PlatformError as error:
        return [Issue.from_error(error, blocking=False)]
    return seen.issues
