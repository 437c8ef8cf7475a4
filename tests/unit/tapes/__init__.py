"""Tests of ``app.tapes``."""
