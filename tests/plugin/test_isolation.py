"""Calls into plugins that never return: what they keep is not stdout."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from gr2.plugin.isolation import PluginFault, diverted_stdout, isolated, isolated_within


class Stuck:
    """A plugin's code that waits inside a call of its own until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.over = threading.Event()

    def __call__(self) -> None:
        try:
            isolated(self.go_on.wait)
            isolated(lambda: None)
        finally:
            self.over.set()

    def leave_behind(self) -> None:
        with pytest.raises(PluginFault, match="longer than"):
            isolated_within(self, seconds=0.05)

    def end(self) -> None:
        self.go_on.set()
        assert self.over.wait(10)
        for thread in threading.enumerate():
            if thread.name == "gr2-plugin":
                thread.join(10)


def test_stdout_is_given_back_when_a_call_inside_a_call_never_returns() -> None:
    stuck, before = Stuck(), sys.stdout

    stuck.leave_behind()

    try:
        assert sys.stdout is before
    finally:
        stuck.end()


def test_a_call_that_was_left_behind_takes_stdout_from_nobody_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    stuck.leave_behind()
    later = io.StringIO()
    monkeypatch.setattr(sys, "stdout", later)

    stuck.end()

    assert sys.stdout is later


def test_another_call_stays_diverted_when_one_is_left_behind() -> None:
    stuck, before = Stuck(), sys.stdout

    with diverted_stdout():
        stuck.leave_behind()
        assert sys.stdout is not before
    assert sys.stdout is before
    stuck.end()
    assert sys.stdout is before
