"""Durations as people say them."""

from __future__ import annotations

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def spoken(seconds: float) -> str:
    """`seconds` in the largest unit that fits, rounded: "45 seconds", "1 minute", "3 hours", "2 days"."""
    whole = max(0, round(seconds))
    for size, name in _UNITS:
        # A minute and a half is "90 seconds": one of a unit says too little.
        if whole >= size * (1.95 if size > 1 else 1):
            count = int(whole / size + 0.5)
            return f"{count} {name}" + ("" if count == 1 else "s")
    return "0 seconds"


def ago(seconds: float) -> str:
    """How long something has been: "just now", "12 minutes ago"."""
    return "just now" if seconds < 10 else f"{spoken(seconds)} ago"
