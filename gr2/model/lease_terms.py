"""The words and numbers of leases, for whoever names them without holding one."""

from __future__ import annotations

EDIT, EXEC, REVIEW = MODES = ("edit", "exec", "review")
DEFAULT_TTL = 900
MAX_TTL = 86_400
