"""Tests of ``app.evidence``."""
