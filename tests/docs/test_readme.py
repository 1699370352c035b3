"""The README's first lines work as they stand, one after the other, in an empty directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from gr2.testing import World

README = Path(__file__).parent.parent.parent / "README.md"
WORK = """
for repo in app api; do
    echo new >"$(gr2 lane path --repo "$repo")/new.txt"
    git -C "$(gr2 lane path --repo "$repo")" add new.txt
    git -C "$(gr2 lane path --repo "$repo")" commit --quiet --message "work"
done
"""


def test_the_commands_of_the_readme_work_in_an_empty_directory(world: World) -> None:
    lines = re.findall(r"^\$ (.*)", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(lines) >= 10
    script = "\n".join([*lines, ""]).replace("gr2 pr create", f"{WORK}gr2 pr create")
    for name in ("app", "api"):
        world.remote(name)
        world.commit(name, {"Makefile": "test:\n\t@true\n"})
        script = script.replace(f"https://github.com/acme/{name}.git", world.remote(name))
    ran = subprocess.run(["bash", "-e", "-c", script], cwd=world.root, env=world.env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
