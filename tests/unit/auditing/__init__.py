"""Tests of ``app.auditing``."""
