"""Tests of ``app.recording.verify``."""
