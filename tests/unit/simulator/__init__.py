"""Tests of ``app.simulator``."""
