"""What gh does to text on its way back, and how gr2 still knows what stands at GitHub.

gh shows control characters as `^X` (and those of the C1 range as `\\NNN`), also those a program reads, since version
2.23 (`gh api`, answers of type JSON). It does so on the JSON text, so that a person's six characters `\\u001b` become
`\\^[` as well. What gr2 sends is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace

from gr2.api import PullRequest

_CHANGED = re.compile(r"\\u00(?:[01][0-9a-fA-F]|[89][0-9a-fA-F]|7f)|[\x00-\x1f\x7f-\x9f]")
_MARKS = re.compile(r"\^[@-_?]|\\2[0-3][0-7]")


def is_echo(sent: str, read: str) -> bool:
    """Whether `read` is how gh may show the text `sent`."""
    if sent == read:
        return True
    if _CHANGED.search(sent) is None:
        return False
    pattern, end = "", 0
    for match in _CHANGED.finditer(sent):
        pattern += (
            re.escape(sent[end : match.start()]) + rf"(?:{re.escape(match.group())}|\\?\^\\?.|\\{{1,2}}[0-7]{{3}})"
        )
        end = match.end()
    return re.fullmatch(pattern + re.escape(sent[end:]), read, re.DOTALL) is not None


def may_be_changed(text: str) -> bool:
    """Whether `text`, read through gh, may stand differently at GitHub."""
    return _MARKS.search(text) is not None


class Memory:
    """The texts this run sent to GitHub, to tell them from what gh makes of them.

    A place is whatever tells pull requests apart: a repository and a number, or, before there is one, its branches.
    """

    def __init__(self) -> None:
        self._titles: dict[Hashable, set[str]] = {}
        self._bodies: dict[Hashable, set[str]] = {}
        self._exact: set[Hashable] = set()

    def keep(self, place: Hashable, *, body: str, title: str | None = None) -> None:
        """Remember a text, before it is sent: its answer may be lost."""
        self._bodies.setdefault(place, set()).add(body)
        if title is not None:
            self._titles.setdefault(place, set()).add(title)

    def restored(self, repository: Hashable, pull: PullRequest) -> PullRequest:
        """`pull` with title and body as this run sent them, where it did."""
        number = (repository, pull.ref.number)
        places = (number, (repository, pull.head, pull.base))
        title = _original(pull.title, *(self._titles.get(place, ()) for place in places))
        body = _original(pull.body, *(self._bodies.get(place, ()) for place in places))
        (self._exact.discard if body is None else self._exact.add)(number)
        return replace(pull, title=pull.title if title is None else title, body=pull.body if body is None else body)

    def is_exact(self, repository: Hashable, number: int) -> bool:
        """Whether the body of a pull request was last read as it stands at GitHub, for certain."""
        return (repository, number) in self._exact


def _original(read: str, *known: set[str] | tuple[()]) -> str | None:
    return next((text for texts in known for text in texts if is_echo(text, read)), None)
