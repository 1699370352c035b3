"""What lies in the current directory is no plugin, and is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gr2.testing import World, write_distribution


@pytest.mark.parametrize(
    "start", [[sys.executable, "-m", "gr2"], [os.path.join(os.path.dirname(sys.executable), "gr2")]]
)
def test_a_distribution_in_the_current_directory_is_not_found(world: World, start: list[str]) -> None:
    touch = f"open({world.root!r} + '/touched', 'w')"
    write_distribution(
        world.root,
        "gr2-evil",
        entry_points={"evil": "evil"},
        modules={"evil.py": touch, "click.py": touch, "json.py": touch},
    )

    checked, listed = (
        subprocess.run(
            [*start, "plugins", word, "--json"], cwd=world.root, env=world.env, capture_output=True, text=True
        )
        for word in ("check", "list")
    )

    assert '"name": "builtin"' in listed.stdout, listed.stderr
    assert "evil" not in checked.stdout + listed.stdout
    assert not os.path.exists(world.path("touched"))
