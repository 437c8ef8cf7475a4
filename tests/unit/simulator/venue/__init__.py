"""Tests of ``app.simulator.venue``."""
