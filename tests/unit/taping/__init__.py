"""Tests of ``app.taping``."""
