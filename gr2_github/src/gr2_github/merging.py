"""Why GitHub did not merge, told from the facts it gives before its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gr2.api import (
    Conflict,
    HeadMoved,
    MergeMethod,
    NotMergeable,
    OutcomeUnknown,
    PlatformError,
    ProtocolError,
    Queued,
    Transient,
    Unsupported,
)
from gr2_github.answer import Answer
from gr2_github.errors import Request, first_line
from gr2_github.host import checked

if TYPE_CHECKING:
    from gr2_github import documents

_METHOD = re.compile(
    r"(merge commits?|squash merges?|rebase merges?|merge method).{0,20}(not|n't) allowed", re.IGNORECASE
)


def sha_of(request: Request, answer: Mapping[str, Any]) -> str:
    """The merge commit in a successful answer. Raises OutcomeUnknown when it makes no sense."""
    from gr2_github.documents import RestMerged

    try:
        found = checked(RestMerged, answer, request)
    except ProtocolError as error:
        raise OutcomeUnknown(
            error.message, subject=request.subject, hint="run the same command again: gr2 looks first"
        ) from error
    if not found.merged:
        raise NotMergeable(f"{request.what}: GitHub did not merge it", subject=request.subject)
    return found.sha


def require_open(request: Request, found: documents.Pull, expected_head: str) -> None:
    """Raise what stands in the way of doing anything to `found`: merged, closed, or at another head."""
    if found.state != "OPEN":
        state = found.state.lower()
        raise NotMergeable(f"{request.what}: it is {state}", subject=request.subject, details={"state": state})
    if found.head_ref_oid != expected_head:
        raise HeadMoved(
            f"{request.what}: its head is {found.head_ref_oid[:12]}, not {expected_head[:12]}",
            found=found.head_ref_oid,
            subject=request.subject,
            details={"expected": expected_head, "found": found.head_ref_oid},
        )


def refused(
    request: Request, found: documents.Pull, answer: Answer, *, method: MergeMethod, expected_head: str
) -> PlatformError | None:
    """What a merge that GitHub refused (405, 409, 422) failed for; None when it wants it put in its merge queue."""
    try:
        require_open(request, found, expected_head)
    except PlatformError as error:
        return error
    said = answer.message
    reasons = [first_line(line) for line in said.splitlines() if line.strip()]
    about: dict[str, Any] = {"subject": request.subject, "details": {"reasons": reasons}}
    words = f"{request.what}: {reasons[-1].lower() if reasons else 'GitHub refused it'}"
    if found.is_in_merge_queue:
        return Queued(f"{request.what}: it waits in the merge queue", **about)
    if "merge queue" in said.lower():
        return None
    if _METHOD.search(said):
        hint = "use another --method"
        return NotMergeable(
            f"{request.what}: {method} is not allowed there", code="method_not_allowed", hint=hint, **about
        )
    if found.mergeable == "CONFLICTING":
        return Conflict(f"{request.what}: it conflicts with {first_line(found.base_ref_name)}", **about)
    if answer.status == 409 or "base branch was modified" in said.lower():
        return Transient(words, hint="run the same command again", **about)
    return NotMergeable(words, **about)


def auto_merge_refused(request: Request, error: Unsupported) -> PlatformError:
    """Auto-merge that GitHub would not turn on: because nothing is missing, or because it is not to be had there."""
    said = error.message.lower()
    if "clean status" in said or "unstable status" in said:
        return NotMergeable(
            f"{request.what}: nothing is missing, it can be merged at once",
            subject=request.subject,
            details=error.details,
        )
    if "method" in said:
        return NotMergeable(error.message, code="method_not_allowed", subject=request.subject, details=error.details)
    return error
