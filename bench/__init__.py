"""Benchmarks: a module per section of the report, and ``python -m bench`` runs all of them."""
