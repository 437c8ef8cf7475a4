"""Tests of ``app.notify``."""
