"""Tests of ``app.api.server``."""
