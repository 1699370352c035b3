"""Channel, recall, identity constraints and gates for gr2."""

__version__ = "0.1.0"
