"""The documentation is whole: links lead somewhere, and every error code has an entry."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *TOP.glob("gr2_*/*.md")])
SOURCES = sorted([*(TOP / "gr2").rglob("*.py"), *TOP.glob("gr2_*/src/**/*.py")])
RAISED = {"Invalid", "Blocked", "Failed", "Gr2Error", "GitError", "NotApplicable", "_note", "_issue"}
CODE = re.compile(r"[a-z][a-z0-9_]*")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def codes_in(source: Path) -> Iterator[str]:
    """The codes that a module gives to errors and issues as plain strings."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        values = (
            [keyword.value for keyword in node.keywords if keyword.arg == "code"] if name in {"Issue", "Block"} else []
        )
        if name in RAISED and node.args:
            values.append(node.args[0])
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and CODE.fullmatch(value.value):
                yield value.value


def test_every_error_code_has_an_entry_in_the_documentation() -> None:
    text = (TOP / "docs/errors.md").read_text(encoding="utf-8")
    entries = set(re.findall(r"^## `?([a-z0-9_]+)`?", text, flags=re.MULTILINE))
    used = {code for source in SOURCES for code in codes_in(source)}
    assert len(used) > 40
    assert sorted(used - entries) == []


def test_the_entries_are_in_order() -> None:
    text = (TOP / "docs/errors.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## `?([a-z0-9_]+)`?", text, flags=re.MULTILINE)
    assert entries == sorted(set(entries))
