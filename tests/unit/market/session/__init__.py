"""Tests of ``app.market.session``."""
