"""A directory that may not be written: `read_only`, and nothing is changed."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from gr2.testing import World

LANES = "agents/alpha/lanes"
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def as_one_whom_modes_bind(world: World, *args: str) -> dict[str, Any]:
    """The document of `gr2 ARGS --json`, run without what lets root write everywhere."""
    prctl = ctypes.CDLL(None).prctl
    ran = subprocess.run(
        [sys.executable, "-m", "gr2", *args, "--json"],
        cwd=world.root,
        env=world.env,
        preexec_fn=lambda: prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0),
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(
    ("folder", "args"),
    [
        (LANES, ("lane", "create", "new")),
        (LANES, ("lane", "archive", "there")),
        (f"{LANES}/there/repos", ("lane", "add", "api", "--lane", "there")),
    ],
)
def test_a_lane_in_a_directory_that_may_not_be_written_is_read_only(
    folder: str, args: tuple[str, ...], world: World
) -> None:
    world.write_spec(repos=["app", "api"], units=["alpha"])
    world.call("apply")
    world.call("lane", "create", "there", "--repos", "app")
    os.chmod(world.path(folder), 0o555)
    found = as_one_whom_modes_bind(world, *args)
    assert (found["status"], [issue["code"] for issue in found["issues"]]) == ("blocked", ["read_only"])
    os.chmod(world.path(folder), 0o755)
    assert os.listdir(world.path(LANES)) == ["there"]
    assert os.listdir(world.path(f"{LANES}/there/repos")) == ["app"]
    assert world.call("saved", "list", "--json").json["saved"] == []
