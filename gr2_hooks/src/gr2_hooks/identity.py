"""The constraint `identity`: what belongs to an agent's unit is changed by that agent, by people, and by nobody else.

It is in force where the spec names it in `[workspace_constraints] requires`. It keeps agents from taking each other's
lanes by mistake; it proves nothing about who they are.
"""

from __future__ import annotations

import shlex

from gr2.api import Block, OperationContext, hookimpl

gr2_api = 1
gr2_if_required = True


@hookimpl
def gr2_check_operation(ctx: OperationContext) -> Block | None:
    """Refuse an agent that is not the unit's own. An agent is known by its actor, `agent:ID` or the bare `ID`, and by
    `GR2_AGENT_ID`; the ids themselves are only compared, never read."""
    unit = ctx.spec.unit(ctx.unit) if ctx.unit else None
    if unit is None or not unit.agent_id or not ctx.actor.startswith("agent:"):
        return None
    known = {ctx.actor, ctx.actor.removeprefix("agent:"), ctx.claimed_agent_id} - {""}
    if unit.agent_id in known:
        return None
    return Block(
        code="identity_mismatch",
        reason=f"{ctx.actor} may not run {ctx.operation} for unit {unit.name}, whose agent is {unit.agent_id}",
        hint=_hint(ctx, unit.agent_id, known),
        subject=unit.name,
        details={"actor": ctx.actor, "unit": unit.name, "agent_id": unit.agent_id},
    )


def _hint(ctx: OperationContext, agent_id: str, known: set[str]) -> str:
    own = next((unit.name for unit in ctx.spec.units if unit.agent_id in known), None)
    if own is not None:
        return f"gr2 lane list --unit {own}"
    return f"if you are that agent: export GR2_AGENT_ID={shlex.quote(agent_id)}; else let a person run it"
