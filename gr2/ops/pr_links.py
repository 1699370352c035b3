"""Keeps the links between a group's pull requests up to date in their bodies."""

from __future__ import annotations

from gr2.model.group import Child
from gr2.model.outcome import Issue
from gr2.model.platform_error import OutcomeUnknown, PlatformError
from gr2.model.pr_links import Linked, span, with_span
from gr2.model.pull_request import PullRef
from gr2.model.spec import Repo
from gr2.ops.pr_group import Work
from gr2.ops.pr_platform import about


def linked(work: Work, child: Child) -> Linked:
    """How other pull requests link to `child`."""
    repo = work.session.spec.repo(child.repo)
    return Linked(
        repo=child.repo,
        platform=child.platform,
        repository=repo.url if repo else "",
        base=child.base,
        number=child.pr_number,
        web_url=child.url or "",
    )


def span_for(work: Work, child: Child) -> str:
    """The section for the body of `child`."""
    group = work.existing
    rows = [linked(work, each) for each in group.prs if each.status != "closed"]
    return span(group.pr_group_id, group.lane_name, rows, seen_from=linked(work, child))


def update_links(work: Work) -> list[Issue]:
    """Write the section into every open pull request that has another one. What did not work is an issue each."""
    issues = []
    for child in work.existing.prs:
        repo = work.session.spec.repo(child.repo)
        if repo is None or child.pr_number is None or not child.is_live:
            continue
        try:
            issue = _update(work, child, repo)
        except PlatformError as error:
            issue = about(error, child.name, repo=child.repo, number=child.pr_number)
        if issue is not None:
            issues.append(issue)
    return issues


def _update(work: Work, child: Child, repo: Repo) -> Issue | None:
    adapter = work.platforms.adapter(child.platform)
    ref = PullRef(url=repo.url, number=child.pr_number or 0)
    timeout = work.platforms.timeout
    body = work.platforms.read(lambda: adapter.get_pr(ref, timeout=timeout)).body
    wanted = with_span(body, span_for(work, child))
    if wanted is None:
        return Issue(
            code="broken_links",
            scope="platform",
            subject=child.name,
            message=f"{child.name}: the section with links is broken or there twice, and was left alone",
            hint=f"take out the gr2:pr-group markers and all between them, then gr2 pr create{work.lane_option}",
            blocking=False,
            details={"repo": child.repo, "pr_number": child.pr_number},
        )
    if wanted == body:
        return None
    try:
        adapter.update_pr_body(ref, wanted, timeout=timeout)
    except OutcomeUnknown:
        if work.platforms.read(lambda: adapter.get_pr(ref, timeout=timeout)).body != wanted:
            raise
    return None
