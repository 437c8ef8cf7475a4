"""Tests of ``app.ports``."""
