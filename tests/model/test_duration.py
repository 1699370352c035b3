"""Durations as people say them."""

from __future__ import annotations

import pytest

from gr2.model.duration import ago, spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"),
        (0, "0 seconds"),
        (1, "1 second"),
        (45.4, "45 seconds"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (899.99, "15 minutes"),
        (3599, "60 minutes"),
        (7200, "2 hours"),
        (86_400, "24 hours"),
        (259_200, "3 days"),
    ],
)
def test_the_largest_unit_that_fits_is_used(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_what_has_just_been_is_just_now() -> None:
    assert ago(3) == "just now"
    assert ago(600) == "10 minutes ago"
