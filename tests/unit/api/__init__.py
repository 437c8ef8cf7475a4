"""Tests of ``app.api``."""
