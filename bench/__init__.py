"""Small benchmarks, each a script of its own: ``python bench/matching.py``."""
