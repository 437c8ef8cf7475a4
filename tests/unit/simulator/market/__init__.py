"""Tests of ``app.simulator.market``."""
