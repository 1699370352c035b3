"""GitHub for gr2: a platform adapter over the gh command."""

__version__ = "0.1.0"
