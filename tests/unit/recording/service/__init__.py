"""Tests of ``app.recording.service``."""
