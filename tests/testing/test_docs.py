"""What `docs/plugins/testing.md` shows is true."""

from __future__ import annotations

import re
from pathlib import Path

from gr2.testing import World
from gr2.testing.story import check_story

PAGE = (Path(__file__).parents[2] / "docs/plugins/testing.md").read_text(encoding="utf-8")


def test_the_example_works(world: World) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {}
    exec(example, names)

    names["test_apply_makes_every_checkout"](world)


def test_the_story_works(world: World) -> None:
    (story,) = re.findall(r"````markdown\n(.*?)````", PAGE, re.DOTALL)

    check_story(story, world)


def test_every_name_is_there(world: World) -> None:
    names = re.findall(
        r"`(?:world\.)?([a-z_]+)(?:\(|`)", "".join(re.findall(r"^\| (`world.*?) \|", PAGE, re.MULTILINE))
    )

    assert len(names) >= 15
    assert [name for name in names if not hasattr(world, name)] == []
