"""Every story, the tutorial and the README's session do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gr2.testing import World
from gr2.testing.story import check_story, read_story

HERE = Path(__file__).parent
TOP = HERE.parent.parent
STORIES = [
    *sorted(HERE.glob("*.md")),
    *(path for path in (TOP / "docs/tutorial.md", TOP / "README.md") if path.exists()),
]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.relative_to(TOP)))
def test_the_story_happens_as_told(path: Path, world: World) -> None:
    text = path.read_text(encoding="utf-8")

    assert read_story(text) or path.name == "README.md", "the story holds no command"
    check_story(text, world, name=str(path.relative_to(TOP)))
