"""What gh does to text on its way back, and how gr2 still knows what stands at GitHub.

gh shows control characters as `^X` (and those of the C1 range as `\\NNN`), also those a program reads, since version
2.23 (`gh api`, answers of type JSON). It does so on the JSON text, so that a person's six characters `\\u001b` become
`\\^[` as well. What gr2 sends is not touched.
"""

from __future__ import annotations

import re

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
