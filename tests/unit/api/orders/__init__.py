"""Tests of ``app.api.orders``."""
