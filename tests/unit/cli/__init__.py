"""Tests of ``app.cli``."""
