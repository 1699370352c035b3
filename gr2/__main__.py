"""Entry point. Answers `--version` before anything heavy is imported."""

import sys


def main() -> None:
    """Run gr2 with the process's arguments and exit with the contract's code."""
    if sys.argv[1:] == ["--version"]:
        from gr2 import __version__

        sys.stdout.write(f"gr2 {__version__}\n")
        return
    from gr2.cli.main import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
