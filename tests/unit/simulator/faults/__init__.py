"""Tests of ``app.simulator.faults``."""
