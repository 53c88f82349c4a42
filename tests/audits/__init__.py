"""Tests of the audits; a package, for `benchmarks/audits.py` has the same name."""
