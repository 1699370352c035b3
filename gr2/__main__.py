"""Entry point. Answers `--version`, `--help` and where a lane is before anything heavy is imported."""

import os
import sys


def main() -> None:
    """Run gr2 with the process's arguments and exit with the contract's code."""
    if sys.argv[1:] == ["--version"]:
        from gr2 import __version__

        sys.stdout.write(f"gr2 {__version__}\n")
        return
    if sys.argv[1:] in (["--help"], ["-h"]):
        from gr2.cli.root_help import show_root_help

        sys.exit(show_root_help(os.environ))
    if sys.argv[1:3] in (["lane", "path"], ["lane", "current"]):
        from gr2.cli.quick import current_directory, quick

        if quick(sys.argv[1:], os.environ, current_directory(os.environ)):
            return
    import gc

    # Short commands never come to this number of objects, and need not look for garbage; long ones still do.
    gc.set_threshold(100_000, 20, 20)
    from gr2.cli.main import main as run

    code = run(sys.argv[1:])
    gc.freeze()  # nor need Python do so as it ends
    sys.exit(code)


def _leave_current_directory() -> None:
    """Take the current directory off the import path, where `python -m` puts it first: what lies in a checkout must
    not decide what gr2 imports, nor be taken for an installed plugin."""
    try:
        here = os.getcwd()
    except OSError:
        return
    if not sys.flags.safe_path and sys.path and sys.path[0] in {"", here}:
        del sys.path[0]


if __name__ == "__main__":
    _leave_current_directory()
    main()
