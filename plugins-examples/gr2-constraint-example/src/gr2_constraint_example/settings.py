"""What people may set in `[plugins.ticket]`, in their configuration or in the spec."""

from __future__ import annotations

from pydantic import BaseModel


class Settings(BaseModel):
    """pattern: a regular expression for the beginning of a lane's name. example: a ticket, for the hint."""

    pattern: str = "[A-Z]+-[0-9]+"
    example: str = "SHOP-12"
