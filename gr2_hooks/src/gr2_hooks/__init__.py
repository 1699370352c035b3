"""Channel and recall for gr2."""

__version__ = "0.1.0"
