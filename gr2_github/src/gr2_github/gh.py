"""The one door to the gh command. gh alone knows the token; gr2 only ever sees what GitHub answers.

Every request is `gh api` with its JSON on stdin. No value from outside is ever a flag, a field (gh reads `@file` there)
or a placeholder (gh fills in `{owner}` and `:branch`); gh's other commands are not used, since what they print and how
they end differs between versions.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gr2.api import AuthFailed, Command, PlatformError, ProtocolError
from gr2_github import errors
from gr2_github.answer import Answer, parse
from gr2_github.errors import Request

if TYPE_CHECKING:
    from gr2.api import Completed, Session

MINIMUM_VERSION = (2, 23)
_ANSWER_LIMIT = 64 << 20
# How long a program may take to say its version: it asks nobody.
_START_SECONDS = 30.0
# Only how things look, or where else they are written: none of it may reach what gr2 reads.
_UNWANTED = ("GH_FORCE_TTY", "CLICOLOR_FORCE", "GH_DEBUG", "DEBUG")
_QUIET = {
    "NO_COLOR": "1",
    "GH_PAGER": "cat",
    "GH_PROMPT_DISABLED": "1",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_NO_EXTENSION_UPDATE_NOTIFIER": "1",
    "GH_SPINNER_DISABLED": "1",
}
_INSTALL = "install gh 2.23 or newer (https://cli.github.com), or name it in GR2_GH"
_HEADERS = ("Accept: application/vnd.github+json", "X-GitHub-Api-Version: 2022-11-28")

Reads = Callable[[Mapping[str, Any]], bool]


class Gh:
    """gh, with the caller's environment. `trusted` says whether a token may go to a host; `timeout` is the default
    deadline of a request in seconds."""

    def __init__(self, session: Session, *, trusted: Callable[[str], bool]) -> None:
        self._session = session
        self._trusted = trusted
        self._environ: Mapping[str, str] = session.asked.environ
        self._program = ""
        self._version = (0, 0)
        self.timeout = session.settings.platform_timeout_seconds

    def rest(
        self,
        request: Request,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        headers: Sequence[str] = (),
    ) -> Answer:
        """Ask the REST API: any answer below 500 that is whole, redirects of renamed repositories followed.

        Raises PlatformError when there is none.
        """
        answer = self._ask(request, method, path, body, timeout=timeout, headers=headers)
        moved = _moved_to(request.host, answer)
        if moved:
            # What was redirected was not done, so that this is no second attempt at a write.
            answer = self._ask(request, method, moved, body, timeout=timeout, headers=headers)
        return answer

    def graphql(
        self, request: Request, query: str, variables: Mapping[str, Any], *, timeout: float | None = None
    ) -> GraphAnswer:
        """Ask the GraphQL API. Raises PlatformError unless it answered with `data` or `errors`."""
        body = {"query": query, "variables": dict(variables)}
        answer = self._ask(request, "POST", "graphql", body, timeout=timeout, headers=())
        if answer.status != 200:
            raise self.refusal(request, answer)
        found = _document(request, answer)
        listed, data = found.get("errors") or [], found.get("data")
        rows = tuple(error for error in listed if isinstance(error, dict)) if isinstance(listed, list) else ()
        if not isinstance(data, dict | None) or (data is None and not rows):
            raise _senseless(request, "what makes no sense")
        return GraphAnswer(request, answer, data or {}, rows, self.now)

    def refusal(self, request: Request, answer: Answer) -> PlatformError:
        """The error for an answer that is not a success."""
        return errors.refusal(request, answer, now=self.now)

    def document(self, request: Request, answer: Answer) -> Mapping[str, Any]:
        """The JSON object of a successful answer. Raises the error of any other one."""
        if not 200 <= answer.status < 300:
            raise self.refusal(request, answer)
        return _document(request, answer)

    @property
    def in_use(self) -> str:
        """Version and path. Raises AuthFailed `platform_missing`."""
        program = self._found()
        return f"gh {'.'.join(map(str, self._version))} at {program}"

    @property
    def tells_by_length(self) -> bool:
        """Whether gh changed nothing in an answer that has the length GitHub says: 2.23 replaces escapes, and what it
        puts there is shorter; later ones also put two bytes in the place of a C1 character's two."""
        self._found()
        return self._version == (2, 23)

    @property
    def now(self) -> float:
        """Unix time."""
        return self._session.clock.now().timestamp()

    def _ask(
        self,
        request: Request,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        timeout: float | None,
        headers: Sequence[str],
    ) -> Answer:
        if not self._trusted(request.host):
            raise errors.not_signed_in(request)
        argv = [self._found(), "api", "--include", "--hostname", request.host, "--method", method]
        for header in (*_HEADERS, *headers):
            argv += ["--header", header]
        seconds = timeout if timeout is not None else self.timeout
        completed = self._run([*argv, *(("--input", "-") if body is not None else ()), path], body, seconds)
        asked = Request(**{**vars(request), "seconds": seconds})
        answer = parse(completed.stdout, whole=not completed.timed_out and not completed.cut)
        if answer is None:
            raise errors.unanswered(asked, completed)
        if not answer.whole:
            reason = "said too much" if completed.cut else f"did not end its answer within {seconds:g} s"
            raise errors.lost(asked, f"{request.host} {reason}")
        if answer.status >= 500:
            raise self.refusal(asked, answer)
        if answer.status < 300 and completed.exit_code != 0 and not _told_by_graphql(path, answer):
            raise errors.unanswered(asked, completed)
        return answer

    def _run(self, argv: Sequence[str], body: Mapping[str, Any] | None, seconds: float) -> Completed:
        data = None if body is None else json.dumps(body).encode()
        return self._session.runner.run(
            Command(argv=argv, env=self._env, input=data, timeout=seconds, head=_ANSWER_LIMIT, tail=0, tie=True)
        )

    @property
    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in self._environ.items() if name not in _UNWANTED}
        return {**kept, **_QUIET}

    def _found(self) -> str:
        """The absolute path of a gh that is new enough; looked for once. Raises AuthFailed `platform_missing`."""
        if not self._program:
            program = self._which()
            completed = self._session.runner.run(
                Command(
                    argv=(program, "--version"), env=self._env, timeout=self.timeout, head=1 << 16, tail=0, tie=True
                )
            )
            match = re.search(rb"gh version (\d+)\.(\d+)", completed.stdout)
            if match is None:
                # Also of a gh that hangs: it is of no use either.
                raise AuthFailed(
                    f"{program} does not say that it is gh", code="platform_missing", subject="gh", hint=_INSTALL
                )
            self._version = (int(match.group(1)), int(match.group(2)))
            if self._version < MINIMUM_VERSION:
                shown = ".".join(map(str, self._version))
                raise AuthFailed(f"gh {shown} is too old", code="platform_missing", subject="gh", hint=_INSTALL)
            self._program = program
        return self._program

    def _which(self) -> str:
        named = self._environ.get("GR2_GH", "") or "gh"
        if os.sep in named:
            path = os.path.join(self._session.asked.cwd, named)
            found = path if os.access(path, os.X_OK) and os.path.isfile(path) else None
        else:
            # Without the relative entries: gr2 may stand in a checkout, and what it holds is not to be run.
            folders = [folder for folder in self._environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
            found = shutil.which(named, path=os.pathsep.join(folders))
        if found is None:
            said = "GR2_GH names no program" if "GR2_GH" in self._environ else "gh was not found on PATH"
            raise AuthFailed(said, code="platform_missing", subject="gh", hint=_INSTALL)
        return found


class GraphAnswer:
    """`data` and `errors` of a GraphQL answer, which may have both."""

    def __init__(
        self,
        request: Request,
        answer: Answer,
        data: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        now: float,
    ) -> None:
        self.data = data
        self.rows = tuple(rows)
        self._request = request
        self._answer = answer
        self._now = now

    @property
    def is_for_newer_host(self) -> bool:
        """Whether the host (an older GitHub Enterprise) does not know something that the query names."""
        codes = {_more(row).get("code") for row in self.rows}
        return bool(codes & {"undefinedField", "undefinedType"})

    @property
    def unknown_fields(self) -> frozenset[str]:
        """The fields of the query that the host does not know."""
        return frozenset(str(_more(row).get("fieldName", "")) for row in self.rows)

    def error(self, row: Mapping[str, Any]) -> PlatformError:
        """What an entry of `errors` means."""
        return errors.graphql_refusal(self._request, row, self._answer, now=self._now)

    def require(self, *, bearable: Reads = lambda row: False) -> Mapping[str, Any]:
        """`data`, when there are no errors but those `bearable` allows. Raises the first other one."""
        for row in self.rows:
            if not bearable(row):
                raise self.error(row)
        return self.data


def _more(row: Mapping[str, Any]) -> Mapping[str, Any]:
    more = row.get("extensions")
    return more if isinstance(more, dict) else {}


def _document(request: Request, answer: Answer) -> dict[str, Any]:
    try:
        found = answer.document
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise _senseless(request, "what is not JSON")


def _senseless(request: Request, what: str) -> PlatformError:
    if request.write:
        return errors.lost(request, f"{request.host} answered {what}")
    return ProtocolError(f"{request.what}: {request.host} answered {what}", subject=request.subject)


def _told_by_graphql(path: str, answer: Answer) -> bool:
    """gh ends with 1 when a GraphQL answer has errors, though it came whole."""
    if path != "graphql":
        return False
    try:
        found = answer.document
    except ValueError:
        return False
    return isinstance(found, dict) and bool(found.get("errors"))


def _moved_to(host: str, answer: Answer) -> str:
    """The path that a redirect within the host's API leads to, "" when there is none."""
    if answer.status not in {301, 302, 307, 308}:
        return ""
    bases = (
        ("https://api.github.com/",) if host == "github.com" else (f"https://{host}/api/v3/", f"https://api.{host}/")
    )
    where = answer.headers.get("location", "")
    for base in bases:
        if where.startswith(base) and re.fullmatch(r"[A-Za-z0-9_./-]+", where[len(base) :]):
            return where[len(base) :]
    return ""
