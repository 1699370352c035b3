"""What the documentation says about plugins is so."""

from __future__ import annotations

import inspect
import os
import re

import pytest

from gr2.plugin.hookspecs import Hookspecs
from gr2.plugin.provider import HOOKS
from tests.plugin.conftest import Place

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "plugins-examples", "gr2-constraint-example")


def _read(*path: str) -> str:
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (gr2_\w+)$", _read(ROOT, "docs", "hookspecs.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_hookspec_is_on_the_page_and_nothing_else() -> None:
    assert sorted(_sections()) == sorted(HOOKS)
    assert sorted(name for name in vars(Hookspecs) if name.startswith("gr2_")) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hookspecs_section_has_its_signature_and_says_when_it_is_called_and_what_raising_means(hook: str) -> None:
    section = _sections()[hook]
    signature = str(inspect.signature(getattr(Hookspecs(), hook))).replace("'", "")

    assert f"```text\n{hook}{signature}\n```" in section
    for word in ("*Called*", "aising*", "eadline*"):
        assert word in section


@pytest.mark.parametrize("hook", HOOKS)
def test_the_examples_of_a_section_are_sound_plugins(place: Place, hook: str) -> None:
    examples = re.findall(r"```python\n(.*?)```", _sections()[hook], flags=re.DOTALL)

    for number, source in enumerate(examples):
        place.install(f"example-{number}", source)
    ran = place.gr2("plugins", "check", "--json")

    assert f"def {hook}(" in examples[0]
    rows = {row["name"]: row for row in ran.json["plugins"] if row["name"].startswith("example")}
    faults = [
        row["error"]
        for row in rows.values()
        if row["error"] and "cannot be imported: ModuleNotFound" not in row["error"]
    ]
    assert faults == []
    assert len(rows) == len(examples)


def test_the_files_of_the_tutorial_are_those_of_the_example() -> None:
    shown = re.findall(
        r"^`([\w./-]+)`:\n```\w+\n(.*?)^```$", _read(ROOT, "docs/plugins/tutorial.md"), re.DOTALL | re.MULTILINE
    )

    assert len(shown) == 4
    for path, text in shown:
        assert text == _read(EXAMPLE, path), path
