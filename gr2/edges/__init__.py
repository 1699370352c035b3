"""The outside world, each part of it behind one module."""
