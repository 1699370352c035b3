"""The hook runtime `command`: a program with arguments, without a shell."""

from __future__ import annotations

from gr2.api import Command, HookOutcome, HookRequest, PluginContext, command_fault, command_words


class CommandRuntime:
    """Splits the command like a shell would, puts the variables in, and starts the program as it is."""

    def __init__(self, ctx: PluginContext) -> None:
        self._runner = ctx.session.runner

    def fault(self, command: str) -> str | None:
        """An open quote, or no program."""
        return command_fault(command)

    def run(self, request: HookRequest) -> HookOutcome:
        """Run it in a process group of its own, which the timeout ends as a whole."""
        ended = self._runner.run(
            Command(
                argv=command_words(request.command, request.variables),
                cwd=request.cwd,
                env=request.env,
                timeout=request.timeout_seconds,
                head=request.keep_bytes,
                tail=request.keep_bytes,
                tie=True,
            )
        )
        return HookOutcome(
            exit_code=ended.exit_code,
            stdout=ended.stdout,
            stderr=ended.stderr,
            duration_ms=ended.duration_ms,
            timed_out=ended.timed_out,
        )
