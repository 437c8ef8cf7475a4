"""Tests of ``app.verification``."""
