"""A bug in gr2: one line for the person, and a log that holds the rest."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from gr2.cli.command import Invocation
from gr2.model.outcome import Issue, Refusal, Status
from gr2.model.url import redact


def crash(error: BaseException, run: Invocation) -> Refusal:
    """Write the traceback to a private log file and say where it is."""
    path = _write_log(error, run)
    where = f"the details are in {path}" if path else "its log could not be written"
    issue = Issue(
        code="internal_error",
        scope="workspace",
        subject=" ".join(("gr2", *run.path)),
        message=f"a bug in gr2 ({type(error).__name__}); {where}",
        hint="please report it with that file",
        details={"log": path},
    )
    return Refusal(status=Status.INTERNAL_ERROR, issues=(issue,))


def _write_log(error: BaseException, run: Invocation) -> str:
    from gr2 import __version__

    lines = traceback.format_exception(error)
    text = f"gr2 {__version__}, Python {sys.version.split()[0]}, gr2 {' '.join(run.path)}\n{''.join(lines)}"
    folders = [os.path.join(run.session.root, ".grip/state/logs")] if run.session is not None else []
    for named in [*folders, ""]:
        try:
            folder = named or tempfile.gettempdir()
            os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor, path = tempfile.mkstemp(prefix="gr2-crash-", suffix=".log", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(redact(text))
        except OSError:
            continue
        return path
    return ""
