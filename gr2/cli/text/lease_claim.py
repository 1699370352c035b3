"""How leases look."""

from __future__ import annotations

from collections.abc import Sequence

from gr2.cli.screen import Screen, text_for
from gr2.model.duration import spoken
from gr2.model.hints import quoted
from gr2.ops.lease_claim import (
    LeaseAcquireResult,
    LeaseReleaseResult,
    LeaseRenewResult,
    LeaseResult,
    LeaseShowResult,
    LeaseView,
)


@text_for(LeaseAcquireResult)
def show_acquired(result: LeaseResult, screen: Screen) -> None:
    """What is held, until when, and how to go on."""
    lane = f"{result.owner_unit}/{result.lane_name}"
    for lease in result.leases:
        screen.parts("You hold the ", (lease.mode, "bold"), f" lease of {lane} for {spoken(lease.seconds_left)}")
        screen.command(f"gr2 lane lease renew {quoted(lane)}")
        screen.command(f"gr2 lane lease release {quoted(lane)}")


@text_for(LeaseRenewResult)
def show_renewed(result: LeaseResult, screen: Screen) -> None:
    """What runs anew."""
    lane = f"{result.owner_unit}/{result.lane_name}"
    for lease in result.leases:
        screen.parts("Your ", (lease.mode, "bold"), f" lease of {lane} lasts another {spoken(lease.seconds_left)}")
    if not result.leases:
        screen.line(f"You hold no lease of {lane}: nothing to renew.")


@text_for(LeaseReleaseResult)
def show_released(result: LeaseResult, screen: Screen) -> None:
    """What was given back."""
    lane = f"{result.owner_unit}/{result.lane_name}"
    for lease in result.leases:
        screen.parts("Released the ", (lease.mode, "bold"), f" lease of {lane}")
    if not result.leases:
        screen.line(f"You hold no lease of {lane}: nothing to release.")


@text_for(LeaseShowResult)
def show_leases(result: LeaseShowResult, screen: Screen) -> None:
    """Who holds the lane."""
    if not result.leases:
        screen.line(f"Nobody holds a lease of {result.owner_unit}/{result.lane_name}.")
        return
    lease_table(result.leases, screen)


def lease_table(leases: Sequence[LeaseView], screen: Screen, *, indent: int = 0) -> None:
    """One line a lease; the caller's own say so."""
    rows = [
        (lease.mode, lease.holder + (" (you)" if lease.token is not None else ""), f"{spoken(lease.seconds_left)} left")
        for lease in leases
    ]
    screen.table(("LEASE", "HOLDER", ""), rows, indent=indent)
