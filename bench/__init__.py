"""Benchmarks: each against plain git or a bare loop in the same run. `python -m bench [names]`."""
