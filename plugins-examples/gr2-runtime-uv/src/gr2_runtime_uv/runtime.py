"""The hook runtime `uv`."""

from __future__ import annotations

from gr2.api import Command, HookOutcome, HookRequest, PluginContext, command_fault, command_words

NOT_FOUND = 127
# How `uv run` says that the program is not there; its own exit code for that is 2.
_NOT_SPAWNED = b"Failed to spawn"


class UvRuntime:
    """Starts the program with `uv run`, which makes the checkout's environment first."""

    def __init__(self, ctx: PluginContext) -> None:
        self._runner = ctx.session.runner

    def fault(self, command: str) -> str | None:
        """An open quote, or no program."""
        return command_fault(command)

    def run(self, request: HookRequest) -> HookOutcome:
        """Run it, and `uv`, in one process group that the timeout ends as a whole."""
        words = command_words(request.command, request.variables)
        ended = self._runner.run(
            Command(
                argv=["uv", "run", "--project", request.checkout or request.cwd, "--", *words],
                cwd=request.cwd,
                env=request.env,
                timeout=request.timeout_seconds,
                head=request.keep_bytes,
                tail=request.keep_bytes,
                tie=True,
            )
        )
        missing = ended.exit_code == 2 and _NOT_SPAWNED in ended.stderr
        return HookOutcome(
            exit_code=NOT_FOUND if missing else ended.exit_code,
            stdout=ended.stdout,
            stderr=ended.stderr,
            duration_ms=ended.duration_ms,
            timed_out=ended.timed_out,
        )
