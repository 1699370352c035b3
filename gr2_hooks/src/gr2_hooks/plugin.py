"""What this distribution registers with gr2."""

from __future__ import annotations

gr2_api = 1
