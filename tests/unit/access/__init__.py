"""Tests of ``app.access``."""
