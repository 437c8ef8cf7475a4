"""Tests of ``app.market``."""
