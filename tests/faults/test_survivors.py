"""gr2 dies and the git that it started lives on: the next command waits for that git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from gr2.testing import World
from tests.faults import oracle

# Waits for a file before it does what it is asked, and says when it has begun and when it is done.
SLOW_GIT = """#!/bin/sh
case " $* " in
*" {verb} "*)
    echo $$ >>'{base}/begun'
    until [ -e '{base}/go-on' ]; do sleep 0.02; done
    PATH='{path}' git "$@"; code=$?
    : >'{base}/done'
    exit $code;;
esac
PATH='{path}' exec git "$@"
"""


def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        ("clone", ["apply"]),
        ("clone", ["lane", "create", "feat", "--unit", "alpha"]),
        ("checkout", ["lane", "create", "feat", "--unit", "alpha"]),
        ("fetch", ["sync", "run"]),
    ],
)
def test_the_next_command_waits_for_the_git_of_a_killed_gr2(world: World, verb: str, command: list[str]) -> None:
    world.write_spec(repos=("app",), units=("alpha",))
    if command[0] != "apply":
        assert world.gr2("apply").exit_code == 0
    script = SLOW_GIT.format(verb=verb, base=world.base, path=world.env["PATH"])
    wrapper = world.write(os.path.join(world.base, "slow/git"), script)
    os.chmod(wrapper, 0o755)
    argv = [sys.executable, "-m", "gr2", *command]
    slow = world.environ({"PATH": f"{os.path.dirname(wrapper)}:{world.env['PATH']}"})
    first = subprocess.Popen(argv, cwd=world.root, env=slow, stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: first.poll() is not None or os.path.exists(os.path.join(world.base, "begun")))
    assert first.poll() is None, f"git {verb} was not run"
    first.send_signal(signal.SIGKILL)
    first.wait()

    with subprocess.Popen(argv, cwd=world.root, env=world.env, stderr=subprocess.PIPE, text=True) as second:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1.5)  # it waits: the git of the first has not gone on, and it takes no longer by itself
        finally:
            world.write(os.path.join(world.base, "go-on"), "")
        _, said = second.communicate(timeout=60)

    assert second.returncode == 0, said
    assert os.path.exists(os.path.join(world.base, "done"))
    oracle.assert_whole(world, [])
    oracle.assert_no_temporaries(world)
    oracle.assert_log_is_dense(world)
