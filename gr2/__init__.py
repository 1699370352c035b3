"""gr2: work on several git repositories at once."""

__version__ = "0.1.0"
