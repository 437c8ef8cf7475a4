"""Tests of ``app.api.stream``."""
