"""Tests of ``app.domain``."""
