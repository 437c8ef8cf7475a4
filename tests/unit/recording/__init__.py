"""Tests of ``app.recording``."""
