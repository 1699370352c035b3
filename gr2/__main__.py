"""Entry point. Answers `--version` and `--help` before anything heavy is imported."""

import sys


def main() -> None:
    """Run gr2 with the process's arguments and exit with the contract's code."""
    if sys.argv[1:] == ["--version"]:
        from gr2 import __version__

        sys.stdout.write(f"gr2 {__version__}\n")
        return
    if sys.argv[1:] in (["--help"], ["-h"]):
        import os

        from gr2.cli.root_help import show_root_help

        sys.exit(show_root_help(os.environ))
    from gr2.cli.main import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
