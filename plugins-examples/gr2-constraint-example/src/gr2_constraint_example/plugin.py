"""A constraint: the name of a new lane begins with a ticket, such as SHOP-12."""

from __future__ import annotations

import re

from gr2.api import Block, OperationContext, hookimpl

gr2_api = 1
gr2_settings = "gr2_constraint_example.settings:Settings"


@hookimpl
def gr2_check_operation(ctx: OperationContext) -> Block | None:
    """Refuse lanes without a ticket. Every other operation is none of our business."""
    if ctx.operation != "lane.create":
        return None
    if re.match(ctx.settings.pattern, ctx.lane):
        return None
    return Block(
        code="ticket_missing",
        reason=f"the lane {ctx.lane} does not begin with a ticket",
        hint=f"gr2 lane create {ctx.settings.example}-{ctx.lane}",
        subject=ctx.lane,
    )
